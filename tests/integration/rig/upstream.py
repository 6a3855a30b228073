"""A raw upstream: exact bytes in, scripted bytes out, and any kind of misbehaviour."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Final, Self, cast

from tests.integration.rig.end import End
from tests.integration.rig.message import take_request
from tests.integration.rig.patience import Bell


if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from tests.integration.rig.message import Request

    Answering = Callable[[Request], bytes]
    Script = Callable[["Visit"], Awaitable[None]]

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Gone(Exception):
    """The proxy has closed the connection that a script waits on."""


class Visit(End, asyncio.Protocol):
    """One connection that the proxy has made.

    Attributes:
        received: every byte that came, less what `request()` has taken.
        total: how many bytes came.
        counts_only: keep no bytes, for there will be too many.
        ended: the proxy has sent FIN.
        lost: the connection is gone.
        error: why, if it was not in order.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.received = b""
        self.total = 0
        self.counts_only = False
        self.ended = False
        self.lost = False
        self.error: Exception | None = None
        self.number = -1
        self.bell = Bell()
        self.transport: asyncio.Transport

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.upstream.welcome(self)

    def data_received(self, data: bytes) -> None:
        """Count, keep, ring."""
        self.total += len(data)
        if not self.counts_only:
            self.received += data
        self.bell.ring()
        self.upstream.bell.ring()

    def eof_received(self) -> bool:
        """Take note of FIN."""
        self.ended = True
        self.bell.ring()
        self.upstream.bell.ring()
        return self.stays

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end."""
        self.lost, self.error = True, exc
        self.bell.ring()
        self.upstream.bell.ring()

    # What scripts and tests call.

    async def request(self) -> Request:
        """Return the next complete request.

        Raises:
            Gone: the connection ended before.
        """
        await self.bell.until(
            lambda: take_request(self.received) is not None or self.lost, "for a request", 60
        )
        request = take_request(self.received)
        if request is None:
            raise Gone
        self.received = self.received[len(request.raw) :]
        self.upstream.requests.append(request)
        self.upstream.bell.ring()
        return request

    async def head(self) -> bytes:
        """Return the head of the next request; its body stays in `received`."""
        await self.until(b"\r\n\r\n")
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    async def until(self, part: bytes) -> None:
        """Wait until `part` has come."""
        await self.bell.until(lambda: part in self.received, f"for {part[:40]!r}")

    async def gone(self, limit_s: float = 8.0) -> None:
        """Wait until the proxy has closed or reset."""
        await self.bell.until(lambda: self.lost, "for the proxy to close", limit_s)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.transport.write(data)


class Upstream:
    """A server on loopback.

    Args:
        answer: bytes that answer each request, or what makes them; None: no answer.
        script: instead, what to do with each connection.
        tls: a server's context.
        buffer: bytes of the kernel's receive buffer.

    Attributes:
        visits: the connections, in the order they were made.
        requests: the complete requests, in the order they came.
    """

    def __init__(
        self,
        answer: bytes | Answering | None = OK,
        *,
        script: Script | None = None,
        tls: ssl.SSLContext | None = None,
        buffer: int | None = None,
    ) -> None:
        self.answer = answer
        self.script = script
        self.visits: list[Visit] = []
        self.requests: list[Request] = []
        self.bell = Bell()
        self._tls = tls
        self._buffer = buffer
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.port = 0

    @property
    def origin(self) -> str:
        """Where it is."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        listening = socket.socket()
        if self._buffer is not None:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
        listening.bind(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Visit(self), sock=listening, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for visit in self.visits:
            if not visit.lost:  # else abort() fails behind a close() that had to flush (3.11)
                visit.transport.abort()
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        for visit in self.visits:
            await visit.gone()
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, Gone):
                raise end

    def welcome(self, visit: Visit) -> None:
        """Begin to serve a connection."""
        visit.number = len(self.visits)
        self.visits.append(visit)
        self.bell.ring()
        serve = self.script or self._serve
        self._tasks.add(asyncio.ensure_future(self._run(serve, visit)))

    @staticmethod
    async def _run(serve: Script, visit: Visit) -> None:
        with contextlib.suppress(Gone):
            await serve(visit)

    async def _serve(self, visit: Visit) -> None:
        while True:
            request = await visit.request()
            if self.answer is None:
                continue
            visit.send(self.answer if isinstance(self.answer, bytes) else self.answer(request))

    async def visited(self, count: int = 1) -> Visit:
        """Wait for connections; return the last of that many."""
        await self.bell.until(lambda: len(self.visits) >= count, f"for connection {count}")
        return self.visits[count - 1]

    async def asked(self, count: int = 1) -> Request:
        """Wait for complete requests; return the last of that many."""
        await self.bell.until(lambda: len(self.requests) >= count, f"for request {count}")
        return self.requests[count - 1]

    @property
    def bytes_seen(self) -> int:
        """How many bytes have come on all connections."""
        return sum(visit.total for visit in self.visits)
