"""The event loop, uvloop's where it exists, and the garbage collector's pace."""

from __future__ import annotations

import asyncio
import gc
from typing import Final


GC_PACE: Final = (10_000, 20, 50)
"""CPython's (700, 10, 10) looks through the whole heap every few hundred requests. Requests leave
no cycles behind, so it would find nothing."""


def calm_gc() -> None:
    """Leave what has been made so far out of every collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_PACE)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new loop."""
    try:
        import uvloop  # noqa: PLC0415 -- not there on every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
