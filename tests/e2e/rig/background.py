"""A server on a thread of its own, so that blocking clients can be used as they are."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Protocol, TypeVar


if TYPE_CHECKING:
    from collections.abc import Iterator


class Served(Protocol):
    """What a server offers: a stand-in, a recorder."""

    async def start(self) -> None:
        """Begin to listen."""
        ...

    async def close(self) -> None:
        """End, with every connection."""
        ...


Kind = TypeVar("Kind", bound=Served)


@contextlib.contextmanager
def background(server: Kind) -> Iterator[Kind]:
    """Serve on another thread's event loop until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
