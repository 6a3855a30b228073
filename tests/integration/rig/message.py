"""Take HTTP/1.1 messages apart without judging them: a test wants to see every byte."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final


Fields = list[tuple[bytes, bytes]]

_FIRST_FINAL: Final = 200
_BODILESS: Final = frozenset({204, 304})


class _Fielded:
    fields: Fields

    def all(self, name: bytes) -> list[bytes]:
        """Return every value of a field, in any case."""
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def one(self, name: bytes) -> bytes | None:
        """Return the only value of a field, None if it is not there."""
        values = self.all(name)
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    @property
    def names(self) -> list[bytes]:
        """The fields' names, in lower case."""
        return [name.lower() for name, _ in self.fields]


@dataclass(slots=True)
class Request(_Fielded):
    """A request as it came."""

    line: bytes
    fields: Fields
    body: bytes
    raw: bytes

    @property
    def method(self) -> bytes:
        """The first word."""
        return self.line.split(b" ")[0]

    @property
    def target(self) -> bytes:
        """The second word."""
        return self.line.split(b" ")[1]


@dataclass(slots=True)
class Answer(_Fielded):
    """An answer as it came, with the informational ones before it."""

    line: bytes
    fields: Fields
    body: bytes
    raw: bytes
    interim: list[bytes]

    @property
    def status(self) -> int:
        """The code."""
        return int(self.line.split(b" ")[1])

    @property
    def reason(self) -> bytes:
        """What stands behind it."""
        return self.line.split(b" ", 2)[2]

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document."""
        assert self.one(b"Content-Type") == b"application/problem+json", self.raw
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def code(self) -> str:
        """The problem's code."""
        return str(self.problem["code"])


def split_head(data: bytes) -> tuple[bytes, Fields, int] | None:
    """Return first line, fields and where the body begins; None while the head is not complete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    line, *rest = data[:end].split(b"\r\n")
    fields = []
    for field in rest:
        name, _, value = field.partition(b":")
        fields.append((name, value.strip(b" \t")))
    return line, fields, end + 4


def _value(fields: Fields, wanted: bytes) -> bytes | None:
    return next((value for name, value in fields if name.lower() == wanted), None)


def chunks(data: bytes, at: int) -> tuple[bytes, int] | None:
    """Return a chunked body and where it ends, None while it has not ended."""
    body = b""
    while True:
        eol = data.find(b"\r\n", at)
        if eol < 0:
            return None
        size = int(data[at:eol].split(b";")[0], 16)
        if size == 0:
            end = data.find(b"\r\n\r\n", eol)
            return None if end < 0 else (body, end + 4)
        if len(data) < eol + 2 + size + 2:
            return None
        body += data[eol + 2 : eol + 2 + size]
        at = eol + 2 + size + 2


def take_request(data: bytes) -> Request | None:
    """Return the first request in `data`, None while it is not complete."""
    head = split_head(data)
    if head is None:
        return None
    line, fields, at = head
    framed = _framed(data, fields, at)
    if framed is None:
        return None
    body, end = framed
    return Request(line, fields, body, data[:end])


def _framed(data: bytes, fields: Fields, at: int) -> tuple[bytes, int] | None:
    if _value(fields, b"transfer-encoding") is not None:
        return chunks(data, at)
    length = int(_value(fields, b"content-length") or b"0")
    return (data[at : at + length], at + length) if len(data) >= at + length else None


def take_answer(data: bytes, *, to_head: bool = False, ended: bool = False) -> Answer | None:
    """Return the first final answer in `data`, None while it is not complete.

    Args:
        data: what has come.
        to_head: the request was a HEAD.
        ended: nothing more will come: that is the end of a body without length.
    """
    interim = []
    start = 0
    # An upstream may send thousands of these before the final head, if there is one.
    while (end := data.find(b"\r\n\r\n", start)) >= 0:
        if int(data[start : start + 16].split(b" ")[1]) >= _FIRST_FINAL:
            break
        interim.append(data[start : end + 4])
        start = end + 4
    rest = data[start:]
    head = split_head(rest)
    if head is None:
        return None
    line, fields, at = head
    framed = _answer_body(rest, line, fields, at, to_head=to_head, ended=ended)
    if framed is None:
        return None
    body, end = framed
    return Answer(line, fields, body, rest[:end], interim)


def _answer_body(
    data: bytes, line: bytes, fields: Fields, at: int, *, to_head: bool, ended: bool
) -> tuple[bytes, int] | None:
    if to_head or int(line.split(b" ")[1]) in _BODILESS:
        return b"", at
    told = (b"transfer-encoding", b"content-length")
    if any(_value(fields, name) is not None for name in told):
        return _framed(data, fields, at)
    return (data[at:], len(data)) if ended else None
