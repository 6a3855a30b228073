"""A unix socket in the file system: born with its mode and group; replaces dead ones alone."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import stat
from typing import TYPE_CHECKING, Final

from proxy.access.editlock import BusyError, Patience, locked


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_DEFAULT_MODE: Final = 0o600
_LOCK_S: Final = 2.0
"""How long to wait for another start, which takes a moment: no signal ends the wait."""


class SocketError(Exception):
    """Why a path cannot be listened on."""


def listen_at(path: Path, mode: int | None, group: str | None) -> socket.socket:
    """Return a socket that listens at a path.

    Of several processes that find a dead socket there one replaces it: they take turns, by a lock
    of the directory, and the next one finds a living socket.

    Args:
        path: absolute.
        mode: permission bits; None: the user's own alone.
        group: who owns it beside the user; None: as the system has it.

    Raises:
        SocketError: somebody listens there, something else is there, or the system refuses.
    """
    mode = _DEFAULT_MODE if mode is None else mode
    try:
        with locked(path.parent, Patience(limit_s=_LOCK_S)):
            _clear_dead(path)
            return _born(path, mode) if group is None else _born_of(group, path, mode)
    except BusyError:
        raise SocketError("another process keeps the directory locked") from None
    except LookupError:
        raise SocketError(f"there is no group {group}") from None
    except OSError as error:
        raise SocketError(error.strerror or str(error)) from error


def _born(path: Path, mode: int) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Its mode from the first moment on: until a chmod it would have another one, and by then the
    # path may lead to another file.
    before = os.umask(~mode & 0o777)
    try:
        bound.bind(os.fspath(path))
        bound.listen()  # now, so that it is a living one; the server says how many may wait
    except BaseException:
        bound.close()
        raise
    finally:
        os.umask(before)
    return bound


def _born_of(group: str, path: Path, mode: int) -> socket.socket:
    """Give the group where nobody else can put another file, then move the socket to its path."""
    with _private_directory(path.parent) as private:
        name = private / "s"
        _clear_dead(name)
        bound = _born(name, mode)
        try:
            shutil.chown(name, group=group)
            name.rename(path)
        except BaseException:
            name.unlink()
            bound.close()
            raise
        return bound


@contextlib.contextmanager
def _private_directory(parent: Path) -> Iterator[Path]:
    # Short: with the socket's name it must not be longer than `kb.sock`, or a path that is as long
    # as the system allows could not be listened on. Under the lock it can only be left over.
    private = parent / ".kb"
    with contextlib.suppress(FileExistsError):
        private.mkdir(0o700)
    if not _is_ours_alone(private):
        raise SocketError(f"{private} is needed for a moment; remove it")
    try:
        yield private
    finally:
        with contextlib.suppress(OSError):
            private.rmdir()


def _is_ours_alone(directory: Path) -> bool:
    status = directory.lstat()
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    return private and status.st_uid == os.geteuid()


def _clear_dead(path: Path) -> None:
    """Remove a socket that nobody listens on; anything else stays.

    Raises:
        SocketError: it is a living socket, or no socket at all.
    """
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise SocketError("a file that is no socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a listener that is too busy to accept is a living one
        status = probe.connect_ex(os.fspath(path))
    if status in (0, errno.EAGAIN):
        raise SocketError("another process listens there")
    if status != errno.ECONNREFUSED:
        raise SocketError(os.strerror(status))
    path.unlink()
