"""What NestJS on Express does around Carbonregistry's own code: body parsing, errors, JSON.

The service documents no error. Their shape is the one its vendor's sample client reads, which is
NestJS's default; every status but 200 here is inferred from that.
"""

from __future__ import annotations

import base64
import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from proxy.standins.message import Answer


if TYPE_CHECKING:
    from proxy.standins.message import Head, Request


class HttpError(Exception):
    """NestJS's HttpException; `message` is a text, or a list from the validation pipe."""

    def __init__(self, status: int, message: str | list[str] | None = None) -> None:
        super().__init__(status)
        phrase = HTTPStatus(status).phrase
        self.status = status
        self.body: dict[str, Any] = {"statusCode": status, "message": message or phrase}
        if message:
            self.body = {"message": message, "error": phrase, "statusCode": status}


def json(head: Head, value: Any, *, status: int = 200) -> Answer:
    """Return `value` as Express sends it; 304 if a GET or HEAD already has it."""
    body = orjson.dumps(value)
    etag = _etag(body)
    fresh = head.method in {"GET", "HEAD"} and head.header("if-none-match") == etag
    if fresh and status == 200:
        return Answer(304, (("X-Powered-By", "Express"), ("ETag", etag)))
    headers = (
        ("X-Powered-By", "Express"),
        ("Content-Type", "application/json; charset=utf-8"),
        ("ETag", etag),
    )
    return Answer(status, headers, body)


def refusal(head: Head, error: HttpError) -> Answer:
    """Return the answer of NestJS's default exception filter."""
    return json(head, error.body, status=error.status)


def parse_body(request: Request) -> dict[str, Any]:
    """Return a JSON object; without a JSON body an empty one. Raises HttpError (400)."""
    kind = request.head.header("content-type").partition(";")[0].strip().lower()
    if kind != "application/json" or not request.body:
        return {}
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise HttpError(400, "Unexpected token in JSON") from None
    return body if isinstance(body, dict) else {}


def _etag(body: bytes) -> str:
    digest = base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest())
    return f'W/"{len(body):x}-{digest.decode()[:27]}"'
