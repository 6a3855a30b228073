"""How long a loop does nothing for others: the proxy's own doing, without the machine's."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Self


_TICK_S = 0.001


class Gaps:
    """Ticks on the running loop while its block runs.

    Attributes:
        worst_s: the longest time beyond a tick.
        own_s: the same, less the time in which the thread was ready and the machine did not run
            it, and no more than the CPU time of the whole process in it.
    """

    def __init__(self) -> None:
        self.worst_s = 0.0
        self.own_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._delays = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    def _delay_s(self) -> float:
        return int(self._delays.read_text().split()[1]) / 1e9

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        before, delay, cpu = loop.time(), self._delay_s(), time.process_time()
        while True:
            await asyncio.sleep(_TICK_S)
            now, delayed, used = loop.time(), self._delay_s(), time.process_time()
            gap = now - before - _TICK_S
            self.worst_s = max(self.worst_s, gap)
            self.own_s = max(self.own_s, min(gap - (delayed - delay), used - cpu))
            before, delay, cpu = now, delayed, used
