"""A stand-in on a thread of its own, so that blocking clients can be used as they are."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar


if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.standins.server import Standin


Kind = TypeVar("Kind", bound="Standin")


@contextlib.contextmanager
def background(standin: Kind) -> Iterator[Kind]:
    """Serve a stand-in on another thread's event loop until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(standin.start(), loop).result(10)
        try:
            yield standin
        finally:
            asyncio.run_coroutine_threadsafe(standin.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
