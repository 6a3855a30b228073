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


def odd_field(raw: bytes) -> str:
    """Return where a head is odd, for the log; empty: nowhere that a field tells."""
    head = raw.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if KINDS[name] == NO_FIELD or len(name) > LONGEST_KNOWN:
            return ", in the name of a field"
        if _CONTROL.search(value) is not None:
            return f", in the value of {name.decode('ascii')}"
    return ""
