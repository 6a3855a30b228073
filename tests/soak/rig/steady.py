"""A process that is upstream and clients at once: so many requests a second, each timed.

Tells its upstream's port; then reads lines of `PORT KEY RATE SECONDS`, and for each sends requests
at that pace, whatever becomes of those before, and answers with a line of JSON: the seconds each
took, None for one that failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENCE_S = 20


async def answer(reader, writer):
    """Answer requests without a body."""
    while await reader.readline():
        while (await reader.readline()).strip():
            pass
        writer.write(OK)


async def ask(port, request, idle):
    """Return the seconds that a request takes on a connection that waits, or on a new one."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = (
                idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
            )
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None
    idle.append((reader, writer))
    return time.monotonic() - began if head.startswith(b"HTTP/1.1 200 ") else None


async def load(port, key, rate, seconds):
    """Return what all requests took."""
    request = f"GET /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n"
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    begun, tasks = time.monotonic(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(begun + number / rate - time.monotonic())
        tasks.append(asyncio.ensure_future(ask(port, request.encode(), idle)))
    took = [await task for task in tasks]
    for _, writer in idle:
        writer.close()
    return took


async def main():
    """Serve, and load as told."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 -- for its parent
    while line := (await asyncio.to_thread(sys.stdin.readline)).split():
        port, key, rate, seconds = line
        took = await load(int(port), key, float(rate), float(seconds))
        print(json.dumps(took), flush=True)  # noqa: T201 -- the same
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
