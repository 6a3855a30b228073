"""A file of whole lines that several processes append to, and that begins anew when it is full."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from time import monotonic
from typing import TYPE_CHECKING, Final

from proxy.access.mend import write_lines
from proxy.access.place import opened
from proxy.access.rotation import rotate


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy.access.place import Opened
    from proxy.observe.log import Log


LOOK_S: Final = 0.5
"""How often it is looked whether the file is still in its place (logrotate moves it)."""

_TURNS: Final = 8
"""Files begun anew for one write: other processes may fill the new one first."""


class Busy(Exception):
    """Another process writes at this moment."""


class Journal:
    """Appends under a lock, so that no two processes mix their lines or rotate twice.

    The lock is on the file itself. Whoever has it looks at the size first: a process that has
    missed a rotation finds its file full, looks where it is, and goes on with the new one.

    Args:
        path: of the file; its directory has to be there.
        max_size: in bytes; a line that would make it larger goes to a new one.
        keep: older files, `file.1` being the youngest; 1 or more.
        log: for what an operator should know, once each.
        now: seconds, as `time.monotonic`.
    """

    def __init__(
        self, path: Path, max_size: int, keep: int, log: Log, now: Callable[[], float] = monotonic
    ) -> None:
        self._path = path
        self._max_size = max_size
        self._keep = keep
        self._log = log
        self._now = now
        self._file: Opened | None = None
        self._look_at = 0.0
        self._stuck_until: float | None = None

    def open(self) -> Opened:
        """Open the file at the path, and close the one before.

        Raises:
            OSError: it cannot be opened, or not locked.
        """
        self.close()
        self._file = file = opened(self._path)
        self._look_at = self._now() + LOOK_S
        with contextlib.suppress(Busy):
            _lock(file)
            _unlock(file)
        return file

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file.descriptor)

    def append(self, data: bytes) -> int:
        """Write whole lines, each with its end.

        Returns:
            How many bytes of them are in the file: all, or up to the end of a line; the rest goes
            to the next file.

        Raises:
            Busy: try again in a moment.
            OSError: not one line could be written.
        """
        try:
            return self._append(data)
        except OSError as error:
            if error.errno == errno.EBADF:
                self._file = None  # not ours to close any more
            raise

    def _append(self, data: bytes) -> int:
        for _ in range(_TURNS):
            file = self._in_place()
            _lock(file)
            try:
                size = file.size()
                if size is not None:
                    fits = self._room(file, size, data)
                    if fits or not self._made_room(file):
                        part = data[:fits] if fits else data
                        return write_lines(file, size, part, self._tell_half)
            finally:
                _unlock(file)
            self.open()
        raise Busy

    def _in_place(self) -> Opened:
        file = self._file
        if file is not None and self._now() >= self._look_at:
            self._look_at = self._now() + LOOK_S
            file = file if file.is_at(self._path) else None
        return self.open() if file is None else file

    def _room(self, file: Opened, size: int, data: bytes) -> int:
        """Return how many bytes of the lines still go into the file; 0: it is full."""
        room = self._max_size - size
        if len(data) <= room or not file.regular:
            return len(data)
        if self._stuck_until is not None and self._now() < self._stuck_until:
            return len(data)
        fits = data.rfind(b"\n", 0, max(0, room)) + 1
        # One line is longer than a file may be.
        return fits if fits or size else data.find(b"\n") + 1

    def _made_room(self, file: Opened) -> bool:
        """Whether the place is free for a new file. If it cannot be, the old one grows."""
        if not file.is_at(self._path):
            return True
        try:
            rotate(file.path, self._keep)
        except OSError as error:
            if self._stuck_until is None:
                told = {"file": str(self._path), "cause": error.strerror}
                self._log.events.error("audit_not_rotated", **told)
            self._stuck_until = self._now() + LOOK_S
            return False
        if self._stuck_until is not None:
            self._log.events.error("audit_rotated_again", file=str(self._path))
            self._stuck_until = None
        return True

    def _tell_half(self, length: int) -> None:
        self._log.events.error("audit_half_line_mended", file=str(self._path), bytes=length)


def _lock(file: Opened) -> None:
    # Never waited for: whoever holds it may have been stopped.
    try:
        fcntl.flock(file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy from None


def _unlock(file: Opened) -> None:
    fcntl.flock(file.descriptor, fcntl.LOCK_UN)
