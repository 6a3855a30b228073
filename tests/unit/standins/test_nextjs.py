"""Next.js's redirects, body parsing and JSON."""

from __future__ import annotations

import gzip

import orjson
import pytest

from proxy.standins import nextjs
from proxy.standins.message import Head, Request


def head(*headers):
    return Head("POST", "/", "1.1", tuple(headers), keep_alive=True)


def parsed(content_type, body):
    asked = head(("Content-Type", content_type)) if content_type else head()
    return nextjs.parse_body(Request(asked, body, len(body)))


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/api/x", None),
        ("/", None),
        ("/api/x?to=//y/", None),
        ("/api/x/", "/api/x"),
        ("/api/x/?a=b", "/api/x?a=b"),
        ("//api/x/?a=//b", "/api/x/?a=//b"),
        ("//", "/"),
        ("/api\\x", "/api/x"),
        ("http://elsewhere.example//x", None),
    ],
)
def test_unclean_targets_are_redirected_one_hop_at_a_time(target, location):
    """Slash runs first, the trailing slash next; the query is kept as it is."""
    assert location == nextjs.cleaned(target)


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json; charset=utf-8", b'{"a":1}', {"a": 1}),
        ("application/json", b"", {}),
        ("application/x-www-form-urlencoded", b'{"a":1}', {}),
        ("application/x-www-form-urlencoded", b"a=1", {"a": "1"}),
        ("text/plain", b'{"a":1}', '{"a":1}'),
        ("", b"x", "x"),
        ("application/octet-stream", b"\xff", b"\xff"),
    ],
)
def test_a_body_is_parsed_by_its_content_type_only(content_type, body, expected):
    """JSON that is not called JSON stays what it is called."""
    assert expected == parsed(content_type, body)


def test_compressed_json_is_not_inflated():
    """A gzip body is no JSON to Next.js."""
    with pytest.raises(nextjs.InvalidJsonError):
        parsed("application/json", gzip.compress(b"{}"))


def test_long_json_is_compressed_for_a_client_that_wants_it():
    """Short answers and clients without gzip get the plain bytes."""
    value = {"a": "x" * 2000}

    packed = nextjs.json(head(("Accept-Encoding", "gzip, deflate")), value)
    plain = nextjs.json(head(), value)

    assert orjson.dumps(value) == plain.body == gzip.decompress(packed.body)
    assert ("Content-Encoding", "gzip") in packed.headers
    assert ("Vary", "Accept-Encoding") in plain.headers


def test_a_known_etag_is_answered_with_304():
    """A client that has the answer gets none."""
    etag = dict(nextjs.json(head(), [1]).headers)["ETag"]

    again = nextjs.json(head(("If-None-Match", etag)), [1])

    assert (again.status, again.body) == (304, b"")
