"""The adapter to aiohttp's low-level server: the one file that knows it, and touches its privates.

What it leans on is pinned by `tests/integration/test_front_assumptions.py`. What it works around:

- aiohttp builds its own error pages, which quote the request: `handle_error` is replaced.
- Behind a malformed chunk the body's reader is never woken: `data_received` wakes it.
- Behind a declined `Upgrade` bytes may be read as requests: such a connection is closed.
- Its answers are built in layers: `Sent` lets the head be written as bytes.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler, RequestPayloadError
from aiohttp.web_server import Server

from proxy.dataplane.errors import (
    BadRequest,
    HeadersTooLarge,
    InternalFault,
    TargetTooLarge,
)
from proxy.dataplane.model import Head, Peer


if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_request import BaseRequest
    from aiohttp.web_response import StreamResponse

    from proxy.dataplane.errors import (
        Refusal,
    )
    from proxy.dataplane.handler import Handler
    from proxy.dataplane.model import Entrance


MAX_TARGET: Final = 16 * 1024
MAX_FIELD: Final = 64 * 1024
"""Bytes of one field. Not equal to MAX_TARGET: the limit that was hit tells which one it was."""
MAX_FIELDS: Final = 256
KEEPALIVE_S: Final = 75.0
"""An idle client's connection is kept as long as nginx keeps one; aiohttp would keep it an hour."""
LINGER_S: Final = 2.0
"""For this long the body of a refused request is read and dropped, so that the answer is not lost
to a reset (RFC 9112 9.6)."""

_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for zero seconds: close() sends RST


class Sent:
    """Tells aiohttp that the answer has been written.

    Attributes:
        keep_alive: the connection may carry another request.
    """

    __slots__ = ("keep_alive",)

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, _: object) -> None:
        """Do nothing."""

    async def write_eof(self) -> None:
        """Do nothing."""


_KEEP: Final = Sent(keep_alive=True)
_CLOSE: Final = Sent(keep_alive=False)


class Front:
    """Makes protocols for listeners; each request they read goes to the handler.

    Args:
        handler: answers.
        loop: the running loop.
    """

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
        self.handler = handler
        self.connections: set[ClientConnection] = set()
        self._loop = loop
        self._none_open = asyncio.Event()
        self._none_open.set()
        self._server = Server(
            cast("Any", self._serve),
            request_factory=cast("Any", ClientRequest),
            handler_cancellation=True,
            loop=loop,
        )

    def protocols(self, entrance: Entrance) -> Callable[[], ClientConnection]:
        """Return a protocol factory for a listener.

        Args:
            entrance: what is the same for all requests that come by it.
        """
        return lambda: ClientConnection(self, self._server, entrance, self._loop)

    def opened(self, connection: ClientConnection) -> None:
        """Count a connection."""
        self.connections.add(connection)
        self._none_open.clear()

    def closed(self, connection: ClientConnection) -> None:
        """Count it no more."""
        self.connections.discard(connection)
        if not self.connections:
            self._none_open.set()

    async def all_closed(self) -> None:
        """Wait until no connection is open."""
        await self._none_open.wait()

    def close_idle(self) -> None:
        """Close the connections that carry no request."""
        for connection in list(self.connections):
            if connection.idle:
                connection.force_close()

    def abort(self) -> None:
        """Break every connection off; the requests on them are cancelled."""
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _serve(self, request: ClientRequest) -> Sent:
        connection = request.connection
        keep = await self.handler.handle(
            request.head(),
            request,
            connection.entrance(request.message.headers.get("Host")),
            connection.peer,
            request,
        )
        return _KEEP if keep else _CLOSE


class ClientConnection(RequestHandler):
    """One client's connection."""

    __slots__ = ("_entrance", "_front", "peer")

    def __init__(
        self, front: Front, server: Server, entrance: Entrance, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEPALIVE_S,
            access_log=None,  # type: ignore[arg-type] # the handler logs
            max_line_size=MAX_TARGET,
            max_field_size=MAX_FIELD,
            max_headers=MAX_FIELDS,
            lingering_time=LINGER_S,
            auto_decompress=False,
        )
        self._front = front
        self._entrance = entrance
        self.peer = Peer("unix")

    def entrance(self, authority: str | None) -> Entrance:
        """Return how a request came in; mostly as the one before it."""
        entrance = self._entrance
        if entrance.authority != authority:
            self._entrance = entrance = entrance._replace(authority=authority)
        return entrance

    @property
    def idle(self) -> bool:
        """No request is under way, nor waits."""
        return self._current_request is None and not self._messages

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the peer."""
        peername = transport.get_extra_info("peername")
        if isinstance(peername, tuple):
            self.peer = Peer(peername[0])
        super().connection_made(transport)
        self._front.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel the request under way."""
        super().connection_lost(exc)
        self._front.closed(self)

    def data_received(self, data: bytes) -> None:
        """Read; wake the reader of a body whose framing has just turned out broken."""
        super().data_received(data)
        request = self._current_request
        if request is not None and self._messages and _is_error(self._messages[-1][0]):
            cast("ClientRequest", request).body_is_broken()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,  # noqa: ARG002 -- aiohttp's signature
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 -- it quotes the request
    ) -> StreamResponse:
        """Answer what could not be read as a request with a document of our own."""
        client = cast("ClientRequest", request)
        if not client.written:
            head = client.head()
            client.write(self._front.handler.refuse_unread(_refusal(exc), head, self.peer))
        return cast("StreamResponse", _CLOSE)

    def log_exception(self, *_: Any, **__: Any) -> None:
        """Log nothing here: the handler tells its own faults, and aiohttp's text quotes bytes."""


class ClientRequest:
    """A request as aiohttp makes and finishes it, and as the handler sees body and client.

    Args:
        message: the parsed head.
        payload: the body.
        connection: where it came from.
        writer: aiohttp's, not used: answers are written as they are.
        task: aiohttp's, for its own use.
    """

    __slots__ = ("_payload", "_task", "connection", "message", "writer", "written")

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        connection: ClientConnection,
        writer: object,
        task: asyncio.Task[None],
    ) -> None:
        self.message = message
        self._payload = payload
        self.connection = connection
        self.writer = writer
        self._task = task
        self.written = False
        """Something of an answer has been written."""

    def head(self) -> Head:
        """Return the head as the data plane knows it."""
        message = self.message
        chunked = bool(message.chunked)
        length = None if chunked else message.headers.get("Content-Length")
        return Head(
            message.method,
            message.path,
            message.version,
            message.raw_headers,
            message.headers,
            None if length is None else int(length),
            chunked,
            # Behind a declined upgrade aiohttp may drop bytes and read on in the middle.
            not (message.should_close or message.upgrade),
        )

    # The body.

    @property
    def ended(self) -> bool:
        """All of the body has come."""
        return self._payload.is_eof()

    async def read(self) -> bytes:
        """Return what has come of the body, waiting for some; empty at the end."""
        try:
            return await self._payload.readany()
        except RequestPayloadError:
            raise BadRequest(_BROKEN_BODY) from None

    def take(self) -> bytes:
        """Return what has come of the body, without waiting."""
        return self._payload.read_nowait(-1)

    def body_is_broken(self) -> None:
        """Fail the reader of the body."""
        self._payload.set_exception(BadRequest(_BROKEN_BODY))

    # The client.

    def write(self, data: bytes) -> None:
        """Send bytes; a client that has left gets none."""
        self.written = True
        transport = self.connection.transport
        if transport is not None:
            transport.write(data)

    async def drain(self) -> None:
        """Wait while the client reads more slowly than we write."""
        if self.connection.writing_paused:
            await self.connection._drain_helper()  # noqa: SLF001 -- the private half of write()

    def abort(self, *, reset: bool) -> None:
        """Break the connection: what has been written is sent, an end is not.

        Args:
            reset: with RST, for where FIN would be the end of the answer.
        """
        transport = self.connection.transport
        if reset and transport is not None:
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        self.connection.force_close()

    # What aiohttp calls.

    def _finish(self) -> None:
        """Take note that the handler is done."""

    def _cancel(self, exc: BaseException) -> None:
        """Fail the reader of the body: the client has left."""
        self._payload.set_exception(exc)


_BROKEN_BODY: Final = "The chunks of the body are malformed."


def _is_error(message: object) -> bool:
    # aiohttp queues what it could not parse among the requests, as a private type of its own.
    return hasattr(message, "exc")


def _refusal(error: BaseException | None) -> Refusal:
    """Return what a parser's error means; its text quotes the request and is not used."""
    if isinstance(error, LineTooLong):
        if MAX_TARGET in error.args:
            return TargetTooLarge(f"Request targets of up to {MAX_TARGET} bytes are taken.")
        return HeadersTooLarge(f"Header fields of up to {MAX_FIELD} bytes are taken.")
    if error is not None and "Too many headers" in str(error):
        return HeadersTooLarge(f"Up to {MAX_FIELDS} header fields are taken.")
    if error is None or not hasattr(error, "code"):
        return InternalFault("A fault in Keybearer; its log says more.", cause=repr(type(error)))
    return BadRequest("This is not an HTTP/1.1 request.", cause=type(error).__name__)
