"""Many clients of one event stream each: once all have their event they say so, and stay."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import cast

import uvloop

from benchmarks.peers.standin import EVENT


AT_ONCE = 100  # connections being made
TIMEOUT_S = 180  # a machine that drops SYNs makes each of them wait a second or more
OPEN = "open"


class Listener(asyncio.Protocol):
    """A client: asks when it is connected, and is told an event."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.received = b""
        self.told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if EVENT in self.received and not self.told.done():
            self.told.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.told.done():
            self.told.set_exception(exc or EOFError(f"closed after {self.received!r}"))


async def listen(port: int, count: int, request: bytes) -> list[Listener]:
    """So many listeners that have been told."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> Listener:
        async with gate:
            _, listener = await loop.create_connection(lambda: Listener(request), "127.0.0.1", port)
            await listener.told
            return listener

    async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(count)]
    return [task.result() for task in tasks]


async def stay(port: int, count: int, request: bytes) -> None:
    """Says when all are open, and once a line comes in, how many still are."""
    listeners = await listen(port, count, request)
    print(OPEN, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(sum(not listener.lost for listener in listeners), flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m benchmarks.listeners", description=__doc__)
    options.add_argument("port", type=int)
    options.add_argument("count", type=int)
    options.add_argument("request", help="the request's head, with its empty line")
    given = options.parse_args()
    uvloop.run(stay(given.port, given.count, given.request.encode()))
