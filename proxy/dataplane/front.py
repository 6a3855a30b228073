"""Clients' connections: made, counted, closed.

`front.py`, `client.py`, `reading.py` and `request.py` are the adapter to aiohttp's low-level
server: the only files that know it, and touch its privates. What they lean on is pinned by
`tests/integration/test_front_assumptions.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp.web_server import Server

from proxy.dataplane.client import ClientConnection
from proxy.dataplane.forwarded import NO_PROXIES
from proxy.upstream.origin import peer_network


if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dataplane.errors import Refusal
    from proxy.dataplane.forwarded import Proxies
    from proxy.dataplane.handler import Handler
    from proxy.dataplane.limits import ClientLimits
    from proxy.dataplane.model import Entrance, Peer
    from proxy.dataplane.secure import Gate
    from proxy.upstream.sweep import Sweep


RESERVE: Final = 64
"""Connections beyond the limit that are told so, or asked for health; what is beyond is cut."""


class Front:
    """Makes protocols for listeners; each request they read goes to the handler.

    Args:
        handler: answers.
        limits: of the clients.
        sweep: watches their deadlines.
        loop: the running loop.
        proxies: are believed whom they ask for.
    """

    def __init__(
        self,
        handler: Handler,
        limits: ClientLimits,
        sweep: Sweep,
        loop: asyncio.AbstractEventLoop,
        proxies: Proxies = NO_PROXIES,
    ) -> None:
        self.proxies = proxies
        self.handler = handler
        self.limits = limits
        self.sweep = sweep
        self.connections: set[ClientConnection] = set()
        self._by_peer: Counter[str] = Counter()
        self._loop = loop
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._server = Server(cast("Any", None), handler_cancellation=True, loop=loop)

    def protocols(
        self, entrance: Entrance, gate: Gate | None = None
    ) -> Callable[[], asyncio.Protocol]:
        """Return a protocol factory for a listener.

        Args:
            entrance: what is the same for all requests that come by it.
            gate: of a TLS listener.
        """

        def plain() -> ClientConnection:
            return ClientConnection(self, self._server, entrance, self._loop)

        return plain if gate is None else lambda: gate.before(plain(), self._loop)

    def opened(self, connection: ClientConnection) -> None:
        """Count a connection; one too many is told so, one far too many is cut.

        Those of a trusted proxy are of many clients: each of its requests counts for its client.
        """
        self.connections.add(connection)
        self._none_open.clear()
        self.sweep.add(connection.wait)
        over = len(self.connections) - self.limits.connections
        if connection.peer.proxy is None:
            over = max(over, self._count(connection.peer))
        connection.crowded = over > 0
        if over > RESERVE:
            connection.abort()

    def closed(self, connection: ClientConnection) -> None:
        """Count it no more."""
        self.connections.discard(connection)
        self.sweep.discard(connection.wait)
        if connection.peer.proxy is None:
            self._discount(connection.peer)
        if not self.connections:
            self._none_open.set()

    def arrived(self, peer: Peer) -> bool:
        """Count a request of a trusted proxy's client; return whether it is one too many."""
        return self._count(peer) > 0

    def answered(self, peer: Peer) -> None:
        """Count it no more."""
        self._discount(peer)

    def _count(self, peer: Peer) -> int:
        """Count a peer once more; return how far it is over its limit."""
        limit = self.limits.per_peer
        if limit is None:
            return 0
        network = peer_network(peer.address)
        self._by_peer[network] += 1
        return self._by_peer[network] - limit

    def _discount(self, peer: Peer) -> None:
        if self.limits.per_peer is None:
            return
        network = peer_network(peer.address)
        self._by_peer[network] -= 1
        if not self._by_peer[network]:
            del self._by_peer[network]

    async def all_closed(self) -> None:
        """Wait until no connection is open."""
        await self._none_open.wait()

    def close_idle(self) -> None:
        """Close the connections that carry no request."""
        for connection in list(self.connections):
            if connection.idle:
                connection.force_close()

    def abort(self, reason: Refusal | None = None) -> None:
        """Break every connection off; the requests on them are cancelled."""
        for connection in list(self.connections):
            connection.abort(reason)
