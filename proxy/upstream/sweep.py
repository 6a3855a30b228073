"""One coarse timer for every wait: cheaper than a timer a wait, late by one tick at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol


if TYPE_CHECKING:
    import asyncio


TICK_S: Final = 0.25
"""How late a limit may strike. Limits are told in seconds; 5,000 waits cost 0.4 ms a tick."""


class Waiting(Protocol):
    """Something whose wait has a limit."""

    deadline: float | None
    """The loop's time after which the wait has lasted too long; None: it may last."""

    def expire(self) -> None:
        """End the wait. Called once the deadline has passed; sets a new deadline or leaves."""
        ...


class Sweep:
    """Look at all deadlines every tick, and only while there are any.

    Args:
        loop: whose clock the deadlines are told in.
        tick_s: seconds between two looks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, tick_s: float = TICK_S) -> None:
        self._loop = loop
        self._tick_s = tick_s
        self._waiting: set[Waiting] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiting: Waiting) -> None:
        """Watch the deadline of `waiting` until it is discarded."""
        self._waiting.add(waiting)
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick_s, self._look)

    def discard(self, waiting: Waiting) -> None:
        """Watch it no longer."""
        self._waiting.discard(waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def _look(self) -> None:
        now = self._loop.time()
        # Collected first: expire() discards from the set.
        late = [w for w in self._waiting if w.deadline is not None and w.deadline < now]
        try:
            for waiting in late:
                self._expire(waiting)
        finally:
            again = self._loop.call_later(self._tick_s, self._look) if self._waiting else None
            self._timer = again

    def _expire(self, waiting: Waiting) -> None:
        try:
            waiting.expire()
        except Exception as error:  # noqa: BLE001 -- one wait's fault must not keep the others
            self._loop.call_exception_handler(
                {"message": "a wait that is over could not be ended", "exception": error}
            )
