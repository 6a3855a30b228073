"""Requests at a steady pace, as one process of several: prints what became of them.

Its argument is JSON: url, on_storage_error, amount, seconds, pace (a second). Once it has counted
one for another name it prints an empty line, and reads when to begin and when to end, on the
monotonic clock, which all processes of a machine share. In place of the end it may read
`until-counted`: then it goes on until it reads another line, and one more request is refused as one
too many. It prints a line of JSON: when requests were sent, were admitted, were refused as one too
many and could not be counted, each with its end; the longest wait; the log.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import sys
import time
from typing import Any, Final

from proxy.access.limits import Rates
from proxy.dataplane.errors import CountUnavailable, RateLimited
from proxy.dataplane.model import Rate
from proxy.observe.log import Log


UNTIL_COUNTED: Final = "until-counted"


class Replica:
    """Asks for one rate, and remembers what became of it.

    Attributes:
        told: what will be printed.
        asked_again: from when on a refusal shows that requests are counted again.
        counted: that one was refused since then.
    """

    def __init__(self, asked: dict[str, Any], log: Log) -> None:
        self.rates = Rates(asked["url"], asked["on_storage_error"], log)
        self.told: dict[str, Any] = {"sent": [], "longest_s": 0.0}
        self.told |= {outcome: [] for outcome in ("admitted", "limited", "away")}
        self.counted = asyncio.Event()
        self.asked_again = math.inf
        self._rate = Rate("client", "alice", asked["amount"], asked["seconds"])

    async def ask(self) -> None:
        """Send one request."""
        began = time.monotonic()
        self.told["sent"].append(began)
        outcome = "admitted"
        try:
            await self.rates.admit([self._rate])
        except RateLimited:
            outcome = "limited"
            if began > self.asked_again:
                self.counted.set()
        except CountUnavailable:
            outcome = "away"
        ended = time.monotonic()
        self.told[outcome].append((began, ended))
        self.told["longest_s"] = max(self.told["longest_s"], ended - began)

    async def keep_pace(self, begin: float, end: float, pace: float) -> None:
        """Send so many a second; what a busy machine makes late is made up for."""
        sent = 0
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        async with asyncio.TaskGroup() as group:
            while (now := time.monotonic()) < end and not self.counted.is_set():
                due = int((now - begin) * pace) + 1
                for _ in range(due - sent):
                    group.create_task(self.ask())
                sent = due
                await asyncio.sleep(begin + due / pace - now)

    async def until_counted(self, begin: float, pace: float) -> None:
        """Send until a line is read, and then until a request is refused as one too many."""
        async with asyncio.TaskGroup() as group:
            pacing = group.create_task(self.keep_pace(begin, math.inf, pace))
            await asyncio.to_thread(sys.stdin.readline)
            self.asked_again = time.monotonic()
            await pacing


async def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Send requests and return what became of them."""
    stream = io.BytesIO()
    log = Log(stream=stream)
    replica = Replica(asked, log)
    await replica.rates.admit([Rate("client", "first", 100, 60)])
    print(flush=True)  # noqa: T201 -- it is ready
    begin, end = sys.stdin.readline().split()
    if end == UNTIL_COUNTED:
        await replica.until_counted(float(begin), asked["pace"])
    else:
        await replica.keep_pace(float(begin), float(end), asked["pace"])
    await replica.rates.close()
    log.flush()
    return replica.told | {"log": stream.getvalue().decode()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(json.loads(sys.argv[1])))))  # noqa: T201 -- to who started it
