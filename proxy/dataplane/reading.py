"""What a client sends, given to aiohttp's parser one message at a time.

aiohttp's own `data_received` loses the good requests in front of a bad one in the same segment, has
no limit for a whole head, and behind a malformed chunk never wakes the body's reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from aiohttp.http_exceptions import (
    BadHttpMethod,
    BadStatusLine,
    HttpProcessingError,
    InvalidURLError,
)
from aiohttp.http_parser import HttpRequestParser
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from proxy.dataplane.cut import MAX_FIELDS, refusal_of
from proxy.dataplane.cutter import Cutter
from proxy.dataplane.errors import BadRequest, Refusal


if TYPE_CHECKING:
    import asyncio

    from aiohttp.streams import StreamReader
    from aiohttp.web_server import Server

    from proxy.dataplane.limits import ClientLimits


BROKEN_BODY: Final = "The chunks of the body are malformed."

_HELD_BACK: Final = 64 * 1024
"""Bytes behind a request for an upgrade that are held till its fate is known."""


class Unreadable(NamedTuple):
    """Stands in the queue for bytes that are no request."""

    refusal: Refusal


class Reading(RequestHandler):
    """The reading half of a client's connection: fills the queue of requests and their bodies."""

    __slots__ = ("_deaf_for", "_limits", "_turning", "cutter")

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
        self.cutter = Cutter(limits, self, self._messages)
        self._deaf_for: int | None = None
        """So many bytes may still come, and are dropped: nobody will answer them."""
        self._turning = False
        """The next turn of the loop parses on."""

    def data_received(self, data: bytes) -> None:
        """Give the parser what has come, one message at a time, and no more than is taken up.

        aiohttp calls this without data where it reads on after a pause.
        """
        if self._deaf_for is not None:
            self._drop(data)
            return
        if self._force_close or self._parser is None:
            return
        waited = self.cutter.later
        self._read(data)
        if self.cutter.pending:
            self._hold_back()
        if self.cutter.later:
            self._wait_a_turn()
        elif waited:
            self._resume_reading_for_buffer()

    def _wait_a_turn(self) -> None:
        """Parse on in the next turn of the loop, so that others have theirs; read no more yet."""
        if not self._buffer_paused:
            self._pause_reading_for_buffer()
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turning = False
        # Who takes a body parses on, if it is held meanwhile.
        if self.cutter.later and not self.cutter.held:
            self.data_received(b"")

    def _read(self, data: bytes) -> None:
        try:
            came = self._parse(data)
        except Refusal as refusal:
            # Its traceback would keep the bytes for as long as the client lingers.
            self._unreadable(refusal.with_traceback(None))
        except HttpProcessingError as error:
            self._refuse(error)
        else:
            if came:
                self._taken_up(came)

    def _parse(self, data: bytes) -> int:
        """Give the parser what has come; what it does not read of a request line in disguise."""
        came = 0
        while True:
            try:
                return came + self.cutter.read(data, self._parser)
            except (BadHttpMethod, BadStatusLine, InvalidURLError) as error:
                method = not isinstance(error, InvalidURLError)
                read = self.cutter.read_stand_in(method=method)
                if read is None:
                    raise
                came, data = came + read, b""

    def pause_reading(self) -> None:
        """Parse no more: a body is taken more slowly than it comes."""
        self.cutter.held = True
        super().pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 -- aiohttp's
        """Parse on, if reading is paused: aiohttp calls this for each piece that is taken."""
        if not self._reading_paused:
            return
        self.cutter.held = False
        super().resume_reading(resume_parser)

    def held_back(self) -> None:
        """Take note that what has come is not all that has to."""

    def _drop(self, data: bytes) -> None:
        self._deaf_for = (self._deaf_for or 0) - len(data)
        if self._deaf_for < 0:
            self.force_close()

    def _hold_back(self) -> None:
        """Keep what is not parsed yet, and read no further if it is too much."""
        cutter = self.cutter
        if not self._buffer_paused and not cutter.in_body:
            too_much = len(cutter.pending) > _HELD_BACK if cutter.upgrading else self.full()
            if too_much:
                self._pause_reading_for_buffer()
        self.held_back()

    def renewed(self) -> HttpRequestParser:
        """Return a new parser, which is used from now on."""
        self._parser = parser = HttpRequestParser(
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
        return parser

    def full(self) -> bool:
        """No head is read behind so many requests that wait, nor behind a body that waits."""
        waiting = len(self._messages)
        # Else 32 bodies of half a megabyte each would wait for one slow answer.
        bodies = waiting > 0 and self.cutter.body is not None
        return bodies or waiting >= self._max_msg_queue_size

    def _resume_reading_for_buffer(self) -> None:
        """Read on, unless what was pending has filled the queue again: nobody would come back."""
        if not self.full() and not self.cutter.later:
            super()._resume_reading_for_buffer()

    def _refuse(self, error: HttpProcessingError) -> None:
        """Wake the reader of a body whose framing has just turned out broken."""
        if self.cutter.in_body:
            # The body the parser was in: of the request under way, or of one that waits.
            cast("StreamReader", self.cutter.body).set_exception(BadRequest(BROKEN_BODY))
        method = isinstance(error, BadHttpMethod)
        fields = "Too many headers" in str(error)
        self._unreadable(refusal_of(self.cutter.piece, method=method, fields=fields))

    def _unreadable(self, refusal: Refusal) -> None:
        self.cutter.end()
        self._messages.append((cast("Any", Unreadable(refusal)), EMPTY_PAYLOAD))
        self._taken_up(1)

    def _taken_up(self, count: int) -> None:
        """Wake the task; read no further if it is too much."""
        self._request_count += count
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if len(self._messages) >= self._max_msg_queue_size and not self._buffer_paused:
            self._pause_reading_for_buffer()
