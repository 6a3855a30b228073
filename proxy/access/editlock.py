"""The lock that keeps editors of one directory apart, waited for with a word and not for ever."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


TOLD_S: Final = 2.0
"""After so long a person wants to know why nothing happens: an edit takes a second at most."""
GIVE_UP_S: Final = 30.0
AGAIN_S: Final = 0.02
"""The kernel wakes who waits, but has no limit of time: so it is asked again."""


class BusyError(Exception):
    """Somebody else holds the lock and does not let go."""


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Patience:
    """How to wait for a lock.

    Attributes:
        tell: called once, when the wait has lasted `TOLD_S`.
        limit_s: how long to wait.
        now: tells seconds that only grow.
        sleep: lets so many seconds pass.
    """

    tell: Callable[[], None] = _nothing
    limit_s: float = GIVE_UP_S
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@contextmanager
def locked(directory: Path, patience: Patience) -> Iterator[None]:
    """Keep other editors out, by the directory: after an edit the file itself is another one.

    Raises:
        BusyError: it is not free within the limit.
        OSError: there is no such directory, or it cannot be locked.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _wait(descriptor, patience)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, patience: Patience) -> None:
    began, told = patience.now(), False
    while not _taken(descriptor):
        waited = patience.now() - began
        if waited >= patience.limit_s:
            raise BusyError
        if waited >= TOLD_S and not told:
            patience.tell()
            told = True
        patience.sleep(AGAIN_S)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
