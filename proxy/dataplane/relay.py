"""Relay: the upstream's answer to the client, in the pieces it comes in."""

from __future__ import annotations

import re
from time import perf_counter
from typing import TYPE_CHECKING, Final

from proxy.upstream.errors import ProtocolViolation


if TYPE_CHECKING:
    from proxy.dataplane.model import Client, Head, Mount
    from proxy.dataplane.record import Record
    from proxy.dataplane.send import Exchange
    from proxy.upstream.response import Response, ResponseHead


_CONTINUE: Final = 100
_FIRST_FINAL: Final = 200
_NO_CONTENT: Final = 204
_PROXY_AUTHENTICATION_REQUIRED: Final = 407
_VERSION: Final = b"HTTP/1.1 "
_SANDBOX: Final = b"\r\nContent-Security-Policy: sandbox allow-scripts allow-forms"
# RFC 9110 8.6 forbids one in 1xx and 204, and a client that believed it would wait.
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[^\r]*", re.IGNORECASE)
_LAST_CHUNK: Final = b"0\r\n\r\n"


async def relay(
    exchange: Exchange, client: Client, head: Head, mount: Mount, record: Record, *, sandbox: bool
) -> None:
    """Write the answer to the client as it comes; nothing is held back, nothing is changed.

    Args:
        exchange: whose answer has begun.
        client: to write to.
        head: the client's.
        mount: the route and where references lead.
        record: is told the status and the sizes; its `close` ends the connection behind the answer.
        sandbox: a browser will show it as a page of an origin that other routes share.

    Raises:
        UpstreamError: there is no final head (nothing has been written then), or the body broke
            off (the client's connection has been aborted then).
    """
    answer = exchange.head
    if answer.status < _FIRST_FINAL or answer.status == _PROXY_AUTHENTICATION_REQUIRED:
        answer = await _final_head(exchange, client, head, mount)
    record.answered_at = perf_counter()
    unmeasured = not answer.bodiless and answer.length is None
    chunked = unmeasured and not head.http10
    # Where the request is still coming in, what is left of it stands before the next one.
    record.close |= (unmeasured and not chunked) or not exchange.sent
    start = _head_bytes(answer, mount, chunked=chunked, close=record.close, sandbox=sandbox)
    record.status = answer.status
    try:
        await _pass_on(exchange.response, client, start, record, chunked=chunked)
    except Exception:
        # Only a reset tells an HTTP/1.0 client that the end is not the end.
        client.abort(reset=unmeasured and not chunked)
        raise


async def _pass_on(
    response: Response, client: Client, start: bytes, record: Record, *, chunked: bool
) -> None:
    """Write the head and the body's pieces, the first of them with the head."""
    piece = response.take()
    while True:
        ended = response.complete
        record.bytes_out += len(piece)
        client.write(start + _framed(piece, chunked=chunked, ended=ended))
        if ended:
            return
        await client.drain()
        piece, start = await response.read(), b""


async def _final_head(exchange: Exchange, client: Client, head: Head, mount: Mount) -> ResponseHead:
    answer = exchange.head
    while answer.status < _FIRST_FINAL:
        # An HTTP/1.0 client takes none, and a 100 that nobody asked for confuses some.
        asked = answer.status != _CONTINUE or "Expect" in head.named
        if asked and not head.http10:
            client.write(_interim_bytes(answer, mount))
        answer = await exchange.response.head()
    if answer.status == _PROXY_AUTHENTICATION_REQUIRED:
        raise ProtocolViolation("407: the upstream takes itself for a proxy")
    return answer


def _interim_bytes(answer: ResponseHead, mount: Mount) -> bytes:
    block = _LENGTH.sub(b"", mount.route.response.relayed(answer, mount.base))
    return b"".join((_VERSION, answer.status_text, block, b"\r\n\r\n"))


def _head_bytes(
    answer: ResponseHead, mount: Mount, *, chunked: bool, close: bool, sandbox: bool
) -> bytes:
    block = mount.route.response.relayed(answer, mount.base)
    if answer.status == _NO_CONTENT:
        block = _LENGTH.sub(b"", block)
    parts = [_VERSION, answer.status_text, block]
    if chunked:
        parts.append(b"\r\nTransfer-Encoding: chunked")
    if sandbox:
        parts.append(_SANDBOX)
    if close:
        parts.append(b"\r\nConnection: close")
    parts.append(b"\r\n\r\n")
    return b"".join(parts)


def _framed(piece: bytes, *, chunked: bool, ended: bool) -> bytes:
    if not chunked:
        return piece
    data = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
    return data + _LAST_CHUNK if ended else data
