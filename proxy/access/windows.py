"""Counts of requests in this process: a window that moves along with each request.

The memory storage of `limits` is not used: with each request it looks through all its keys, on a
thread for each, in a task that nobody owns.
"""

from __future__ import annotations

import math
import time
from array import array
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy.dataplane.model import Rate


class Windows:
    """Counts that one process keeps for itself.

    A request costs the same, whatever the amounts and however many clients there are. So many
    times are kept as requests were counted, at most a rate's amount, 8 bytes each.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}
        self._hand: Iterator[tuple[str, str]] = iter(())

    def __len__(self) -> int:
        """Return how many windows are kept."""
        return len(self._windows)

    async def take(self, rate: Rate) -> float | None:
        """Count a request; return None, or how many seconds it is too early."""
        now = self._clock()
        self._forget_one(now)
        key = (rate.scope, rate.name)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(rate.amount)
        elif window.amount != rate.amount:
            window = self._windows[key] = window.resized(rate.amount)
        return window.take(now, rate.seconds)

    async def give_back(self, rate: Rate) -> None:
        """Take the newest request back."""
        window = self._windows.get((rate.scope, rate.name))
        if window is not None:
            window.give_back()

    async def close(self) -> None:
        """Forget everything."""
        self._windows.clear()

    def _forget_one(self, now: float) -> None:
        # One is looked at with each request, so that those at rest go without a timer of theirs.
        key = next(self._hand, None)
        if key is None:
            self._hand = iter(list(self._windows))
        elif (window := self._windows.get(key)) is not None and window.rests(now):
            del self._windows[key]


class _Window:
    """The times of the last requests, in a ring once there are as many as may be.

    Args:
        amount: as many as may be.
        times: the last ones, the oldest first.
    """

    __slots__ = ("_oldest", "_seconds", "_times", "amount")

    def __init__(self, amount: int, times: array[float] | None = None) -> None:
        self.amount = amount
        self._times: array[float] = array("d") if times is None else times
        self._oldest = 0
        self._seconds = 0

    def take(self, now: float, seconds: int) -> float | None:
        self._seconds = seconds
        times = self._times
        if len(times) < self.amount:
            times.append(now)
            return None
        wait = times[self._oldest] + seconds - now
        if wait >= 0:
            return wait
        times[self._oldest] = now
        self._oldest = (self._oldest + 1) % self.amount
        return None

    def give_back(self) -> None:
        times = self._times
        if len(times) < self.amount:
            if times:
                times.pop()
            return
        self._oldest = (self._oldest - 1) % self.amount
        times[self._oldest] = -math.inf

    def resized(self, amount: int) -> _Window:
        ordered = self._times[self._oldest :] + self._times[: self._oldest]
        return _Window(amount, ordered[-amount:])

    def rests(self, now: float) -> bool:
        return not self._times or self._times[self._oldest - 1] + self._seconds < now
