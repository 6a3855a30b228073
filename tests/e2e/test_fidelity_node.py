"""Node's http behind the proxy sees and answers what it sees and answers without it."""

from __future__ import annotations

from typing import Final

import pytest

from tests.e2e.rig.command import running
from tests.e2e.rig.watched import node
from tests.integration.fidelity.rig.compare import at_once, got, in_a_row, wanted
from tests.integration.fidelity.rig.contract import DUMMY, TOKEN, Paths
from tests.integration.fidelity.rig.shape import Shape, names


pytestmark = pytest.mark.e2e

MIB: Final = bytes(range(256)) * 4096
PIECES: Final = tuple(MIB[n : n + 9999] for n in range(0, len(MIB), 9999))
CREDENTIALS: Final = (
    *("Authorization", "authorization", "AUTHORIZATION", "Access-Token", "Access_Token"),
    *("X-Access-Token", "X-Api-Key", "Api_Key", "X-Auth-Token", "Private-Token", "Job-Token"),
    *("Deploy-Token", "X-Client-Secret", "X-Vault-Token", "X-Goog-Api-Key", "Cookie", "COOKIE"),
    *("X-Amz-Security-Token", "Proxy-Authorization", "Proxy_Authorization"),
)
# `/echo` answers what Node's parser saw: names in their case and order, values in their bytes.
SEEN: Final = (
    Shape("GET /echo", 200, why="no field at all: none is invented"),
    Shape("GET /echo", 200, ("User-Agent: mine", "Accept: */*", "Accept-Encoding: gzip, br")),
    Shape("GET /echo", 200, ("x-lower: 1", "X-UPPER: 2", "X-MiXed: 3", "x_under: 4", "X.Dot: 5")),
    Shape("GET /echo", 200, ("B: 1", "A: 2", "b: 3", "B: 4", "C: 5", "a: 6")),
    Shape("GET /echo", 200, ("X-Latin: caf\xe9 \x80\xff", "X-Utf8: caf\xc3\xa9 \xf0\x9f\x94\x91")),
    Shape("GET /echo", 200, ("X-Empty:", "X-Blank:   ", "X-Tabs:\ta\tb\t", "X-Colon: a:b: c")),
    Shape("GET /echo", 200, ('X-Odd: "q" (c) {b} <a> \\ , ; = % ~',)),
    Shape("GET /echo", 200, ("!#$%&'*+-.^_`|~: every sign a name may have",)),
    Shape("GET /echo", 200, tuple(f"{name}: {DUMMY}" for name in CREDENTIALS), why="credentials"),
    Shape("GET /echo", 200, tuple(f"X-{n % 7}: {n}" for n in range(200)), why="200 fields"),
    Shape("GET /echo", 200, ("X-Large: " + "x" * 15_000,), why="a field of 15,000 bytes"),
    Shape("GET /echo", 431, ("X-Large: " + "x" * 20_000,), why="a field that Node does not take"),
    Shape("GET /echo", 200, ("Connection: close, X-Hop,x-other", "X-Hop: 1", "X-Other: 2", "Z: 3")),
    Shape("GET /echo", 200, ("Connection: Authorization, Host", "Keep-Alive: timeout=1", "Z: 3")),
    Shape("GET /echo", 200, ("TE: trailers", "Trailer: X", "Proxy-Connection: keep-alive", "Z: 3")),
    Shape("GET /echo", 200, ("Forwarded: for=x", "X-Forwarded-For: x", "X-Real-IP: x", "Via: x")),
    Shape(
        "GET /echo", 200, ("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",)
    ),
    Shape("GET /echo", 200, ("Range: bytes=0-1", "If-None-Match: *", "Cache-Control: no-cache")),
    Shape("GET /echo", 200, ("Accept-Language: de", "Referer: http://x.example/", "DNT: 1")),
    Shape("HEAD /echo", 200),
    Shape("OPTIONS /echo", 200),
    *(
        Shape(f"{method} /echo", 200, body=b"a body", why=f"{method} with a body")
        for method in ("POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS")
    ),
    *(
        Shape(f"{method} /echo", 200)
        for method in ("PURGE", "PROPFIND", "MKCOL", "COPY", "MOVE", "LOCK", "SEARCH", "REPORT")
    ),
    *(
        Shape(f"{method} /echo", 200)
        for method in ("LINK", "SUBSCRIBE", "M-SEARCH", "MERGE", "ACL", "CHECKOUT", "SOURCE")
    ),
    Shape("POST /echo", 200, why="POST without length"),
    Shape("POST /echo", 200, body=b"", why="POST of nothing"),
    Shape("POST /echo", 200, body=bytes(range(256)), why="every byte"),
    Shape("POST /echo", 200, chunks=(b"a", b"bc", b"def"), why="chunks"),
    Shape("GET /echo", 200, chunks=(b"abc",), why="GET with chunks"),
    Shape("PUT /echo", 200, chunks=(), why="no chunk"),
    Shape("POST /echo", 200, body=MIB, why="1 MiB"),
    Shape("POST /echo", 200, chunks=PIECES, why="1 MiB in chunks"),
    Shape("POST /echo", 200, ("Content-Encoding: gzip", "Content-MD5: x"), b"not gzip"),
    Shape("POST /echo", 200, ("Expect: 100-continue",), b"asked for"),
    Shape(
        "POST /echo",
        200,
        ("expect: 100-Continue",),
        chunks=(b"asked", b"for"),
        why="Expect, chunks",
    ),
    Shape("POST /echo", 200, ("Expect: 100-continue",), MIB, why="Expect, 1 MiB"),
    Shape("GET /echo/a%2Fb%2f%7e%C3%A9", 200),
    Shape("GET //echo//x//", 200),
    Shape("GET /echo;a=1/b;c", 200),
    Shape("GET /echo/!$&'()*+,=:@-._~", 200),
    Shape('GET /echo/"<>[]^`{|}', 200),
    Shape("GET /echo/%zz%", 200),
    Shape("GET /echo/a..b/...", 200),
    Shape("GET /echo?", 200),
    Shape("GET /echo?a=1&a=2&&b&=c&d==e?f/g;h", 200),
    Shape("GET /echo?x=../../y&z=%01%0d%0a", 200),
    Shape("GET /echo?u=http://a.example/?b=c&d", 200),
    Shape(f"GET /echo?access_token={DUMMY}&x=%20&Api-Key={DUMMY}", 200, forwarded="/echo?x=%20"),
    Shape("GET /echo/" + "x" * 12_000, 200, why="a path of 12,000 bytes"),
)
ANSWERS: Final = (
    *(
        Shape(f"GET /say?status={status}&body=b", status)
        for status in (
            200,
            201,
            203,
            206,
            226,
            299,
            300,
            400,
            401,
            402,
            404,
            409,
            418,
            451,
            599,
            999,
        )
    ),
    *(Shape(f"GET /say?status={status}", status) for status in (204, 205, 304)),
    Shape("HEAD /say?body=four", 200),
    Shape("HEAD /say?status=404&body=four", 404),
    Shape("GET /say?reason=", 200),
    Shape("GET /say?reason=Tr%C3%A8s%20bien%20%20!", 200),
    Shape("GET /say?field=B:1&field=a:2&field=b:3&field=A:4&body=x", 200),
    Shape("GET /say?field=X-Latin:caf%C3%A9&field=X-Empty:&field=x_under:1", 200),
    Shape("GET /say?field=Set-Cookie:a=b&field=SET-COOKIE:c=d&field=X:1", 200),
    Shape("GET /say?field=Alt-Svc:h3&field=Strict-Transport-Security:x&field=X:1", 200),
    Shape("GET /say?field=Access-Control-Allow-Origin:*&field=X:1", 200),
    Shape("GET /say?field=Server:s&field=X-Powered-By:p&field=Via:v&field=Age:1&field=Vary:*", 200),
    Shape("GET /say?field=Date:yesterday&field=Warning:110&field=Content-Length:1&body=x", 200),
    Shape("GET /say?field=WWW-Authenticate:Basic%20realm=x&status=401", 401),
    Shape("GET /say?field=Retry-After:1&status=503", 503),
    Shape("GET /say?field=Connection:X-Gone&field=X-Gone:1&field=X:1&body=x", 200),
    Shape(
        "GET /say?" + "&".join(f"field=X-{n}:{n}" for n in range(300)), 200, why="300 fields back"
    ),
    Shape("GET /say?field=X:" + "x" * 14_000, 200, why="a field of 14,000 bytes back"),
    Shape("GET /hints", 200, rewritten={"Link": "</up/style.css>; rel=preload"}),
    Shape("GET /hints", 200, version="1.0", why="hints for HTTP/1.0"),
    Shape("GET /processing", 200),
    Shape("GET /events", 200, ("Accept: text/event-stream",)),
    Shape("GET /pieces", 200),
    Shape("GET /pieces", 200, version="1.0", why="pieces for HTTP/1.0"),
    Shape("GET /big", 200),
    Shape("HEAD /big", 200),
    Shape("GET /bigchunked", 200),
    Shape("GET /coded?by=gzip", 200),
    Shape("GET /coded?by=deflate", 200),
    Shape("GET /coded?by=br", 200),
    Shape("GET /lying", 200),
    Shape("GET /trailers", 200),
    Shape("GET /bare", 200),
    Shape("GET /untilclose", 200),
    Shape("GET /untilclose", 200, version="1.0", why="until close for HTTP/1.0"),
    Shape("GET /old", 200),
    Shape("GET /oldopen", 200),
    Shape("GET /noreason", 200),
    Shape("GET /odd", 299),
    Shape("GET /extensions", 200),
    Shape("GET /cut", 200, whole=False),
    Shape("GET /cutchunked", 200, whole=False),
    Shape("GET /reset", 200, whole=False),
    Shape("POST /refused", 417, ("Expect: 100-continue",), MIB),
    Shape("POST /early", 413, body=b"small"),
    Shape("POST /early", 413, body=MIB, why="an answer before 1 MiB has come"),
    Shape("POST /earlyclose", 413, chunks=(MIB,), why="an answer and an end before 1 MiB has come"),
    Shape("GET /say?status=302&field=Location:%2Fa%2F..%2Fb", 302, rewritten={"Location": "/up/b"}),
    Shape("GET /say?status=302&field=Location:b%2Fc", 302),
    Shape("GET /say?status=302&field=location:%2F%2Fother.example%2Fx", 302),
    Shape("GET /say?status=201&field=LOCATION:%2Fx%23y", 201, rewritten={"Location": "/up/x#y"}),
    Shape("GET /say?field=Refresh:1;url=/x", 200, rewritten={"Refresh": "1;url=/up/x"}),
)
SHAPES: Final = (*SEEN, *ANSWERS)
# What ends the client's connection: that the upload is not wanted, or that the answer broke off.
KEPT: Final = tuple(
    shape
    for shape in SHAPES
    if shape.version == "1.1"
    and shape.whole
    and shape.status not in {413, 417}
    and not any(each.startswith("Connection: close") for each in shape.fields)
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Both ways to Node."""
    with node() as server:
        origin = f"http://127.0.0.1:{server.port}"
        route = {"upstream": origin, "credential": {"bearer": {"value": TOKEN}}}
        config = {"listen": "127.0.0.1:0", "routes": {"up": route}}
        with running(tmp_path_factory.mktemp("proxy"), config) as proxy:
            yield Paths(server.port, proxy.port)


@pytest.mark.parametrize("shape", SHAPES, ids=names(SHAPES))
def test_node_sees_and_answers_the_same(shape, paths):
    """Every byte of what Node's parser hands on, and of what its writer makes."""
    expected = wanted(shape, paths)

    assert expected == got(shape, paths)


def test_so_do_requests_that_follow_each_other(paths):
    """Nothing of an exchange is left for the next one."""
    expected = [wanted(shape, paths) for shape in KEPT]

    assert expected == in_a_row(KEPT, paths)


def test_so_do_pipelined_requests(paths):
    """They are answered in their order."""
    shapes = [shape for shape in KEPT if not shape.expects]
    expected = [wanted(shape, paths) for shape in shapes]

    assert expected == at_once(shapes, paths)
