"""The head of an answer: its status line and its fields, strictly read (RFC 9112 4 and 5)."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from proxy.judged import Judged


_NO_REASON: Final = len("200")

# RFC 9112 4 and 5, and nothing more lenient: version, status and reason; names of fields.
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2}(?: [^\0\r\n]*)?)")
_CONTROL: Final = re.compile(rb"[\0-\x08\n-\x1f\x7f]")
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NO_NAME: Final = re.compile(rb"[\0- \x7f]")
_NO_LETTER: Final = re.compile(rb"[^A-Za-z]")
_UNREADABLE: Final = re.compile(rb"[\0\r]")
_EMPTY_LINE: Final = re.compile(rb"\n\r?\n")
_BLANKS: Final = b" \t"
_NEVER_MENDED: Final = frozenset(
    {b"contentlength", b"transferencoding", b"connection", b"keepalive", b"upgrade"}
)
"""What tells the framing, by the letters of the name."""

# What a field says of the message's framing. Plain numbers, for they are compared for each field.
NOTHING: Final = 0
SAME: Final = 1  # nothing, and mostly it has the value that it had before
LENGTH: Final = 2
CODING: Final = 3
KEEP_ALIVE: Final = 4
NO_FIELD: Final = 5


class ResponseHead:
    """Status line and fields of one answer, final or informational (1xx).

    Attributes:
        status: the code.
        status_text: what stands behind the version: the code, a space and the reason phrase.
        fields: the name of each field, and the whole line as it came.
        length: the value of Content-Length, or None.
        chunked: the body is in chunks.
        bodiless: an answer to HEAD, a 1xx, 204 or 304: nothing follows the head.
    """

    __slots__ = ("bodiless", "chunked", "fields", "length", "status", "status_text")

    def __init__(self, status: int, status_text: bytes, fields: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.status_text = status_text
        self.fields = fields
        self.length: int | None = None
        self.chunked = False
        self.bodiless = False

    @property
    def block(self) -> bytes:
        """The field lines as they came, each behind a CRLF."""
        return b"".join([b"\r\n" + line for _, line in self.fields])

    @property
    def close_delimited(self) -> bool:
        """Whether only the end of the connection tells the end of the body (RFC 9112 6.3)."""
        return not (self.bodiless or self.chunked or self.length is not None)


def read_status_line(line: bytes) -> tuple[bool, bytes] | None:
    """Return whether it says HTTP/1.0, and what stands behind the version; None: it is none."""
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        return None
    minor, text = found.groups()
    text = _CONTROL.sub(b" ", text)
    # RFC 9112 4: the space stays where there is no reason phrase.
    return minor == b"0", text if len(text) > _NO_REASON else text + b" "


def _kind(name: bytes) -> int:
    if _NAME.fullmatch(name) is None:
        return NO_FIELD
    return _FRAMING.get(name.lower(), NOTHING)


_FRAMING: Final = {
    b"content-length": LENGTH,
    b"transfer-encoding": CODING,
    b"keep-alive": KEEP_ALIVE,
    b"cache-control": SAME,
    b"connection": SAME,
    b"content-encoding": SAME,
    b"content-type": SAME,
    b"server": SAME,
    b"vary": SAME,
    b"x-powered-by": SAME,
}
LONGEST_KNOWN: Final = 64
MOST_KNOWN: Final = 1024
KNOWN: Final[dict[bytes, tuple[bytes, bytes]]] = {}
"""Lines that need not be cut again, with their names: none that may hold what is secret."""
KINDS: Final[Judged[bytes, int]] = Judged(_kind)
STATUS_LINES: Final = {
    b"HTTP/1.%d %d %b" % (minor, each, each.phrase.encode()): (
        minor == 0,
        b"%d %b" % (each, each.phrase.encode()),
    )
    for minor in (0, 1)
    for each in HTTPStatus
}
"""What most answers begin with. No other lines are kept: a reason phrase may quote a secret."""


def keep_alive_timeout(value: bytes) -> float | None:
    """Return the seconds of `timeout=5, max=100`, or None."""
    for parameter in value.lower().split(b","):
        name, _, seconds = parameter.strip().partition(b"=")
        if name == b"timeout" and seconds.isdigit():
            return float(seconds[:6])
    return None


def head_end(raw: bytes | bytearray, start: int) -> int:
    """Return the place after the empty line that ends a head, however its lines end; or 0."""
    found = _EMPTY_LINE.search(raw, start)
    return 0 if found is None else found.end()


def mend_head(raw: bytes) -> bytes:
    """Return a head that is odd but harmless as RFC 9112 wants it written.

    Lines end with CRLF, folds and control characters become spaces, blanks before a colon and
    fields whose names nobody may send go. What could change the framing is never mended.

    Raises:
        ValueError: the head must be refused; the message is the place, for the log.
    """
    lines = [line.removesuffix(b"\r") for line in raw.split(b"\n")]
    fields: list[list[bytes]] = []
    for line in lines[1:-2]:
        if not line.startswith((b" ", b"\t")):
            fields.append([line])
        elif fields and line.strip(_BLANKS):
            fields[-1].append(line.strip(_BLANKS))
        else:
            raise ValueError(", in a line without a field")
    mended = [_mend_field(parts) for parts in fields]
    return b"\r\n".join([lines[0], *filter(None, mended), b"", b""])


def _mend_field(parts: list[bytes]) -> bytes:
    """Return the line of a field; empty: it goes."""
    line = b" ".join(parts)
    written, _, value = line.partition(b":")
    name = written.rstrip(_BLANKS)
    known = _NAME.fullmatch(name) is not None
    place = ", in the name of a field"
    if known and len(name) <= LONGEST_KNOWN:
        place = f", in the field {name.decode('ascii')}"
    if b":" not in parts[0] or not name or _UNREADABLE.search(line) or _NO_NAME.search(name):
        raise ValueError(place)
    sane = _CONTROL.sub(b" ", value)
    if known and [name + b":" + sane] == parts:
        return parts[0]
    letters = _NO_LETTER.sub(b"", name).lower()
    if letters in _NEVER_MENDED:
        raise ValueError(place)
    return name + b":" + sane if known else b""
