"""Read one answer: heads as they were written, and pieces of body that a task can wait for.

llhttp is the judge of what is HTTP and where the body ends. The lines of the head are kept as they
came, to be relayed byte for byte; if they do not end where llhttp says, the answer is refused.
A head that llhttp refuses is mended, if it is harmless, and judged once more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from proxy.upstream.errors import Dropped, ProtocolViolation
from proxy.upstream.head import (
    KEEP_ALIVE,
    KINDS,
    KNOWN,
    LENGTH,
    LONGEST_KNOWN,
    MOST_KNOWN,
    NO_FIELD,
    SAME,
    STATUS_LINES,
    ResponseHead,
    head_end,
    keep_alive_timeout,
    mend_head,
    read_status_line,
)


if TYPE_CHECKING:
    import asyncio


MAX_HEAD_SIZE: Final = 512 * 1024
"""Bytes of one answer's head with the 1xx before it. llhttp has no limit; nginx stops at 4 to
8 KiB, HAProxy and Node at 16: this refuses only what no client would take either."""

_MAX_ODD_SIZE: Final = 64 * 1024
"""Bytes of a head that is mended: this is done in one turn of the loop."""

HIGH_WATER: Final = 64 * 1024
"""Bytes of body held before the upstream is read no more. What waits for a slow reader is about
three times that: here, in the one read beyond it, and in the client's transport."""

_STEP: Final = 16 * 1024
_STEPS_END: Final = 64
"""Pieces of body, or heads, from which on the rest of what has come waits for the next turn of the
loop: each costs the same, however small it is. They are counted each `_STEP` bytes."""

_SWITCHING_PROTOCOLS: Final = 101
_FIRST_FINAL: Final = 200
_BODILESS: Final = frozenset({204, 304})

_END: Final = b"\r\n\r\n"
_BREAKS: Final = (0x0D, 0x0A)
_BREAK_SIZE: Final = 2
_LONGEST_BREAK: Final = 2  # of an empty line's three bytes, what came before may hold two

_SWITCHING: Final = re.compile(rb"\r\n(connection|upgrade):([^\r]*)", re.IGNORECASE)


_IN_ORDER: Final = Exception("the upstream has closed in order")


class Flow(Protocol):
    """Where the bytes come from: it can be held."""

    def pause_reading(self) -> None:
        """Read no more until `resume_reading`."""
        ...

    def resume_reading(self) -> None:
        """Read again."""
        ...


class Response:
    """The answer to one request, while it comes in.

    A connection feeds the bytes; one task awaits `head()` and then `read()`.

    Args:
        loop: the running loop.
        flow: the connection, to be held while the body is not taken.
        to_head: the request was a HEAD: the answer has no body, whatever it says of its length.
        asked: the protocol that the request asks for, in lower case; None: a 101 is refused.
    """

    # Defaults on the class, not __slots__: an answer sets few of them, and is made often.

    started = False
    """At least one byte has come."""
    complete = False
    """The message has ended as its framing says it should."""
    surplus = False
    """Bytes came behind the end: nobody knows whose, so the connection is not used again."""
    keep_alive = False
    """The upstream will take another request on this connection (RFC 9112 9.3)."""
    keep_alive_s: float | None = None
    """Seconds the upstream says it keeps an idle connection."""
    held = False
    """The connection is read no further until the body has been taken."""
    failure: Exception | None = None
    switched = False
    """A 101 has come that was asked for: what is behind it is not HTTP, and is not read yet."""

    _later = b""
    """What has come and waits for the next turn of the loop; the connection is held meanwhile."""
    _turning = False
    """The next turn of the loop will look."""
    _parsed = 0
    """Heads and pieces of body in this turn."""
    _last_word: Exception | None = None
    """What is to be told once `_later` has been parsed."""
    _final: ResponseHead | None = None
    _odd: bytearray | None = None
    """A head that llhttp has refused, up to now; it is mended when it has come whole."""
    _objection = ""
    """Why llhttp has refused the head; kept until a head is read, for it is mended once."""
    _head_size = 0
    _size = 0
    _awaits_head: asyncio.Future[ResponseHead] | None = None
    _awaits_piece: asyncio.Future[bytes] | None = None

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        flow: Flow,
        *,
        to_head: bool,
        asked: str | None = None,
    ) -> None:
        self.asked = asked
        self._loop = loop
        self._flow = flow
        self._to_head = to_head
        # One parser an answer: a parser kept for the next one would carry its state over.
        self._parser: Any = self._new_parser()
        self._raw: list[bytes] = []
        self._heads: list[ResponseHead] = []
        self._pieces: list[bytes] = []

    # What the waiting task calls.

    def head(self) -> asyncio.Future[ResponseHead]:
        """Return the next head to be: informational ones first, the final one last.

        Raises (when awaited):
            Exception: what `fail` was given; there will be no head.
        """
        self._awaits_head = head = self._loop.create_future()
        self._wake()
        return head

    def read(self) -> asyncio.Future[bytes]:
        """Return the next pieces of body, as one, to be; empty at its end.

        Raises (when awaited):
            Exception: what `fail` was given; what had come before is returned first.
        """
        self._awaits_piece = piece = self._loop.create_future()
        self._wake()
        return piece

    def take(self) -> bytes:
        """Return what has come of the body, without waiting."""
        pieces = self._pieces
        if not pieces:
            return b""
        self._size = 0
        if self.held:
            self.held = False
            if self._later:
                self._wait_a_turn()
            else:
                self._flow.resume_reading()
        if len(pieces) == 1:
            return pieces.pop()
        # One joined write costs less than several: each is a system call.
        self._pieces = []
        return b"".join(pieces)

    @property
    def taken(self) -> bool:
        """The message is complete, and all of it has been taken.

        Not the same as `complete`: uvloop reads on before the task runs that was given a piece.
        """
        return self.complete and not self._pieces

    def behind(self) -> bytes:
        """Return what has come behind a 101."""
        data = b"".join(self._raw)
        self._raw = []
        return data

    def _wake(self) -> None:
        """Give the task that waits what it waits for, if it has come."""
        head = self._awaits_head
        if head is not None and (self._heads or self.failure is not None):
            self._awaits_head = None
            if not head.done():
                self._settle_head(head)
        piece = self._awaits_piece
        if piece is not None and (self._pieces or self.complete or self.failure is not None):
            self._awaits_piece = None
            if not piece.done():
                self._settle_piece(piece)

    def _settle_head(self, head: asyncio.Future[ResponseHead]) -> None:
        if self._heads:
            head.set_result(self._heads.pop(0))
        elif self.failure is not None:
            head.set_exception(self.failure)

    def _settle_piece(self, piece: asyncio.Future[bytes]) -> None:
        if self._pieces or self.failure is None:
            piece.set_result(self.take())
        else:
            piece.set_exception(self.failure)

    # What the connection calls.

    def feed(self, data: bytes) -> None:
        """Take bytes off the connection."""
        if self.complete:
            self.surplus = True
            return
        self.started = True
        if self.switched:
            self._raw.append(data)
        elif self._later:
            self._later += data  # of a connection that is lost: it is held
        elif len(data) <= _STEP or (self._final is not None and not self._final.chunked):
            self._parse(data)
            self._wake()
        else:
            self._parse_some(data)

    def _parse(self, data: bytes) -> None:
        if self._final is None:
            self._head_size += len(data)
        rest: bytes | None = data
        if self._odd is not None:
            self._odd += data
            rest = self._mend(max(len(self._odd) - len(data) - _LONGEST_BREAK, 0))
        while rest is not None:
            if self._final is None:
                self._raw.append(rest)
            rest = self._run(rest)
        if self._final is None and self._head_size > MAX_HEAD_SIZE and not self.switched:
            self._violation(f"a head of more than {MAX_HEAD_SIZE} bytes")

    def _run(self, data: bytes) -> bytes | None:
        """Have llhttp read; return what it is to read then: a head that has been mended."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            pass  # on_headers_complete has seen the 101
        except HttpParserError as error:
            raw = b"".join(self._raw).lstrip(b"\r\n")
            line, ended, _ = raw.partition(b"\n")
            whole = ended and read_status_line(line.removesuffix(b"\r")) is not None
            done = self._final is not None or self.failure is not None or self.switched
            if done or self._objection or not whole:
                self._violation(f"not HTTP/1.1: {error}")
            else:
                self._objection = str(error)
                self._odd = bytearray(raw)
                return self._mend(0)
        return None

    def _mend(self, start: int) -> bytes | None:
        """Return the odd head, mended, and what came after it; None: it is not whole, or worse."""
        odd = self._odd
        end = 0 if odd is None else head_end(odd, start)
        if odd is not None and (end or len(odd)) > _MAX_ODD_SIZE:
            self._violation(f"not HTTP/1.1: {self._objection}, in a head too large to be mended")
            return None
        if odd is None or not end:
            return None
        try:
            mended = mend_head(bytes(odd[:end]))
        except ValueError as error:
            self._violation(f"not HTTP/1.1: {self._objection}{error}")
            return None
        self._odd = None
        self._raw = []
        # The one that has refused says nothing more.
        self._parser = self._new_parser()
        return mended + odd[end:]

    def _new_parser(self) -> Any:
        parser: Any = HttpResponseParser(self)
        # RFC 9112 7.1.1 lets blanks stand there (BWS); they never reach the client.
        parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        return parser

    def _parse_some(self, data: bytes) -> None:
        """Parse what has come, step by step; if it is in many pieces, the rest in the next turn."""
        self._parsed = at = 0
        while at < len(data) and self.failure is None:
            if self.complete:
                self.surplus = True
                break
            if self.switched:
                self._raw.append(data[at:])
                break
            if self._parsed >= _STEPS_END:
                self._later = data[at:]
                self._flow.pause_reading()
                self._wait_a_turn()
                break
            self._parse(data[at : at + _STEP])
            at += _STEP
        self._wake()

    def _wait_a_turn(self) -> None:
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turning = False
        # Who takes the body goes on, where it is held.
        waits = self.held or not self._later
        if waits or self._parser is None:
            return
        data, self._later = self._later, b""
        self._parse_some(data)
        if self._later:
            return
        if self._last_word is not None:
            self._end_in(self._last_word)
        elif not self.held and not self.switched:
            self._flow.resume_reading()

    def feed_end(self) -> None:
        """Take note that the upstream has closed in order (FIN)."""
        self.lose(_IN_ORDER)

    def lose(self, error: Exception) -> None:
        """Fail once what has come has been parsed, for no more will."""
        if self._later:
            self._last_word = error
        else:
            self._end_in(error)

    def _end_in(self, error: Exception) -> None:
        if self._odd is not None:
            self._violation(f"not HTTP/1.1: {self._objection}")
        elif error is not _IN_ORDER:
            self.fail(error)
        elif self._final is not None and self._final.close_delimited and self.failure is None:
            self.complete = True
            self._wake()
        else:
            self.fail(Dropped("the upstream closed too early", unanswered=not self.started))

    def fail(self, error: Exception) -> None:
        """End every wait with `error`, unless the answer is complete or has failed before."""
        if not self.complete and self.failure is None:
            self.failure = error
            self._wake()

    def end(self) -> None:
        """Let go of what holds this: else each answer would wait for the collector."""
        self._parser = None
        self._later = b""
        if self.failure is not None:
            self.failure.__traceback__ = None  # of a task that was waiting, and has ended

    def _violation(self, cause: str) -> None:
        if self.complete:
            self.surplus = True
        elif not self.switched:
            self.fail(ProtocolViolation(cause))

    # What llhttp calls.

    def on_message_begin(self) -> None:
        """Take note of a head; behind a complete answer it is nobody's."""
        if self.complete:
            self.surplus = True

    def on_headers_complete(self) -> None:
        """Cut the head off what has come, and tell from it how the body ends."""
        self._parsed += 1
        if self.complete or self.failure is not None or self.switched:
            return
        # llhttp forgives empty lines in front, as RFC 9112 2.2 asks.
        raw = b"".join(self._raw)
        if raw[0] in _BREAKS:
            raw = raw.lstrip(b"\r\n")
        end = max(raw.find(_END), 0)
        lines = raw[:end].splitlines()
        line = STATUS_LINES.get(lines[0]) or read_status_line(lines[0]) if lines else None
        if line is None or raw[end - 1] in _BREAKS or raw.find(b"\0", 0, end) >= 0:
            self._violation("a head that is not HTTP/1.1")
            return
        self._objection = ""
        http10, status_text = line
        status = self._parser.get_status_code()
        head = ResponseHead(status, status_text, [])
        head.bodiless = self._to_head or status in _BODILESS or status < _FIRST_FINAL
        if not self._read_fields(head, lines, end, http10=http10):
            return
        self._raw = [raw[end + len(_END) :]]
        if status >= _FIRST_FINAL:
            self._final = head
            self._raw = []  # else a stream would hold its beginning till its end
            self.keep_alive = self._parser.should_keep_alive()
            # llhttp knows nothing of HEAD and would wait for the body that the head announces.
            self.complete = head.bodiless
        self._heads.append(head)

    def on_body(self, piece: bytes) -> None:
        """Take a piece of body."""
        if self.complete:
            self.surplus = True
            return
        self._pieces.append(piece)
        self._parsed += 1
        self._size += len(piece)
        if self._size > HIGH_WATER and not self.held:
            self.held = True
            self._flow.pause_reading()

    def on_message_complete(self) -> None:
        """End the answer, unless it was an informational one."""
        if self._final is not None and self.failure is None:
            self.complete = True

    def _read_fields(
        self, head: ResponseHead, lines: list[bytes], size: int, *, http10: bool
    ) -> bool:
        """Read the fields; False: they contradict HTTP/1.1, and the answer has failed.

        Args:
            head: is given the fields.
            lines: the status line and theirs, as any of CR, LF and CRLF separates them.
            size: of all of them, as they came.
            http10: there are no codings.
        """
        read = len(lines[0])
        for index in range(1, len(lines)):
            line = lines[index]
            read += _BREAK_SIZE + len(line)
            field = KNOWN.get(line)
            if field is None:
                field = self._read_field(head, line, http10=http10)
            if field is None:
                return False
            head.fields.append(field)
        # Any other size: a CR or LF stood alone, and others would read other lines.
        if read != size:
            self._violation("a head that is not HTTP/1.1")
            return False
        if head.status == _SWITCHING_PROTOCOLS:
            self.switched = not http10 and self._was_asked_for(head)
            if not self.switched:
                self._violation("101 Switching Protocols, which was not asked for")
                return False
            self._flow.pause_reading()  # until somebody is there who knows what it is
        return True

    def _read_field(
        self, head: ResponseHead, line: bytes, *, http10: bool
    ) -> tuple[bytes, bytes] | None:
        """Return the name and the line; None: see `_read_fields`."""
        name, colon, value = line.partition(b":")
        kind = KINDS[name]
        if kind > SAME and not self._read_framing(head, kind, value, http10=http10):
            return None
        if not colon:
            self._violation("a head that is not HTTP/1.1")
            return None
        if kind == SAME and len(line) <= LONGEST_KNOWN and len(KNOWN) < MOST_KNOWN:
            KNOWN[line] = (name, line)
        return name, line

    def _read_framing(self, head: ResponseHead, kind: int, value: bytes, *, http10: bool) -> bool:
        """Read length or coding; False: see `_read_fields`."""
        if kind == LENGTH:
            head.length = int(value)  # llhttp has refused a second one, and all but digits
        elif kind == KEEP_ALIVE:
            self.keep_alive_s = keep_alive_timeout(value)
        elif kind == NO_FIELD:
            self._violation("a head that is not HTTP/1.1")
            return False
        elif head.chunked or value.strip(b" \t").lower() != b"chunked" or http10:
            # Any other coding would reach the client without the field that names it.
            self._violation("a Transfer-Encoding other than one chunked in HTTP/1.1")
            return False
        else:
            head.chunked = True
        return True

    def _was_asked_for(self, head: ResponseHead) -> bool:
        """Whether a 101 names the protocol that the request named, as RFC 9110 7.8 wants it."""
        if head.chunked or head.length:
            return False  # the body would be read as the other protocol, or the other way round
        named: dict[bytes, list[bytes]] = {b"connection": [], b"upgrade": []}
        for name, value in _SWITCHING.findall(head.block):
            named[name.lower()] += [token.strip(b" \t").lower() for token in value.split(b",")]
        asked = self.asked is not None and named[b"upgrade"] == [self.asked.encode("ascii")]
        return asked and b"upgrade" in named[b"connection"]
