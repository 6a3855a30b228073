"""Write whole lines behind whole lines, whatever a killed writer or a full disk has left there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import orjson


if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.access.place import Opened


LONGEST: Final = 256 * 1024
"""Bytes in which the beginning of a half line is looked for: a target of 16 KiB, escaped for JSON
six times as long, and twice as much again."""

_BEGINNING: Final = b'{"ts":"'
"""Of every line of ours. What begins otherwise is somebody else's, and is not cut away."""


def write_lines(file: Opened, size: int, data: bytes, tell: Callable[[int], None]) -> int:
    """Append whole lines; called by whoever has the lock.

    What is written of a line that has no room is cut away again. Where that fails, the next writer
    finds a half line and mends it, in whatever process.

    Args:
        file: to append to.
        size: of it now, in bytes.
        data: whole lines, each with its end.
        tell: told the length of a half line that somebody else has left.

    Returns:
        How many bytes of `data` are in the file: all, or up to the end of a line.

    Raises:
        OSError: not one line could be written.
    """
    size, end = _mended(file, size, tell)
    text = end + data
    done, error = _write(file.descriptor, text)
    whole = text.rfind(b"\n", 0, done) + 1
    file.end = size + whole
    if error is None:
        return len(data)
    if file.regular and not _cut(file, size + whole):
        file.end = -1
    if whole <= len(end):
        raise error
    return whole - len(end)


def _write(descriptor: int, data: bytes) -> tuple[int, OSError | None]:
    done = 0
    try:
        while done < len(data):
            done += os.write(descriptor, data[done:] if done else data)
    except OSError as error:
        return done, error
    return done, None


def _mended(file: Opened, size: int, tell: Callable[[int], None]) -> tuple[int, bytes]:
    """Return the size up to which lines are whole, and what must be written to end the last."""
    if not file.regular or size in {0, file.end}:
        return size, b""
    if os.pread(file.descriptor, 1, size - 1) == b"\n":
        return size, b""
    begin = max(0, size - LONGEST)
    tail = os.pread(file.descriptor, LONGEST, begin)
    half = tail[tail.rfind(b"\n") + 1 :]
    tell(len(half))
    if _is_ours(half) and not _is_whole(half) and _cut(file, size - len(half)):
        return size - len(half), b""
    return size, b"\n"


def _is_ours(half: bytes) -> bool:
    return half.startswith(_BEGINNING) or _BEGINNING.startswith(half)


def _is_whole(half: bytes) -> bool:
    try:
        orjson.loads(half)
    except orjson.JSONDecodeError:
        return False
    return True


def _cut(file: Opened, size: int) -> bool:
    try:
        os.ftruncate(file.descriptor, size)
    except OSError:
        return False
    return True
