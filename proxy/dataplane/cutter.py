"""What has come from a client and has not been parsed, and which piece of it is next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from proxy.dataplane.cut import end_of_head, end_of_piece, size_of_turn, stand_in
from proxy.dataplane.names import CONTENT_LENGTH


if TYPE_CHECKING:
    from collections import deque

    from proxy.dataplane.cut import StandIn
    from proxy.dataplane.limits import ClientLimits


PIECES: Final = 64
"""Pieces of bodies in chunks that are parsed in one turn of the loop: each costs as much as many
bytes, and a body may have many places that look like its end."""


_BREAKS: Final = (0x0D, 0x0A)


class Payload(Protocol):
    """A body that is being read."""

    def is_eof(self) -> bool:
        """Whether all of it has come."""
        ...


class Reader(Protocol):
    """Whose the bytes are."""

    def full(self) -> bool:
        """Whether no head is read now, behind what waits in the queue."""
        ...

    def renewed(self) -> Any:
        """Return a new parser, which it will use from now on."""
        ...


class Cutter:
    """Cuts what comes into heads, and bodies or pieces of them, one message after another.

    Args:
        limits: of a head.
        reader: is asked before another message is read.
        queue: what is read is put there: heads, each with its body.

    Attributes:
        pending: what has come and has not been handed out.
        body: of the last head that was read; None: it has none.
        held: nothing is parsed now.
        later: the rest of what is pending is parsed in the next turn of the loop.
        last: no further head is read.
        upgrading: because the last one asks for an upgrade.
        piece: was given to the parser last.
    """

    __slots__ = (
        "_left", "_limits", "_pieces", "_queue", "_reader", "_soiled", "_spent", "_tail", "_turn",
        "body", "held", "last", "later", "pending", "piece", "upgrading",
    )  # fmt: skip

    def __init__(self, limits: ClientLimits, reader: Reader, queue: deque[Any]) -> None:
        self._limits = limits
        self._reader: Reader | None = reader
        self._queue = queue
        self._spent = False
        self.held = False
        self._left: int | None = None
        """Bytes that are left of the body; None: it is in chunks."""
        self._tail = b""
        """Its last bytes, where the end of the chunks may have begun."""
        self.later = False
        self._pieces = 0
        """So many of bodies in chunks have been parsed in this turn."""
        self._turn = -1
        """Bytes of them that are left to this turn; -1: none has been parsed yet."""
        self._soiled = False
        """The parser has read chunks: it would give their last trailer to the next request."""
        self.pending = b""
        self.body: Payload | None = None
        self.last = False
        self.upgrading = False
        self.piece = b""

    @property
    def in_body(self) -> bool:
        """What comes next belongs to a body."""
        return self.body is not None and not self.body.is_eof()

    @property
    def ends(self) -> bool:
        """Something has come behind a request for an upgrade: HTTP is not read on behind it."""
        return self.upgrading and bool(self.pending)

    def read(self, data: bytes, parser: Any) -> int:
        """Give the parser what has come, piece by piece, and no more than is taken up.

        Args:
            data: what comes behind what is pending; empty: the parser itself may hold some.
            parser: an `aiohttp.http_parser.HttpRequestParser`.

        Returns:
            how many messages were put into the queue.

        Raises:
            Refusal: what comes next is no head that will be read.
            HttpProcessingError: the parser does not read `piece`.
        """
        came = self._pieces = 0
        self._turn = -1
        self.later = False
        if data:
            self.pending = self.pending + data if self.pending else data
        else:
            came = self._feed(b"", parser)
        while self.pending and not self.held and not self.later:
            if self._left is None and self.in_body:
                came += self._read_chunks(parser)
                continue
            piece = self._next()
            if not piece:
                break
            if self._spent and self._reader is not None:
                self._spent, parser = False, self._reader.renewed()
            came += self._feed(piece, parser)
        return came

    def read_stand_in(self, *, method: bool) -> int | None:
        """Give a new parser what stands in for the head that was refused.

        Args:
            method: the parser has not got beyond its method.

        Returns:
            how many messages were put into the queue; None: nothing can stand in for it.

        Raises:
            HttpProcessingError: the parser does not read this `piece` either.
        """
        if self.in_body or self._reader is None:
            return None
        instead = stand_in(self.piece, method=method)
        if instead is None:
            return None
        return self._feed(instead.head, self._reader.renewed(), instead)

    def _feed(self, piece: bytes, parser: Any, instead: StandIn | None = None) -> int:
        self.piece = piece
        messages = parser.feed_data(piece)[0]
        if not messages:
            return 0
        taken = messages[0]
        if not self._begun(taken[0], taken[1]):
            return 0
        if instead is not None:
            message = taken[0]._replace(method=instead.method, path=instead.target)
            taken = (message, taken[1])
        self._queue.append(taken)
        return 1

    def _next(self) -> bytes:
        """Return the piece that is parsed next; empty: nothing yet, or nothing more."""
        left = self._left if self.in_body else None
        size = self._head_size() if left is None else self._body_size(left)
        pending = self.pending
        if size == len(pending):
            self.pending = b""
            return pending
        self.pending = pending[size:]
        return pending[:size]

    def _body_size(self, left: int) -> int:
        size = min(left, len(self.pending))
        self._left = left - size
        return size

    def _read_chunks(self, parser: Any) -> int:
        """Give the parser the pieces of a body in chunks, until it or the turn is over."""
        pending = self.pending
        if self._turn < 0:
            self._turn = size_of_turn(pending)
        # Cut off once: to cut each piece off all that is pending would cost as much again.
        rest = pending[self._turn :]
        pending = pending[: self._turn]
        came = 0
        while pending and self._pieces < PIECES and self.in_body and not self.held:
            size = end_of_piece(self._tail, pending)
            self._tail = (self._tail + pending[max(size - 3, 0) : size])[-3:]
            piece, pending = pending[:size], pending[size:]
            self._pieces += 1
            self._turn -= size
            came += self._feed(piece, parser)
        self.pending = pending + rest if pending else rest
        self.later = bool(self.pending) and not (self._turn and self._pieces < PIECES)
        return came

    def _head_size(self) -> int:
        if self.last:
            if not self.upgrading:
                self.pending = b""  # nobody will ask for it
            return 0
        if self._queue and self._reader is not None and self._reader.full():
            return 0
        if self.pending[0] in _BREAKS:
            self.pending = self.pending.lstrip(b"\r\n")  # RFC 9112 2.2
        size = end_of_head(self.pending, self._limits)
        if size and self._soiled:
            self._soiled, self._spent = False, True
        return size

    def _begun(self, message: Any, body: Payload) -> bool:
        """Take note of a head that has been parsed; False: nobody will answer it.

        Args:
            message: the head.
            body: what comes behind it.
        """
        if self.last:
            return False
        self.body = None if body.is_eof() else body
        self.upgrading = bool(message.upgrade)
        self._soiled = bool(message.chunked)
        self.last = self.upgrading or bool(message.should_close)
        if self.body is not None:
            self._tail = b""
            length = message.headers.get(CONTENT_LENGTH)
            self._left = None if length is None else int(length)
        return True

    def declined(self) -> None:
        """Read on as before: the upgrade did not come about."""
        self.upgrading = self.last = False

    def end(self) -> None:
        """Read no more; what has come is nobody's."""
        self.last = True
        self.later = False
        self.pending = b""

    def lost(self) -> None:
        """Let go of the connection, which is gone; a body holds it too."""
        self.pending = b""
        self.body = self._reader = None
