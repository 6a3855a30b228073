"""The adapter to aiohttp's low-level server: the one file that knows it, and touches its privates.

aiohttp reads: transport, flow control, llhttp, the queue of pipelined requests, the body's stream.
What it leans on is pinned by `tests/integration/test_front_assumptions.py`. What it replaces:

- `start`: aiohttp's makes a task, a writer and a response object a request, which cost as much as
  reading it. Ours hands the request on, and answers are bytes.
- Its error pages, which quote the request.
- `data_received`: behind a malformed chunk aiohttp never wakes the body's reader.
- Behind an `Upgrade` it drops bytes and reads on in their middle, unless it is to `websocket`:
  such a connection is closed behind the answer.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, RequestPayloadError
from aiohttp.web_server import Server

from proxy.dataplane.errors import (
    BadRequest,
    HeadersTooLarge,
    TargetTooLarge,
)
from proxy.dataplane.model import Head, Peer
from proxy.dataplane.tunnel import reset_at_close


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp.streams import StreamReader

    from proxy.dataplane.errors import (
        Refusal,
    )
    from proxy.dataplane.handler import Handler
    from proxy.dataplane.model import Entrance
    from proxy.dataplane.tunnel import End


MAX_TARGET: Final = 16 * 1024
MAX_FIELD: Final = 64 * 1024
"""Bytes of one field. Not equal to MAX_TARGET: the limit that was hit tells which one it was."""
MAX_FIELDS: Final = 256
KEEPALIVE_S: Final = 75.0
"""An idle client's connection is kept as long as nginx keeps one; aiohttp would keep it an hour."""
LINGER_S: Final = 2.0
LINGER_SIZE: Final = 1024 * 1024
"""What a client still sends after a refusal is read and dropped for so long and so much: closing
on it would reset the connection, and the client might lose the answer (RFC 9112 9.6)."""

_BROKEN_BODY: Final = "The chunks of the body are malformed."


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
        self._server = Server(cast("Any", None), handler_cancellation=True, loop=loop)

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
            connection.abort()


class ClientConnection(RequestHandler):
    """One client's connection."""

    __slots__ = ("_deaf_for", "_entrance", "_front", "_heir", "_newest", "_wire", "peer")

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
            auto_decompress=False,
        )
        self._front = front
        self._entrance = entrance
        self._deaf_for: int | None = None
        self._heir: End | None = None
        self._newest: StreamReader | None = None
        self._wire: asyncio.Transport | None = None
        self.peer = Peer("unix")

    async def start(self) -> None:
        """Serve the requests of this connection, one after another; its one task runs this."""
        while not self._force_close:
            if not self._messages:
                self._waiter = self._loop.create_future()
                await self._waiter
                self._waiter = None
            message, payload = self._next_message()
            if not isinstance(message, RawRequestMessage):
                self._refuse(message.exc)
                await self._linger()
                break
            request = ClientRequest(message, payload, self)
            self._current_request = cast("Any", request)
            keep = await self._front.handler.handle(
                request.head(), request, self._entered(message), self.peer, request
            )
            self._current_request = None
            if not payload.is_eof() or (self._upgraded and self._left_unread()):
                await self._linger()
                break
            if not keep or self._force_close:
                break
            if self.writing_paused:
                # Else the answers of a client that asks and does not read would pile up here.
                await self._drain_helper()
            self._await_next()
        self._leave()

    def _next_message(self) -> tuple[Any, StreamReader]:
        message, payload = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        return message, payload

    def _await_next(self) -> None:
        """Begin the time that the client may take for its next request."""
        self._next_keepalive_close_time = close_time = self._loop.time() + KEEPALIVE_S
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(close_time, self._process_keepalive)

    def _refuse(self, error: BaseException) -> None:
        """Answer what could not be read as a request; nothing of it is quoted."""
        head = Head("-", "-", (1, 1), (), cast("Any", {}), None, chunked=False, keep_alive=False)
        answer = self._front.handler.refuse_unread(_refusal(error), head, self.peer)
        if self.transport is not None:
            self.transport.write(answer)

    async def _linger(self) -> None:
        """Half-close; read and drop until the client has read the answer and leaves."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self._deaf_for = LINGER_SIZE
        if transport.can_write_eof():
            transport.write_eof()
        transport.resume_reading()
        # The client's leaving cancels this.
        await asyncio.sleep(LINGER_S)

    def _leave(self) -> None:
        """Close. What was handed over is closed already, which only its heir was told."""
        if self._heir is not None:
            self.connection_lost(None)
        elif self.transport is not None:
            self.transport.close()

    def hand_over(self, heir: End) -> tuple[asyncio.Transport | None, bytes]:
        """Give the transport away, for good, with what has come behind the request."""
        early, self._message_tail = self._message_tail, b""
        if self.transport is not None:
            self._heir = heir
            self.transport.set_protocol(heir)
        return self.transport, early

    @property
    def keeps_tail(self) -> bool:
        """What comes behind the newest head is kept as it is: it asks for a WebSocket."""
        return self._upgraded

    @property
    def lost_tail(self) -> bool:
        """Something may have come behind a head that asks for an upgrade: HTTP is not read on."""
        return not self._upgraded or bool(self._message_tail)

    def _left_unread(self) -> bool:
        """Read HTTP again behind a declined upgrade, unless something has come there.

        It may have been meant for the other protocol, so it is not taken for a request.
        """
        if self._messages or self._parser is None:
            return False
        if not self._message_tail:
            self._parser.set_upgraded(False)
            self._upgraded = False
        return self._upgraded

    def _entered(self, message: RawRequestMessage) -> Entrance:
        """Return how a request came in; mostly as the one before it."""
        authority = message.headers.get("Host")
        if self._entrance.authority != authority:
            self._entrance = self._entrance._replace(authority=authority)
        return self._entrance

    @property
    def idle(self) -> bool:
        """No request is under way, nor waits, nor is just being taken up."""
        waits = self._waiter is not None or self._request_count == 0
        return waits and self._current_request is None and not self._messages

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the peer."""
        self._wire = cast("asyncio.Transport", transport)
        peername = transport.get_extra_info("peername")
        if isinstance(peername, tuple):
            self.peer = Peer(peername[0])
        super().connection_made(transport)
        self._front.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel the request under way."""
        super().connection_lost(exc)
        self._wire = None
        self._front.closed(self)

    def abort(self) -> None:
        """Break the connection off, also one that is closing but whose client does not read."""
        if self._heir is not None:
            self._heir.abort()
            return
        if self._wire is None:
            return
        if self._current_request is not None:
            # To an HTTP/1.0 client FIN would be the end of the answer that is broken off.
            reset_at_close(self._wire)
        self._wire.abort()

    def data_received(self, data: bytes) -> None:
        """Read; wake the reader of a body whose framing has just turned out broken."""
        if self._deaf_for is not None:
            self._deaf_for -= len(data)
            if self._deaf_for < 0:
                self.force_close()
            return
        if self._force_close or self._parser is None:
            return
        if self._upgraded:
            super().data_received(data)
            return
        try:
            messages, self._upgraded, self._message_tail = self._parser.feed_data(data)
        except HttpProcessingError as error:
            messages = [(_Unreadable(error), EMPTY_PAYLOAD)]
            if self._newest is not None and not self._newest.is_eof():
                # The body the parser was in: of the request under way, or of one that waits.
                self._newest.set_exception(BadRequest(_BROKEN_BODY))
        if messages:
            self._newest = messages[-1][1]
            self._take_up(messages)

    def _take_up(self, messages: Sequence[tuple[Any, StreamReader]]) -> None:
        """Queue what has been read, wake the task, and read no further if it is too much."""
        self._request_count += len(messages)
        self._messages.extend(messages)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if len(self._messages) >= self._max_msg_queue_size and not self._buffer_paused:
            self._pause_reading_for_buffer()

    def log_exception(self, *_: Any, **__: Any) -> None:
        """Log nothing here: the handler tells its own faults, and aiohttp's text quotes bytes."""


class _Unreadable(NamedTuple):
    """Stands in the queue for bytes that are no request."""

    exc: BaseException


class ClientRequest:
    """A request as the handler sees its body and its client.

    Args:
        message: the parsed head.
        payload: the body.
        connection: where it came from.
    """

    __slots__ = ("_connection", "_message", "_payload")

    def __init__(
        self, message: RawRequestMessage, payload: StreamReader, connection: ClientConnection
    ) -> None:
        self._message = message
        self._payload = payload
        self._connection = connection

    def head(self) -> Head:
        """Return the head as the data plane knows it."""
        message = self._message
        chunked = bool(message.chunked)
        upgrade = bool(message.upgrade)
        length = None if chunked else message.headers.get("Content-Length")
        return Head(
            message.method,
            message.path,
            message.version,
            message.raw_headers,
            message.headers,
            None if length is None else int(length),
            chunked,
            # Behind an upgrade to anything else aiohttp drops bytes and reads on in the middle.
            not (message.should_close or (upgrade and self._connection.lost_tail)),
            upgrade and self._connection.keeps_tail,
        )

    # The body.

    @property
    def ended(self) -> bool:
        """All of the body has come."""
        return self._payload.is_eof()

    async def read(self) -> bytes:
        """Return what has come of the body, waiting for some; empty at the end."""
        try:
            return await self._payload.readany() + self._rest()
        except RequestPayloadError:
            raise BadRequest(_BROKEN_BODY) from None

    def take(self) -> bytes:
        """Return what has come of the body, without waiting."""
        return self._payload.read_nowait(-1) + self._rest()

    def _rest(self) -> bytes:
        """Return what came in while the rest was taken: aiohttp parses on in the middle of that.

        Else `ended` would be true of a body whose last pieces have not been taken.
        """
        rest = b""
        while self._payload.is_eof() and not self._payload.at_eof():
            rest += self._payload.read_nowait(-1)
        return rest

    # The client.

    def write(self, data: bytes) -> None:
        """Send bytes; a client that has left gets none."""
        transport = self._connection.transport
        if transport is not None:
            transport.write(data)

    async def drain(self) -> None:
        """Wait while the client reads more slowly than we write."""
        if self._connection.writing_paused:
            await self._connection._drain_helper()  # noqa: SLF001 -- the private half of write()

    def abort(self, *, reset: bool) -> None:
        """Break the connection: what has been written is sent, an end is not.

        Args:
            reset: with RST, for where FIN would be the end of the answer.
        """
        transport = self._connection.transport
        if reset and transport is not None:
            reset_at_close(transport)
            transport.abort()
        self._connection.force_close()

    def hand_over(self, heir: End) -> tuple[asyncio.Transport | None, bytes]:
        """Give the connection away, for good, with what has come behind the request."""
        return self._connection.hand_over(heir)

    # What aiohttp calls.

    def _cancel(self, exc: BaseException) -> None:
        """Fail the reader of the body: the client has left."""
        self._payload.set_exception(exc)


def _refusal(error: BaseException) -> Refusal:
    """Return what a parser's error means; its text quotes the request and is not used."""
    if isinstance(error, LineTooLong):
        if MAX_TARGET in error.args:
            return TargetTooLarge(f"Request targets of up to {MAX_TARGET} bytes are taken.")
        return HeadersTooLarge(f"Header fields of up to {MAX_FIELD} bytes are taken.")
    if "Too many headers" in str(error):
        return HeadersTooLarge(f"Up to {MAX_FIELDS} header fields are taken.")
    return BadRequest("This is not an HTTP/1.1 request.", cause=type(error).__name__)
