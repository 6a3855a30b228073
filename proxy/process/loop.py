"""The event loop, uvloop's where it exists, its faults, and the garbage collector's pace."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from proxy.dataplane.handler import where


if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.observe.log import Log


GC_PACE: Final = (10_000, 20, 50)
"""CPython's (700, 10, 10) looks through the whole heap every few hundred requests. Requests leave
no cycles behind, so it would find nothing."""


_FEW: Final = 2_000
"""So many new objects are looked through in half a millisecond."""
_NEVER: Final = 1_000_000_000

_TURN_S: Final = 0.0005
"""How long the loop waits for the interpreter while a thread computes; CPython's 5 ms are felt, for
a request asks for it several times."""


def calm_gc() -> None:
    """Leave what has been made so far out of every collection, and collect less often.

    Nothing is collected before: a start leaves half a MiB of garbage behind, which is not worth
    a twentieth of the time to ready.
    """
    gc.freeze()
    gc.set_threshold(*GC_PACE)


@contextlib.contextmanager
def much_that_stays() -> Iterator[None]:
    """Leave what is made meanwhile out of later collections too, where `calm_gc` was called.

    Looking through what 10,000 clients become takes 40 ms and more, in which no request goes on.
    """
    pace = gc.get_threshold()
    gc.set_threshold(_FEW, _NEVER, _NEVER)
    try:
        yield
    finally:
        if pace == GC_PACE:  # to count what is frozen takes 20 ms
            gc.collect(0)  # the older ones have been looked at when they were young
            gc.freeze()
        gc.set_threshold(*pace)


@contextlib.contextmanager
def short_turns() -> Iterator[None]:
    """Let threads that compute meanwhile give the interpreter away sooner."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new loop."""
    try:
        import uvloop  # noqa: PLC0415 -- not there on every platform
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


_VALUES: Final = re.compile(r" ?(?:<|\((?!\)))")
"""Where a message begins to show values, `callback f(value)`; they may be a request's."""

TOLD_AGAIN_S: Final = 10.0
"""Without descriptors asyncio tells of up to 1,024 faults a second."""


def tell_faults(loop: asyncio.AbstractEventLoop, log: Log) -> None:
    """Have what the loop cannot hand to anybody logged, the same not again at once.

    Else it would stand on stderr as text between the lines of the log, with what was in hand.
    """
    told: dict[str, float] = {}

    def tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        what = _VALUES.split(str(context.get("message")), 1)[0]
        if loop.time() - told.get(what, float("-inf")) < TOLD_AGAIN_S:
            return
        told[what] = loop.time()
        error = context.get("exception")
        cause = None if error is None else where(error)
        log.events.error("loop_fault", detail=what, cause=cause)

    loop.set_exception_handler(tell)
