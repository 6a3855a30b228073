"""A second reading of HTTP/1.1, small and strict, to hold the proxy's against (RFC 9112)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# Several spaces in the request line are one to llhttp, as to nginx.
_REQUEST: Final = re.compile(rb"(%b) +([^\x00-\x20\x7f]+) +HTTP/1\.([01])" % _TOKEN)
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\x00\r\n]*)?")
_FIELD: Final = re.compile(rb"(%b):[ \t]*([^\x00\r\n]*?)[ \t]*" % _TOKEN)
# Whatever an extension or a trailer holds, it is dropped.
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\x00\r\n]*)?\r\n")
_BODILESS: Final = frozenset({204, 304})
_FIRST_FINAL: Final = 200


class Request(NamedTuple):
    """A complete request."""

    method: bytes
    target: bytes
    body: bytes
    fields: list[tuple[bytes, bytes]]


class Answer(NamedTuple):
    """A complete final answer."""

    status: int
    body: bytes


class _Head(NamedTuple):
    line: bytes
    fields: list[tuple[bytes, bytes]]
    end: int

    def all(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.fields if each == name]


class NotHttp(Exception):
    """The bytes are no message, or not yet a whole one."""


def _head(data: bytes, at: int) -> _Head:
    end = data.find(b"\r\n\r\n", at)
    if end < 0:
        raise NotHttp
    line, *lines = data[at:end].split(b"\r\n")
    fields = []
    for each in lines:
        found = _FIELD.fullmatch(each)
        if found is None:
            raise NotHttp
        fields.append((found[1].lower(), found[2]))
    return _Head(line, fields, end + 4)


def _chunks(data: bytes, at: int) -> tuple[bytes, int]:
    body = b""
    while True:
        found = _SIZE.match(data, at)
        if found is None:
            raise NotHttp
        size = int(found[1], 16)
        at = found.end()
        if size == 0:
            break
        if data[at + size : at + size + 2] != b"\r\n":
            raise NotHttp
        body += data[at : at + size]
        at += size + 2
    while not data.startswith(b"\r\n", at):
        end = data.find(b"\r\n", at)
        if end < 0 or _FIELD.fullmatch(data[at:end]) is None:
            raise NotHttp
        at = end + 2
    return body, at + 2


def _body(data: bytes, head: _Head, *, http10: bool) -> tuple[bytes, int] | None:
    """Return the body and where it ends; None where nothing tells its length."""
    codings, lengths = head.all(b"transfer-encoding"), head.all(b"content-length")
    if codings:
        if lengths or http10 or [each.lower() for each in codings] != [b"chunked"]:
            raise NotHttp
        return _chunks(data, head.end)
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit():
        raise NotHttp
    end = head.end + int(lengths[0])
    if end > len(data):
        raise NotHttp
    return data[head.end : end], end


def _skip_empty_lines(data: bytes, at: int) -> int:
    # Single CR and LF too, as in llhttp and nginx: nothing can be hidden in them.
    return len(data) - len(data[at:].lstrip(b"\r\n"))


def requests(data: bytes) -> list[Request]:
    """Return the complete requests at the beginning of `data`, up to the first that is none."""
    found: list[Request] = []
    at = 0
    try:
        while True:
            head = _head(data, _skip_empty_lines(data, at))
            line = _REQUEST.fullmatch(head.line)
            if line is None:
                return found
            http10 = line[3] == b"0"
            body, at = _body(data, head, http10=http10) or (b"", head.end)
            found.append(Request(line[1], line[2], body, head.fields))
    except NotHttp:
        return found


def answer(data: bytes, *, finished: bool) -> Answer | None:
    """Return the final answer that `data` holds whole, or None.

    Args:
        data: what an upstream sent.
        finished: it ended with FIN, which ends what tells no length.
    """
    at = 0
    try:
        while True:
            head = _head(data, _skip_empty_lines(data, at))
            line = _STATUS.fullmatch(head.line)
            if line is None:
                return None
            status = int(line[2])
            if status >= _FIRST_FINAL:
                return _final(data, head, status, http10=line[1] == b"0", finished=finished)
            at = head.end
    except NotHttp:
        return None


def _final(data: bytes, head: _Head, status: int, *, http10: bool, finished: bool) -> Answer | None:
    if status in _BODILESS:
        return Answer(status, b"")
    framed = _body(data, head, http10=http10)
    if framed is not None:
        return Answer(status, framed[0])
    return Answer(status, data[head.end :]) if finished else None
