"""Requests at a steady pace, as one process of several: prints when they were admitted.

Its argument is JSON: url, on_storage_error, amount, seconds, pace (a second). Once it has counted
one for another name it prints an empty line, and reads two numbers: when to begin and when to end,
on the monotonic clock, which all processes of a machine share. It prints a line of JSON: when
requests were sent, were admitted, and could not be counted, the longest wait, the log.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time
from typing import Any

from proxy.access.limits import Rates
from proxy.dataplane.errors import CountUnavailable, RateLimited
from proxy.dataplane.model import Rate
from proxy.observe.log import Log


class Replica:
    """Asks for one rate, and remembers what became of it.

    Attributes:
        told: what will be printed.
    """

    def __init__(self, asked: dict[str, Any], log: Log) -> None:
        self.rates = Rates(asked["url"], asked["on_storage_error"], log)
        self.told: dict[str, Any] = {"sent": [], "admitted": [], "away": [], "longest_s": 0.0}
        self._rate = Rate("client", "alice", asked["amount"], asked["seconds"])

    async def ask(self) -> None:
        """Send one request."""
        began = time.monotonic()
        self.told["sent"].append(began)
        try:
            await self.rates.admit([self._rate])
        except RateLimited:
            pass
        except CountUnavailable:
            self.told["away"].append(began)
        else:
            self.told["admitted"].append(began)
        self.told["longest_s"] = max(self.told["longest_s"], time.monotonic() - began)

    async def keep_pace(self, begin: float, end: float, pace: float) -> None:
        """Send so many a second; what a busy machine makes late is made up for."""
        sent = 0
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        async with asyncio.TaskGroup() as group:
            while (now := time.monotonic()) < end:
                due = int((now - begin) * pace) + 1
                for _ in range(due - sent):
                    group.create_task(self.ask())
                sent = due
                await asyncio.sleep(begin + due / pace - now)


async def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Send requests and return what became of them."""
    stream = io.BytesIO()
    log = Log(stream=stream)
    replica = Replica(asked, log)
    await replica.rates.admit([Rate("client", "first", 100, 60)])
    print(flush=True)  # noqa: T201 -- it is ready
    begin, end = map(float, sys.stdin.readline().split())
    await replica.keep_pace(begin, end, asked["pace"])
    await replica.rates.close()
    log.flush()
    return replica.told | {"log": stream.getvalue().decode()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(json.loads(sys.argv[1])))))  # noqa: T201 -- to who started it
