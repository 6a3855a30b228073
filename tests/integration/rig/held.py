"""A client whose upload is held, for the upstream takes nothing, and how it leaves."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from tests.integration.rig.patience import PATIENCE_S
from tests.integration.rig.proxy import request


if TYPE_CHECKING:
    from tests.integration.rig.proxy import Proxy
    from tests.integration.rig.raw import Client
    from tests.integration.rig.upstream import Visit


async def take_nothing(visit: Visit) -> None:
    """Be an upstream that never reads."""
    visit.transport.pause_reading()
    await asyncio.Event().wait()


async def held_upload(proxy: Proxy) -> Client:
    """Return a client that sends until the proxy does not read any more.

    Raises:
        TimeoutError: it reads on.
    """
    client = await proxy.client()
    client.send(request("POST", "/api/x", "Content-Length: 1000000000"))
    [held] = proxy.service._front.connections
    async with asyncio.timeout(PATIENCE_S):
        while not held._reading_paused:
            client.send(bytes(100_000))
            await asyncio.sleep(0.005)
    return client


def leave(client: Client, how: str) -> None:
    """End the connection by "FIN" or "RST"."""
    if how == "RST":
        raw = client.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.transport.abort()
    else:
        client.transport.close()
