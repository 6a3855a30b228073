"""Our own answers as bytes: problem documents (RFC 9457) with Proxy-Status (RFC 9209)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson


if TYPE_CHECKING:
    from proxy.dataplane.errors import Refusal


def problem(refusal: Refusal, request_id: str, *, to_head: bool, close: bool) -> bytes:
    """Return the whole answer to a refused request.

    Args:
        refusal: what to say.
        request_id: the one in the log.
        to_head: the request was a HEAD: the document's length, but not the document.
        close: the connection ends behind it.
    """
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
        fields=(
            (b"Proxy-Status", b"keybearer; error=" + refusal.error.encode("ascii")),
            *refusal.fields,
        ),
        to_head=to_head,
        close=close,
    )


def own_answer(
    status: int,
    content_type: bytes,
    body: bytes,
    *,
    fields: tuple[tuple[bytes, bytes], ...] = (),
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
        *(name + b": " + value for name, value in fields),
    ]
    if close:
        lines.append(b"Connection: close")
    return b"\r\n".join([*lines, b"", b"" if to_head else body])
