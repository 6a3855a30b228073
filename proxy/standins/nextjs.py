"""What Next.js does around Microreact's own code: redirects, body parsing, errors, JSON."""

from __future__ import annotations

import gzip
import hashlib
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import orjson

from proxy.standins.message import Answer


if TYPE_CHECKING:
    from proxy.standins.message import Head, Request

_SLASH_RUN: Final = re.compile(r"[/\\]{2,}|\\")
# The `compress` default of Next.js is the threshold of its compression package.
_COMPRESS_FROM_BYTES: Final = 1024
_PAGE: Final = (
    b"<!DOCTYPE html><html><head><title>404: This page could not be found</title></head>"
    b"<body><h1>404</h1><h2>This page could not be found.</h2></body></html>"
)


class InvalidJsonError(ValueError):
    """The body says that it is JSON, and is not."""


def text(status: int, body: str, *, reason: str = "") -> Answer:
    """Return a bare-text answer: chunked, without Content-Type, as measured."""
    return Answer(status, body=body.encode(), reason=reason, chunked=True)


def redirect(location: str, *, status: int = 308) -> Answer:
    """Return a redirect to `location`; 308 also carries `Refresh`, for browsers that know none."""
    refresh = (("Refresh", f"0;url={location}"),) if status == 308 else ()
    headers = (("Location", location), *refresh)
    return Answer(status, headers, location.encode(), chunked=True)


def cleaned(target: str) -> str | None:
    """Return where Next.js redirects `target`, root-relative with its query; None if it is clean.

    Runs of slashes go first and a trailing slash with the next request: two hops for both.
    """
    path, mark, query = target.partition("?")
    if path.startswith("/") and _SLASH_RUN.search(path):
        return _SLASH_RUN.sub("/", path) + mark + query
    if len(path) > 1 and path.endswith("/"):
        return path[:-1] + mark + query
    return None


def page_not_found() -> Answer:
    """Return the HTML page for a path that is no route."""
    headers = (
        ("X-Powered-By", "Next.js"),
        ("ETag", _etag(_PAGE)),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Vary", "Accept-Encoding"),
    )
    return Answer(404, headers, _PAGE)


def json(head: Head, value: Any, *, status: int = 200) -> Answer:
    """Return `value` as JSON; 304 if the client has it, gzip if it is long and wanted."""
    body = orjson.dumps(value)
    etag = ("ETag", _etag(body))
    vary = ("Vary", "Accept-Encoding")
    if head.header("if-none-match") == etag[1]:
        return Answer(304, (etag,))
    headers = (("Content-Type", "application/json; charset=utf-8"), etag, vary)
    if len(body) >= _COMPRESS_FROM_BYTES and "gzip" in head.header("accept-encoding"):
        packed = (*headers, ("Content-Encoding", "gzip"))
        return Answer(status, packed, gzip.compress(body, mtime=0), chunked=True)
    return Answer(status, headers, body)


def parse_body(request: Request) -> Any:
    """Return the body as an API route sees it: parsed JSON, a form's dict, text, else bytes.

    A missing content type is text; nothing is inflated. Raises InvalidJsonError.
    """
    kind = request.head.header("content-type").partition(";")[0].strip().lower() or "text/plain"
    if kind in {"application/json", "application/ld+json"}:
        return _parse_json(request.body)
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(request.body.decode("utf-8", "replace")))
    if kind == "text/plain":
        return request.body.decode("utf-8", "replace")
    return request.body


def _parse_json(body: bytes) -> Any:
    try:
        return orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        raise InvalidJsonError("Invalid JSON") from None


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha1(body, usedforsecurity=False).hexdigest()[:13]}"'
