"""An open tunnel: a raw client at one end, a raw upstream at the other."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from tests.integration.rig.proxy import get


if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.rig.proxy import Proxy
    from tests.integration.rig.raw import Client
    from tests.integration.rig.upstream import Upstream, Visit


ASKING: Final = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)
HANDSHAKE: Final = get("/api/ws", *ASKING)
SWITCH: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


async def switching(visit: Visit) -> None:
    """Agree to each upgrade: a script for an upstream; the test does the rest."""
    await visit.request()
    visit.send(SWITCH)


@contextlib.asynccontextmanager
async def tunnelled(
    proxy: Proxy, upstream: Upstream, *, buffer: int = 0
) -> AsyncIterator[tuple[Client, Visit]]:
    """Open a tunnel to an upstream whose script is `switching`; yield both its ends."""
    async with await proxy.client(buffer=buffer) as client:
        number = len(upstream.visits) + 1
        client.send(HANDSHAKE)
        await client.until(b"\r\n\r\n")
        assert client.received.startswith(b"HTTP/1.1 101 "), client.received
        client.received = client.received.partition(b"\r\n\r\n")[2]
        yield client, await upstream.visited(number)
