"""What a client sends, given to aiohttp's parser one message at a time.

aiohttp's own `data_received` loses the good requests in front of a bad one in the same segment, has
no limit for a whole head, and behind a malformed chunk never wakes the body's reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from proxy.dataplane.cut import END, MAX_FIELDS, end_of_head, end_of_piece, refusal_of
from proxy.dataplane.errors import BadRequest, Refusal
from proxy.dataplane.names import CONTENT_LENGTH


if TYPE_CHECKING:
    import asyncio

    from aiohttp.http import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_server import Server

    from proxy.dataplane.limits import ClientLimits


BROKEN_BODY: Final = "The chunks of the body are malformed."

_PIECES: Final = 64
"""In so many pieces the bytes of a chunked body are parsed that came at once; then as one, up to
the last place that looks like its end, for each piece costs as much as many bytes."""

_HELD_BACK: Final = 64 * 1024
"""Bytes behind a request for an upgrade that are held till its fate is known."""


class Unreadable(NamedTuple):
    """Stands in the queue for bytes that are no request."""

    refusal: Refusal


class Reading(RequestHandler):
    """The reading half of a client's connection: fills the queue of requests and their bodies."""

    __slots__ = (
        "_bulk",
        "_deaf_for",
        "_last",
        "_left",
        "_limits",
        "_newest",
        "_pending",
        "_soiled",
        "_tail",
        "_upgrading",
    )

    def __init__(
        self, limits: ClientLimits, server: Server, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=0,  # the sweep's business
            access_log=None,  # type: ignore[arg-type] # the handler logs
            max_line_size=limits.head_size,  # heads are measured before
            max_field_size=limits.head_size,
            max_headers=MAX_FIELDS,
            auto_decompress=False,
        )
        self._limits = limits
        self._pending = b""
        """What has come and has not been given to the parser."""
        self._newest: StreamReader | None = None
        """The body of the last head that was read."""
        self._left: int | None = None
        """Bytes that are left of it; None: it is in chunks."""
        self._tail = b""
        """Its last bytes, where the end of the chunks may have begun."""
        self._bulk = False
        """So many places of it look like its end that they are not tried one by one."""
        self._soiled = False
        """The parser has read chunks: it would give their last trailer to the next request."""
        self._last = False
        """No further head is read."""
        self._deaf_for: int | None = None
        """So many bytes may still come, and are dropped: nobody will answer them."""
        self._upgrading = False
        """Because the last one asks for an upgrade."""

    def data_received(self, data: bytes) -> None:
        """Give the parser what has come, one message at a time, and no more than is taken up.

        aiohttp calls this without data where it reads on after a pause.
        """
        if self._deaf_for is not None:
            self._drop(data)
            return
        if self._force_close or self._parser is None:
            return
        if not data:
            self._feed(b"")  # the parser itself may hold some
        self._pending = self._pending + data if self._pending else data
        pieces = 0
        while self._pending and not self._reading_paused:
            size = self._next_size(bulk=pieces >= _PIECES)
            if not size:
                break
            piece, self._pending = self._pending[:size], self._pending[size:]
            self._feed(piece)
            pieces += 1
        if self._pending:
            self.held_back()

    @property
    def ends(self) -> bool:
        """Something has come behind a request for an upgrade: HTTP is not read on behind it."""
        return self._upgrading and bool(self._pending)

    def held_back(self) -> None:
        """Take note that what has come is not all that has to."""

    def _drop(self, data: bytes) -> None:
        self._deaf_for = (self._deaf_for or 0) - len(data)
        if self._deaf_for < 0:
            self.force_close()

    def _next_size(self, *, bulk: bool) -> int:
        """Return how much of what is pending is parsed next; 0: nothing yet, or nothing more."""
        body = self._newest
        if body is None or body.is_eof():
            return self._head_size()
        pending = self._pending
        if self._left is not None:
            size = min(self._left, len(pending))
            self._left -= size
            return size
        self._bulk = bulk and END in pending
        size = pending.rfind(END) + len(END) if self._bulk else end_of_piece(self._tail, pending)
        self._tail = (self._tail + pending[max(size - 3, 0) : size])[-3:]
        return size

    def _head_size(self) -> int:
        if self._last:
            self._hold_back()
            return 0
        if self._full():
            if not self._buffer_paused:
                self._pause_reading_for_buffer()
            return 0
        if self._pending.startswith((b"\r", b"\n")):
            self._pending = self._pending.lstrip(b"\r\n")  # RFC 9112 2.2
            if not self._pending:
                return 0
        try:
            size = end_of_head(self._pending, self._limits)
        except Refusal as refusal:
            # Its traceback would keep the bytes for as long as the client lingers.
            self._unreadable(refusal.with_traceback(None))
            return 0
        if size and self._soiled:
            self._parser, self._soiled = self._new_parser(), False
        return size

    def _new_parser(self) -> HttpRequestParser:
        return HttpRequestParser(
            self,
            self._loop,
            self._read_bufsize,
            max_line_size=self._limits.head_size,
            max_field_size=self._limits.head_size,
            max_headers=MAX_FIELDS,
            payload_exception=RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=self._max_msg_queue_size,
        )

    def _full(self) -> bool:
        """No head is read behind so many requests that wait, nor behind a body that waits."""
        waiting = len(self._messages)
        # Else 32 bodies of half a megabyte each would wait for one slow answer.
        bodies = waiting > 0 and self._newest is not EMPTY_PAYLOAD
        return bodies or waiting >= self._max_msg_queue_size

    def _resume_reading_for_buffer(self) -> None:
        """Read on, unless what was pending has filled the queue again: nobody would come back."""
        if not self._full():
            super()._resume_reading_for_buffer()

    def _hold_back(self) -> None:
        """Keep what stands behind a request for an upgrade; behind a last one it is nobody's."""
        if not self._upgrading:
            self._pending = b""
        elif len(self._pending) > _HELD_BACK and not self._buffer_paused:
            self._pause_reading_for_buffer()

    def _feed(self, piece: bytes) -> None:
        """Parse; wake the reader of a body whose framing has just turned out broken."""
        if self._parser is None:
            return
        try:
            messages, _, _ = self._parser.feed_data(piece)
        except HttpProcessingError as error:
            if self._newest is not None and not self._newest.is_eof():
                # The body the parser was in: of the request under way, or of one that waits.
                self._newest.set_exception(BadRequest(BROKEN_BODY))
            method = isinstance(error, BadHttpMethod)
            fields = "Too many headers" in str(error)
            self._unreadable(refusal_of(piece, method=method, fields=fields))
            return
        bulk, self._bulk = self._bulk, False
        if bulk and messages:
            self._last = True  # requests behind it are dropped: only one at a time is taken up
        if messages and not self._last:
            message, self._newest = messages[0]
            self._upgrading = message.upgrade
            self._soiled = message.chunked
            self._last = message.should_close or message.upgrade
            if not self._newest.is_eof():
                self._tail = b""
                length = message.headers.get(CONTENT_LENGTH)
                self._left = None if length is None else int(length)
            self._take_up(message, self._newest)

    def _unreadable(self, refusal: Refusal) -> None:
        self._last = True
        self._pending = b""
        self._take_up(Unreadable(refusal), EMPTY_PAYLOAD)

    def _take_up(self, message: RawRequestMessage | Unreadable, body: StreamReader) -> None:
        """Queue what has been read, wake the task, and read no further if it is too much."""
        self._request_count += 1
        self._messages.append((cast("Any", message), body))
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if len(self._messages) >= self._max_msg_queue_size and not self._buffer_paused:
            self._pause_reading_for_buffer()
