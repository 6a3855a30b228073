"""Find the real tools; one that is missing fails the tests, it does not skip them."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, Final

import pytest


if TYPE_CHECKING:
    from collections.abc import Iterator


PACKAGES: Final = {
    "curl": "curl",
    "nginx": "nginx-light",
    "node": "nodejs",
    "redis-server": "redis-server",
    "slowhttptest": "slowhttptest",
    "valgrind": "valgrind",
}


def tool(name: str) -> str:
    """Return the path of a tool, or fail with the package that has it."""
    # nginx is in /usr/sbin, which is not on everybody's PATH.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(
            f"{name} is needed and missing: apt-get install {PACKAGES[name]}", pytrace=False
        )
    return found


@contextlib.contextmanager
def prepared(*more: str) -> Iterator[None]:
    """Fail if a tool is missing; let every client of the tests call loopback itself.

    Args:
        more: tools beside curl and nginx.
    """
    for name in ("curl", "nginx", *more):
        tool(name)
    foreign = [name for name in os.environ if name.lower().endswith("_proxy")]
    with pytest.MonkeyPatch.context() as patch:
        for name in (*foreign, "KEYBEARER_CONFIG"):
            patch.delenv(name, raising=False)
        yield
