"""The upstream's answer as bytes for the client."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from proxy.dataplane.outbound import switching


if TYPE_CHECKING:
    from proxy.dataplane.router import Mount
    from proxy.upstream.head import ResponseHead


_FIRST_FINAL: Final = 200
_NO_CONTENT: Final = 204
_VERSION: Final = b"HTTP/1.1 "
# RFC 9110 8.6 forbids one in 1xx and 204, and a client that believed it would wait.
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[^\r]*", re.IGNORECASE)
_COOKIES: Final = re.compile(rb"\r\nset-cookie:[^\r]*", re.IGNORECASE)
_LAST_CHUNK: Final = b"0\r\n\r\n"


def interim_bytes(answer: ResponseHead, mount: Mount, *, foreign: bool = False) -> bytes:
    """Return an informational head (1xx) for the client."""
    block = _fields(answer, mount, foreign=foreign)
    return b"".join((_VERSION, answer.status_text, block, b"\r\n\r\n"))


def switch_bytes(
    answer: ResponseHead, mount: Mount, protocol: str, extra: bytes = b"", *, foreign: bool = False
) -> bytes:
    """Return a 101 for the client, with `extra`: behind it comes another protocol."""
    block = _fields(answer, mount, foreign=foreign) + extra
    return b"".join((_VERSION, answer.status_text, block, b"\r\n", switching(protocol), b"\r\n"))


def head_bytes(
    answer: ResponseHead,
    mount: Mount,
    *,
    chunked: bool,
    close: bool,
    extra: bytes = b"",
    foreign: bool = False,
) -> bytes:
    """Return a final head for the client.

    Args:
        answer: the upstream's.
        mount: the route and where references lead.
        chunked: the body will be `framed` in chunks.
        close: the connection ends behind the answer.
        extra: our own field lines, each behind a CRLF.
        foreign: it goes to a page of another origin, which sets no cookies for our host.
    """
    parts = [_VERSION, answer.status_text, _fields(answer, mount, foreign=foreign), extra]
    if chunked:
        parts.append(b"\r\nTransfer-Encoding: chunked")
    if close:
        parts.append(b"\r\nConnection: close")
    parts.append(b"\r\n\r\n")
    return b"".join(parts)


def _fields(answer: ResponseHead, mount: Mount, *, foreign: bool) -> bytes:
    """Return the field lines of any answer that pass, each behind a CRLF."""
    block = mount.route.response.relayed(answer, mount.base)
    if answer.status < _FIRST_FINAL or answer.status == _NO_CONTENT:
        block = _LENGTH.sub(b"", block)
    return _COOKIES.sub(b"", block) if foreign else block


def framed(piece: bytes, *, chunked: bool, ended: bool) -> bytes:
    """Return a piece of body as it is written, in a chunk or as it is (RFC 9112 7.1)."""
    if not chunked:
        return piece
    data = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
    return data + _LAST_CHUNK if ended else data
