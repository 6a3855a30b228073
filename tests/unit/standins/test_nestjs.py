"""NestJS's errors and Express's JSON."""

from __future__ import annotations

import pytest

from proxy.standins import nestjs
from proxy.standins.message import Head, Request


def head(*headers, method="GET"):
    return Head(method, "/", "1.1", tuple(headers), keep_alive=True)


def test_an_etag_is_the_one_that_express_makes():
    """The weak tag of an empty list is known from Express itself."""
    answer = nestjs.json(head(), [])

    assert (
        dict(answer.headers)["ETag"],
        dict(answer.headers)["X-Powered-By"],
    ) == ('W/"2-l9Fw4VUO7kr8CvBlt4zaMCqXZ0w"', "Express")


def test_only_a_read_is_answered_with_304():
    """A POST with the same tag gets its answer."""
    same = ("If-None-Match", dict(nestjs.json(head(), []).headers)["ETag"])

    statuses = [nestjs.json(head(same, method=method), []).status for method in ("GET", "POST")]

    assert statuses == [304, 200]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (nestjs.HttpError(401), {"statusCode": 401, "message": "Unauthorized"}),
        (
            nestjs.HttpError(403, "Forbidden resource"),
            {"statusCode": 403, "message": "Forbidden resource", "error": "Forbidden"},
        ),
    ],
)
def test_errors_have_the_shape_that_the_sample_client_reads(error, expected):
    """`statusCode`, `message` and, with a message of its own, `error`."""
    assert expected == error.body


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b'{"a":1}', {"a": 1}),
        ("application/json", b"[1]", {}),
        ("application/json", b"", {}),
        ("text/plain", b'{"a":1}', {}),
    ],
)
def test_only_a_json_object_is_a_body(content_type, body, expected):
    """Everything else is no body to the handlers."""
    asked = head(("Content-Type", content_type), method="POST")

    assert expected == nestjs.parse_body(Request(asked, body, len(body)))
