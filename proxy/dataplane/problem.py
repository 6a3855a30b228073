"""Our own answers: problem documents (RFC 9457) or pages, with Proxy-Status (RFC 9209)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from proxy.dataplane.interstitial import FIELDS


if TYPE_CHECKING:
    from proxy.dataplane.errors import Refusal


def problem(
    refusal: Refusal, request_id: str, *, to_head: bool, close: bool, extra: bytes = b""
) -> bytes:
    """Return the whole answer to a refused request.

    Args:
        refusal: what to say.
        request_id: the one in the log.
        to_head: the request was a HEAD: the document's length, but not the document.
        close: the connection ends behind it.
        extra: further field lines, each behind a CRLF.
    """
    told = (b"Proxy-Status", b"keybearer; error=" + refusal.error.encode("ascii"))
    fields = (told, *refusal.fields)
    if refusal.page:
        return own_answer(
            refusal.status,
            b"text/html; charset=utf-8",
            refusal.page,
            extra=_lines((*fields, *FIELDS)) + extra,
            to_head=to_head,
            close=close,
        )
    document = orjson.dumps(
        {
            "type": f"urn:keybearer:error:{refusal.code}",
            "code": refusal.code,
            "title": refusal.title,
            "status": refusal.status,
            "detail": refusal.detail,
            "request_id": request_id,
        }
    )
    return own_answer(
        refusal.status,
        b"application/problem+json",
        document,
        extra=_lines(fields) + extra,
        to_head=to_head,
        close=close,
    )


def _lines(fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join([b"\r\n%b: %b" % field for field in fields])


def own_answer(
    status: int,
    content_type: bytes,
    body: bytes,
    *,
    extra: bytes = b"",
    to_head: bool = False,
    close: bool = False,
) -> bytes:
    """Return an answer that the proxy itself gives."""
    lines = [
        b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode("ascii")),
        b"Content-Type: " + content_type,
        b"Content-Length: %d" % len(body),
        # A browser must neither guess another type nor keep a refusal.
        b"X-Content-Type-Options: nosniff",
        b"Cache-Control: no-store",
    ]
    last = b"\r\nConnection: close\r\n\r\n" if close else b"\r\n\r\n"
    return b"".join((b"\r\n".join(lines), extra, last, b"" if to_head else body))
