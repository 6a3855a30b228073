"""Open a file to append to, and know it again."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from pathlib import Path


MAX_LINKS: Final = 8
_FLAGS: Final = (
    os.O_RDWR  # the end is read, to see whether it is one
    | os.O_APPEND
    | os.O_CREAT
    | os.O_CLOEXEC
    | os.O_NOFOLLOW
    | os.O_NOCTTY
    | os.O_NONBLOCK  # a pipe without a reader would hold up the start
)
_MODE: Final = 0o600

Identity = tuple[int, int]
"""Device and inode."""


@dataclass(slots=True)
class Opened:
    """A file that is open.

    Attributes:
        descriptor: to append to.
        path: where it was found, behind symbolic links.
        identity: what it is, wherever it is moved to.
        regular: it can be moved and cut; a device cannot.
        end: where our last write to it ended, in bytes; -1: none has.
    """

    descriptor: int
    path: Path
    identity: Identity
    regular: bool
    end: int = -1

    def size(self) -> int | None:
        """Return the size in bytes; None: the file has been removed, and ends when closed.

        Raises:
            OSError: the descriptor has been closed behind our back, and may be another file's.
        """
        found = os.fstat(self.descriptor)
        if (found.st_dev, found.st_ino) != self.identity:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        # A file system that counts no links has none for what is in its place, too.
        gone = not found.st_nlink and not self.is_at(self.path)
        return None if gone else found.st_size

    def is_at(self, path: Path) -> bool:
        """Whether a path still leads to it."""
        try:
            found = path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self.identity


def opened(path: Path) -> Opened:
    """Open a file to append to; one that is not there is made, for its owner alone.

    Raises:
        OSError: it cannot be opened, or it is neither a file nor a device, or there is a symbolic
            link of another user in its place.
    """
    real = _followed(path)
    descriptor = os.open(real, _FLAGS, _MODE)
    found = os.fstat(descriptor)
    regular = stat.S_ISREG(found.st_mode)
    if not regular and not stat.S_ISCHR(found.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Neither a file nor a device")
    return Opened(descriptor, real, (found.st_dev, found.st_ino), regular)


def _followed(path: Path) -> Path:
    """Follow symbolic links step by step; O_NOFOLLOW refuses one that is put there meanwhile.

    In a directory where others may write, a link of theirs would have us write to a file of their
    choice.
    """
    for _ in range(MAX_LINKS):
        try:
            found = path.lstat()
        except FileNotFoundError:
            return path
        if not stat.S_ISLNK(found.st_mode):
            return path
        if found.st_uid not in {0, os.geteuid()}:
            raise PermissionError(errno.EACCES, "A symbolic link of another user")
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
