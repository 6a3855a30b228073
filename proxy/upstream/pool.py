"""The keep-alive connections of one origin and credential."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.upstream.connection import Connection, Timeouts
from proxy.upstream.errors import ConnectTimeout, PoolExhausted, TlsFailure, Unreachable
from proxy.upstream.origin import Origin  # noqa: TC001 -- the compiled build looks it up
from proxy.upstream.resolver import connect, shown


if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from aiohappyeyeballs import AddrInfoType

    from proxy.upstream.errors import UpstreamError
    from proxy.upstream.resolver import Resolver
    from proxy.upstream.sweep import Sweep


MAX_CONNECTIONS: Final = 10_000
"""Open connections to one origin. As many as the clients' side admits: a stream holds one."""

WAIT_LIMIT_S: Final = 5.0
"""How long a request waits for a connection when all are in use; Retry-After says the same."""

TLS_SHUTDOWN_S: Final = 1.0
"""How long an upstream that ends with FIN may take to end TLS as well. An answer that is told by
closing is whole only then: anybody on the way can send a FIN (RFC 9112 9.8)."""


class Endpoint(NamedTuple):
    """Where the connections of a pool lead, and how.

    Attributes:
        origin: scheme, host and port.
        tls: the context that verifies it; None for http.
        server_name: the name to ask for and verify, if not the origin's host.
        timeouts: see there.
    """

    origin: Origin
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    timeouts: Timeouts = Timeouts()


class Pool:
    """Connections to one endpoint for one credential, the last used first.

    A connection is always in one of three hands: an exchange's, the idle list's, or a waiting
    request's future that it has just been handed to.

    Args:
        endpoint: where to connect.
        sweep: watches the connections' limits.
        resolver: of its name.
        max_connections: open at once, those being opened included.
        wait_limit_s: how long a request waits for one of them.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        sweep: Sweep,
        resolver: Resolver,
        *,
        max_connections: int = MAX_CONNECTIONS,
        wait_limit_s: float = WAIT_LIMIT_S,
    ) -> None:
        self.endpoint = endpoint
        self.sweep = sweep
        self._resolver = resolver
        self._max = max_connections
        self._wait_limit_s = wait_limit_s
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._opening = 0
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    def __repr__(self) -> str:
        return (
            f"<Pool {self.endpoint.origin}: {len(self._open)} open, {len(self._idle)} idle, "
            f"{self._opening} opening, {len(self._waiters)} waiting>"
        )

    def reuse(self) -> Connection | None:
        """Return an idle connection that is fit for a request, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.quiet:
                return connection
            connection.close()
        return None

    async def connect(self) -> Connection:
        """Return a new connection, waiting for room (then it may be one that came free).

        Raises:
            UpstreamError: Unreachable, ConnectTimeout, TlsFailure or PoolExhausted.
        """
        while len(self._open) + self._opening >= self._max:
            handed = await self._wait_for_room()
            if handed is None:
                break
            if handed.quiet:
                return handed
            # Something has come on it since it was handed over: it is nobody's answer.
            handed.close()
        self._opening += 1
        try:
            return await self._open_connection()
        except BaseException:
            self._admit(None)
            raise
        finally:
            self._opening -= 1

    def release(self, connection: Connection, *, sent: bool) -> None:
        """Take a connection back after its exchange.

        Args:
            connection: whose exchange is over, in whatever way.
            sent: the whole request had been written.
        """
        if not connection.end(sent=sent):
            return
        if self._closed:
            connection.close()
        elif not (self._waiters and self._admit(connection)):
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """Forget a connection that is closed, and let the next request have its place."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._admit(None)

    def close(self) -> None:
        """Close the idle connections now, the others when their exchange ends."""
        self._closed = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _admit(self, connection: Connection | None) -> bool:
        """Hand a connection, or the room for one, to the request that has waited longest."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    async def _wait_for_room(self) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._wait_limit_s):
                return await waiter
        except TimeoutError:
            self._give_back(waiter)
            raise PoolExhausted(f"{self._max} connections are in use") from None
        except asyncio.CancelledError:
            self._give_back(waiter)
            raise

    def _give_back(self, waiter: asyncio.Future[Connection | None]) -> None:
        """Pass on what a request was handed in the moment it left."""
        if not waiter.done() or waiter.cancelled():
            return
        connection = waiter.result()
        if not self._admit(connection) and connection is not None:
            connection.close()

    async def _open_connection(self) -> Connection:
        """Resolve the name, race its addresses, then shake hands with the one that accepted.

        One that accepts and then is silent in TLS is not overtaken: like curl and the browsers, for
        a handshake is answered by a server that is there.
        """
        origin, limit_s = self.endpoint.origin, self.endpoint.timeouts.connect
        stage = "its name was not resolved"
        try:
            async with asyncio.timeout(limit_s):
                addresses = await self._resolver.resolve(origin.host, origin.port, limit_s)
                stage = f"no connection to {_listed(addresses)}"
                sock = await self._race(addresses)
                stage = f"no TLS with {_peer(sock)}"
                connection = await self._take(sock)
        except TimeoutError:
            raise ConnectTimeout(f"{origin}: {stage} within the limit") from None
        if not connection.closed:
            self._open.add(connection)
        return connection

    async def _race(self, addresses: Sequence[AddrInfoType]) -> socket.socket:
        origin = self.endpoint.origin
        try:
            sock = await connect(addresses, self.endpoint.timeouts.connect)
        except OSError as error:
            # The addresses are named already; where they failed in different ways, it says how.
            reason = os.strerror(error.errno) if error.errno else str(error)
            cause = f"{origin}: no connection to {_listed(addresses)}: {reason}"
            if isinstance(error, TimeoutError):  # the kernel's own, which is longer than most
                raise ConnectTimeout(cause) from error
            raise Unreachable(cause) from error
        if self._resolver.leads_back(sock):
            peer = _peer(sock)
            sock.close()
            raise Unreachable(
                f"{origin}: {peer} is this proxy; the request would go round for ever"
            )
        return sock

    async def _take(self, sock: socket.socket) -> Connection:
        """Make a connection of an open socket, with TLS where that is wanted."""
        origin, tls = self.endpoint.origin, self.endpoint.tls
        peer = _peer(sock)
        try:
            _, connection = await self._loop.create_connection(
                self._make,
                sock=sock,
                ssl=tls,
                server_hostname=(self.endpoint.server_name or origin.public_host) if tls else None,
                ssl_shutdown_timeout=TLS_SHUTDOWN_S if tls else None,
            )
        except TimeoutError:
            raise
        except OSError as error:
            raise _translated(error, f"{origin}: {peer}", tls=tls is not None) from error
        return connection

    def _make(self) -> Connection:
        return Connection(self._loop, self, self.sweep, self.endpoint.timeouts)


def _listed(addresses: Sequence[AddrInfoType]) -> str:
    return " or ".join(shown(each[4]) for each in addresses)


def _peer(sock: socket.socket) -> str:
    try:
        return shown(sock.getpeername())
    except OSError:
        return "an address that has gone again"


def _translated(error: OSError, where: str, *, tls: bool) -> UpstreamError:
    """Return what a failed handshake means to a client; ssl.SSLError is an OSError."""
    match error:
        case ssl.SSLCertVerificationError():
            return TlsFailure(f"{where}: {error}", error="tls_certificate_error")
        case _ if tls:
            return TlsFailure(f"{where}: {error!r}", error="tls_protocol_error")
        case _:
            return Unreachable(f"{where}: {error!r}")
