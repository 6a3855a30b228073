"""The requests a stand-in reads and the answers it gives, without any I/O."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs


Headers = tuple[tuple[str, str], ...]

RECORDED_BODY_BYTES: Final = 64 * 1024

# Node joins most repeated fields with ", "; of these it keeps the first and drops the rest
# (https://nodejs.org/api/http.html#messageheaders).
_FIRST_ONLY: Final = frozenset(
    {"authorization", "content-length", "content-type", "host", "referer", "user-agent"}
)


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came over the wire.

    `headers` keep order, case and duplicates; `body` is its first 64 KiB, `body_bytes` its length.
    """

    method: str
    target: str
    headers: Headers
    body: bytes
    body_bytes: int

    def values(self, name: str) -> list[str]:
        """Return every value of the header `name`, in any spelling of its case."""
        return [value for field, value in self.headers if field.lower() == name.lower()]


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request: what can be judged before the body is here."""

    method: str
    target: str
    version: str
    headers: Headers
    keep_alive: bool

    @property
    def path(self) -> str:
        """Return the target without its query, as it was sent."""
        return self.target.partition("?")[0]

    @property
    def raw_query(self) -> str:
        """Return what follows the first `?`, as it was sent."""
        return self.target.partition("?")[2]

    def query(self, name: str) -> str:
        """Return the first decoded value of the query parameter `name`, or an empty text."""
        return parse_qs(self.raw_query, keep_blank_values=True).get(name, [""])[0]

    def header(self, name: str) -> str:
        """Return the value that a Node application sees for the lower-case `name`, or ''."""
        values = [value for field, value in self.headers if field.lower() == name]
        if name in _FIRST_ONLY:
            return values[0] if values else ""
        return ("; " if name == "cookie" else ", ").join(values)

    @property
    def announced_bytes(self) -> int:
        """Return the length that `Content-Length` announces; 0 without one."""
        return int(self.header("content-length") or 0)


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. `body` is cut at the stand-in's limit, `body_bytes` is its true length."""

    head: Head
    body: bytes
    body_bytes: int

    def record(self) -> Received:
        """Return what the stand-in remembers of this request."""
        head, start = self.head, self.body[:RECORDED_BODY_BYTES]
        return Received(head.method, head.target, head.headers, start, self.body_bytes)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; an empty `reason` is the status's own phrase.

    `chunked` answers carry no `Content-Length`, the others always do.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    reason: str = ""
    chunked: bool = False


def encode(answer: Answer, head: Head, keep_alive_s: float) -> bytes:
    """Return the bytes that Node sends for `answer` to the request `head`.

    Nothing is invented beyond what Node adds by itself: `Date`, `Connection`, `Keep-Alive` and
    the framing.
    """
    reason = answer.reason or HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    bodiless = head.method == "HEAD" or answer.status == HTTPStatus.NOT_MODIFIED
    chunked = answer.chunked and not bodiless and head.version != "1.0"
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    elif not answer.chunked and answer.status != HTTPStatus.NOT_MODIFIED:
        lines.append(f"Content-Length: {len(answer.body)}")
    lines.append(f"Date: {formatdate(usegmt=True)}")
    if closes(answer, head):
        lines.append("Connection: close")
    else:
        lines += ["Connection: keep-alive", f"Keep-Alive: timeout={keep_alive_s:.0f}"]
    top = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return top if bodiless else top + (_chunks(answer.body) if chunked else answer.body)


def closes(answer: Answer, head: Head) -> bool:
    """Tell whether the connection ends behind `answer`: asked for, or the only framing left."""
    return not head.keep_alive or (answer.chunked and head.version == "1.0")


def _chunks(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
