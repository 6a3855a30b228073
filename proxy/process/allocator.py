"""The C library's memory, told to keep what the next bytes need again at once."""

from __future__ import annotations

import ctypes
from typing import Final


# malloc.h of glibc
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

KEPT: Final = 16 * 1024 * 1024
"""Bytes at the top of the heap that are not given back to the system: the buffers of a few dozen
downloads at once."""
MAPPED: Final = 1024 * 1024
"""Whatever is as large has pages of its own, which go back with it."""


def keep_buffers() -> None:
    """Let freed buffers stay with the process; nothing happens where the C library is not glibc.

    uvloop reads 256 KiB at a time. By itself glibc gives each such buffer back when it is freed and
    has every page of the next one faulted in anew, or does not, as its heap happens to lie: a large
    download then costs twice the system time. At most `KEPT` more stays resident.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MAPPED)
        mallopt(_M_TRIM_THRESHOLD, KEPT)
