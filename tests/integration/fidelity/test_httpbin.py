"""httpbin under gunicorn answers through the proxy as it answers without it."""

from __future__ import annotations

import json
import zlib
from typing import Final

import pytest
import uvloop

from tests.integration.fidelity.rig.compare import at_once, got, in_a_row, wanted
from tests.integration.fidelity.rig.contract import DUMMY, Paths
from tests.integration.fidelity.rig.servers import gunicorn, proxy_to
from tests.integration.fidelity.rig.shape import Shape, names


FORM: Final = "Content-Type: application/x-www-form-urlencoded"
JSON: Final = "Content-Type: application/json"
PARTS: Final = b"""\
--b0undary\r
Content-Disposition: form-data; name="text"\r
\r
caf\xc3\xa9 & more\r
--b0undary\r
Content-Disposition: form-data; name="file"; filename="a b.bin"\r
Content-Type: application/octet-stream\r
\r
\x00\x01\r\n\xff\r
--b0undary--\r
"""
MIB: Final = bytes(range(256)) * 4096

METHODS: Final = (
    Shape("GET /get", 200),
    Shape("HEAD /get", 200),
    Shape("POST /post", 200, body=b""),
    Shape("PUT /put", 200, body=b"put"),
    Shape("PATCH /patch", 200, body=b"patch"),
    Shape("DELETE /delete", 200),
    Shape("DELETE /delete", 200, body=b"a body", why="DELETE with a body"),
    Shape("GET /anything", 200, body=b"a body", why="GET with a body"),
    Shape("OPTIONS /get", 200),
    Shape("PUT /get", 405),
    Shape("PURGE /anything", 405),
    Shape("PROPFIND /anything", 405),
    Shape("MKCOL /anything", 405),
    Shape("LOCK /anything", 405),
    Shape("REPORT /anything", 405),
    Shape("QUERY /anything", 405, body=b"x"),
    Shape("POST /post", 200, why="POST without length"),
)
CODINGS: Final = (
    Shape("GET /gzip", 200, ("Accept-Encoding: gzip",)),
    Shape("HEAD /gzip", 200, ("Accept-Encoding: gzip",)),
    Shape("GET /deflate", 200, ("Accept-Encoding: deflate",)),
    Shape("GET /brotli", 200, ("Accept-Encoding: br",)),
    Shape("GET /gzip", 200, why="gzip for one who does not ask for it"),
    Shape("GET /encoding/utf8", 200),
    Shape("GET /deny", 200),
    Shape("GET /html", 200),
    Shape("GET /xml", 200),
    Shape("GET /json", 200),
    Shape("GET /image/png", 200),
    Shape("GET /image/webp", 200),
    Shape("GET /image", 200, ("Accept: image/svg+xml, */*;q=0.1",)),
    Shape("GET /robots.txt", 200),
)
RANGES: Final = (
    Shape("GET /range/1024", 200),
    Shape("GET /range/1024", 206, ("Range: bytes=100-199",)),
    Shape("GET /range/1024", 206, ("Range: bytes=-5",)),
    Shape("GET /range/1024", 206, ("Range: bytes=1000-",)),
    Shape("GET /range/1024", 416, ("Range: bytes=5000-6000",)),
    Shape("HEAD /range/1024", 206, ("Range: bytes=0-0",)),
    Shape("GET /range/1024?chunk_size=10&duration=0", 200),
)
CONDITIONS: Final = (
    Shape("GET /cache", 304, ("If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT",)),
    Shape("GET /cache", 304, ('If-None-Match: "x"',)),
    Shape("GET /cache/60", 200),
    Shape("GET /etag/abc", 200),
    Shape("GET /etag/abc", 304, ('If-None-Match: "abc"',)),
    Shape("HEAD /etag/abc", 304, ('If-None-Match: W/"abc", "d"',)),
    Shape("GET /etag/abc", 200, ('If-None-Match: "other"',)),
    Shape("GET /etag/abc", 412, ('If-Match: "other"',)),
    Shape("GET /etag/abc", 200, ("If-Match: *",)),
)
REDIRECTS: Final = (
    Shape("GET /redirect/2", 302, rewritten={"Location": "/up/relative-redirect/1"}),
    Shape("GET /relative-redirect/1", 302, rewritten={"Location": "/up/get"}),
    Shape("GET /absolute-redirect/1", 302, rewritten={"Location": "/up/get"}),
    Shape("GET /absolute-redirect/3", 302, rewritten={"Location": "/up/absolute-redirect/2"}),
    Shape("GET /redirect-to?url=https%3A%2F%2Fother.example%2Fx%3Fa%3D1", 302),
    Shape("GET /redirect-to?url=sibling%3Fa%3D%2Fb", 302),
    Shape(
        "GET /redirect-to?url=%2Fget%3Fa%3D%2F%2Fb", 302, rewritten={"Location": "/up/get?a=//b"}
    ),
    Shape("GET /redirect-to?url=%23part", 302),
    Shape("GET /redirect-to?url=%2Fget&status_code=307", 307, rewritten={"Location": "/up/get"}),
    Shape(
        "POST /redirect-to?url=%2Fpost&status_code=308",
        308,
        body=b"x",
        rewritten={"Location": "/up/post"},
    ),
    Shape("GET /status/301", 301, rewritten={"Location": "/up/redirect/1"}),
    Shape("GET /status/303", 303, rewritten={"Location": "/up/redirect/1"}),
    Shape("GET /status/305", 305, rewritten={"Location": "/up/redirect/1"}),
)
CODES: Final = (
    *(200, 201, 202, 203, 204, 205, 206, 226, 299, 300, 304, 400, 401, 402, 403, 404, 406, 408),
    *(409, 410, 418, 421, 422, 425, 429, 431, 451, 499, 500, 501, 502, 503, 504, 511, 599),
)
STATUSES: Final = (
    *(Shape(f"GET /status/{code}", code) for code in CODES),
    Shape("HEAD /status/204", 204),
    Shape("DELETE /status/204", 204),
    Shape("HEAD /status/500", 500),
    Shape("POST /status/404", 404, body=b"not read"),
    Shape("GET /nowhere", 404),
)
BODIES: Final = (
    Shape("POST /post", 200, (FORM,), b"a=1&b=caf%C3%A9&c=+&access_token=in-a-body"),
    Shape("POST /post", 200, (JSON,), json.dumps({"a": [1, 2.5, None, "é"]}).encode()),
    Shape("POST /post", 200, (JSON,), b"{not json", why="JSON that is none"),
    Shape("POST /post", 200, ("Content-Type: multipart/form-data; boundary=b0undary",), PARTS),
    Shape("POST /post", 200, body=bytes(range(256)), why="every byte"),
    Shape("POST /post", 200, ("Content-Encoding: gzip",), zlib.compress(b"zipped", wbits=31)),
    Shape("POST /post", 200, chunks=(b"a", b"bc", b"d" * 5000), why="a body in chunks"),
    Shape("PUT /put", 200, chunks=(), why="no body, in chunks"),
    Shape("POST /post", 200, (JSON,), chunks=(b'{"a":', b"1}"), why="JSON in chunks"),
    Shape("POST /post", 200, body=MIB, why="1 MiB up, and echoed"),
    Shape("POST /post", 200, chunks=(MIB[:300_000], MIB[300_000:]), why="1 MiB up in chunks"),
    Shape("POST /post", 200, ("Expect: 100-continue",), b"small"),
    Shape("POST /post", 200, ("Expect: 100-continue",), MIB, why="Expect, 1 MiB"),
    Shape("PUT /put", 200, ("Expect: 100-continue",), chunks=(b"ab", b"c"), why="Expect, chunks"),
)
STREAMS: Final = (
    Shape("GET /stream/20", 200),
    Shape("GET /stream-bytes/70000?seed=1&chunk_size=1000", 200),
    Shape("GET /stream-bytes/3?seed=1&chunk_size=1", 200),
    Shape("GET /bytes/1?seed=1", 200),
    Shape("GET /bytes/100000?seed=1", 200),
    Shape("GET /range/102400", 200),
    Shape("HEAD /bytes/100?seed=1", 200),
    Shape("GET /drip?numbytes=5&duration=0.1&delay=0", 200),
    Shape("GET /drip?numbytes=3&duration=0&delay=0.05&code=503", 503),
    Shape("GET /delay/0.1", 200),
    Shape("GET /links/3/1", 200),
)
PATHS: Final = (
    Shape("GET /anything/a%2Fb", 200),
    Shape("GET /anything/a%2fb", 200),
    Shape("GET /anything/%7euser/~user", 200),
    Shape("GET /anything/a;b=1;c", 200),
    Shape("GET /anything/caf%C3%A9", 200),
    Shape("GET /anything/a%20b+c", 200),
    Shape("GET /anything/a:b@c,d!$&'()*=", 200),
    Shape("GET /anything/%E2%82", 200),
    Shape("GET /anything/" + "long/" * 700, 200, why="a path of 3,500 bytes"),
    Shape("GET /anything/" + "long/" * 1000, 414, why="one too long for gunicorn"),
    Shape("GET //get", 200),
    Shape("GET /anything//double", 308, rewritten={"Location": "/up/anything/double"}),
    Shape("GET /anything/..a/b...", 200),
    Shape("GET /anything/%", 200),
)
QUERIES: Final = (
    Shape("GET /get?", 200),
    Shape("GET /get?a", 200),
    Shape("GET /get?a=", 200),
    Shape("GET /get?=b", 200),
    Shape("GET /get?&&a=1&&", 200),
    Shape("GET /get?a=1&a=2&A=3", 200),
    Shape("GET /get?a=1;b=2", 200),
    Shape("GET /get?a[]=1&a[b]=2", 200),
    Shape("GET /get?q=%20+%2B%26%3D", 200),
    Shape("GET /get?next=http://x.example/?y=1?z", 200),
    Shape("GET /get?caf%E9=%FF", 200),
    Shape('GET /get?q="<>{}|^`', 200),
    Shape("GET /get?" + "&".join(f"k{n}=v" for n in range(500)), 200, why="500 parameters"),
    Shape(f"GET /get?a=1&access_token={DUMMY}&b=2", 200, forwarded="/get?a=1&b=2"),
    Shape(f"GET /get?api_key={DUMMY}", 200, forwarded="/get"),
)
FIELDS: Final = (
    Shape("GET /headers", 200),
    Shape("GET /headers", 200, ("User-Agent: mine/1.0", "Accept: a/b;q=0.5", "Accept-Encoding: x")),
    Shape("GET /user-agent", 200),
    Shape("GET /headers", 200, ("X-Twice: 1", "X-Twice: 2", "x-TWICE: 3")),
    Shape("GET /headers", 200, ("X-Empty:",)),
    Shape("GET /headers", 200, ("X-Padded: \t a  b \t",)),
    Shape("GET /headers", 200, ("X-Latin: caf\xe9",)),
    Shape("GET /headers", 200, ("X-Utf8: caf\xc3\xa9",)),
    Shape("GET /headers", 200, ("X-Large: " + "x" * 7000,), why="a field of 7,000 bytes"),
    Shape("GET /headers", 200, tuple(f"X-{n}: {n}" for n in range(90)), why="90 fields"),
    Shape("GET /headers", 200, (f"Authorization: Basic {DUMMY}", f"X-Api-Key: {DUMMY}")),
    Shape("GET /headers", 200, ("Connection: keep-alive, X-Hop", "X-Hop: 1", "X-Not: 2")),
    Shape("GET /headers", 200, ("TE: trailers", "Keep-Alive: timeout=9", "Proxy-Connection: x")),
    Shape("GET /headers", 200, ("X-Forwarded-For: 192.0.2.1", "Forwarded: for=x", "X-Real-IP: y")),
    Shape("GET /ip", 200, ("X-Forwarded-For: 192.0.2.1",)),
    Shape("GET /cookies", 200, (f"Cookie: session={DUMMY}",)),
    Shape("GET /cookies/set?a=b", 302, rewritten={"Location": "/up/cookies"}),
    Shape("GET /bearer", 200, (f"Authorization: Bearer {DUMMY}",)),
    Shape("GET /hidden-basic-auth/u/p", 404),
    Shape("GET /basic-auth/u/p", 401),
    Shape("GET /response-headers?X-A=1&X-A=2&x-b=%20c", 200),
    Shape("GET /response-headers?Alt-Svc=h3&Strict-Transport-Security=max-age%3D1", 200),
    Shape("GET /response-headers?Connection=X-Gone&X-Gone=1&X-Kept=2", 200),
    Shape(
        "GET /response-headers?Link=%3C%2Fnext%3E%3B%20rel%3Dnext&Content-Location=%2Fhere",
        200,
        rewritten={"Link": "</up/next>; rel=next", "Content-Location": "/up/here"},
    ),
    Shape("GET /response-headers?Refresh=5%3Burl%3D%2F", 200, rewritten={"Refresh": "5;url=/up/"}),
)
OLD: Final = (
    Shape("GET /get", 200, version="1.0", why="HTTP/1.0"),
    Shape("HEAD /get", 200, version="1.0", why="HTTP/1.0 HEAD"),
    Shape("POST /post", 200, (FORM,), b"a=1", version="1.0", why="HTTP/1.0 POST"),
    Shape("GET /stream/5", 200, version="1.0", why="HTTP/1.0, a stream becomes one until close"),
    Shape("GET /status/204", 204, version="1.0", why="HTTP/1.0, no content"),
    Shape("GET /get", 200, ("Connection: close",)),
)
ON_ONE_CONNECTION: Final = (
    *(*METHODS, *CODINGS, *RANGES, *CONDITIONS, *REDIRECTS, *STATUSES),
    *(*BODIES, *STREAMS, *PATHS, *QUERIES, *FIELDS),
)
SHAPES: Final = (*ON_ONE_CONNECTION, *OLD)


@pytest.fixture(scope="module")
def server():
    """Serve httpbin, on connections that are kept."""
    with gunicorn("httpbin:app", "--threads", "4", "--keep-alive", "30") as port:
        yield port


@pytest.fixture(scope="module")
def closing():
    """Serve httpbin by a worker that closes each connection behind its answer."""
    with gunicorn("httpbin:app", "--worker-class", "sync") as port:
        yield port


@pytest.mark.parametrize("shape", SHAPES, ids=names(SHAPES))
def test_the_answer_is_httpbins_own(shape, paths):
    """Status, reason, fields in order, and every byte of the body; so is what httpbin saw."""
    expected = wanted(shape, paths)

    assert expected == got(shape, paths)


def test_so_are_all_answers_on_one_connection(paths):
    """Nothing of an exchange is left for the next one."""
    expected = [wanted(shape, paths) for shape in ON_ONE_CONNECTION]

    assert expected == in_a_row(ON_ONE_CONNECTION, paths)


def test_so_are_they_where_gunicorn_closes_behind_each_answer(closing):
    """The client keeps its connection, whatever the upstream does with its own."""
    with proxy_to(closing, uvloop.new_event_loop) as proxy:
        paths = Paths(closing, proxy.port)
        expected = [wanted(shape, paths) for shape in ON_ONE_CONNECTION]

        assert expected == in_a_row(ON_ONE_CONNECTION, paths)


def test_so_are_all_answers_to_pipelined_requests(paths):
    """They come in the order of the requests."""
    shapes = [shape for shape in ON_ONE_CONNECTION if not shape.expects]
    expected = [wanted(shape, paths) for shape in shapes]

    assert expected == at_once(shapes, paths)
