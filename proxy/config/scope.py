"""What rules across keys are checked on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from proxy.config.errors import Path


if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.config.schema import Config


Finding = tuple[Path, str]


class Scope(NamedTuple):
    """What is checked.

    Attributes:
        written: as in the file; entries that are not valid by themselves are left out.
        config: the same, settled.
        where: a key path in words, with its line.
        routes: the names in `routes:`, invalid entries too.
        credentials: the names in `credentials:`, invalid entries too.
        credentials_known: whether that key can be read at all.
        listeners_known: whether every key at the top is valid.
        has_clients: whether requests are asked whose they are, if by invalid entries.
    """

    written: Config
    config: Config
    where: Callable[[Path], str]
    routes: frozenset[str]
    credentials: frozenset[str]
    credentials_known: bool
    listeners_known: bool
    has_clients: bool

    @classmethod
    def of(cls, config: Config) -> Scope:
        """Return the scope of a configuration that is valid as a whole, for files beside it."""
        return cls(
            written=config,
            config=config,
            where=config.where,
            routes=frozenset(config.routes),
            credentials=frozenset(config.credentials),
            credentials_known=True,
            listeners_known=True,
            has_clients=True,
        )
