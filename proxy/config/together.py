"""What is wrong with several things, told at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from proxy.config.errors import ConfigError


if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.config.errors import Problem


_Made = TypeVar("_Made")


def attempt(make: Callable[[], _Made], problems: list[Problem]) -> _Made | None:
    """Return what is made, or None and add what is wrong to the problems of others."""
    try:
        return make()
    except ConfigError as error:
        problems.extend(error.problems)
        return None
