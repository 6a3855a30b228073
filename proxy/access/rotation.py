"""Move a full file out of the way, and older ones before it."""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from pathlib import Path


def rotate(path: Path, keep: int) -> None:
    """Rename `file` to `file.1`, that to `file.2` and so on.

    Whoever is killed in the middle leaves a gap; nothing beyond a gap is moved, so nothing is
    pushed out because of it.

    Args:
        path: of the file that is full.
        keep: how many older ones there are at most, 1 or more; the oldest is replaced.

    Raises:
        OSError: it stays where it is.
    """
    last = 1
    while last < keep and _exists(_older(path, last)):
        last += 1
    for number in range(last, 0, -1):
        _older(path, number - 1).replace(_older(path, number))


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()
