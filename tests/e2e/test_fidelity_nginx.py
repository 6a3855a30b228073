"""nginx behind the proxy sees and answers what it sees and answers without it."""

from __future__ import annotations

import gzip
import os
from typing import Final

import pytest

from tests.e2e.rig.command import running
from tests.e2e.rig.nginx import nginx
from tests.integration.fidelity.rig.compare import at_once, got, in_a_row, wanted
from tests.integration.fidelity.rig.contract import DUMMY, TOKEN, Paths
from tests.integration.fidelity.rig.shape import Shape, names


pytestmark = pytest.mark.e2e

TEXT: Final = b"".join(b"line %d of a text that compresses well\n" % n for n in range(2000))
BINARY: Final = bytes(range(256)) * 4096
CHANGED: Final = 1_000_000_000
"""When all files were changed; nginx makes the entity tag of that and the size."""
DATE: Final = "Sun, 09 Sep 2001 01:46:40 GMT"
TAG: Final = '"3b9aca00-100000"'
H2C: Final = ("Upgrade: h2c", "HTTP2-Settings: AA", "Connection: Upgrade, HTTP2-Settings")

SERVER: Final = """
client_max_body_size 2m;
large_client_header_buffers 4 32k;
location / { error_page 404 /errors/404.html; }
location /listed/ { autoindex on; }
location /packed/ { gzip_static on; }
location /typed/ { types { } default_type "text/x; charset=odd"; charset off; add_header X-A b; }
location /aged/ { expires 1h; add_header Cache-Control public; add_header Vary Origin; }
location /changed/ { sub_filter line LINE; sub_filter_once off; sub_filter_types text/plain; }
location /unchunked/ {
  sub_filter line LINE; sub_filter_types text/plain; chunked_transfer_encoding off;
}
location /untagged/ { etag off; if_modified_since off; max_ranges 0; }
location /dav/ {
  dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; client_max_body_size 4m;
}
location /small/ { client_max_body_size 10; dav_methods PUT; }
location /read/ { limit_except GET { deny all; } }
location = /moved { return 301 /b.txt; }
location = /path { absolute_redirect off; return 302 /b.txt?x=1#y; }
location = /other { return 303 https://other.example/x; }
location = /sideways { return 307 side/x; }
location = /kept { return 308 $scheme://$http_host/x?$args; }
location = /rewritten { rewrite ^ /sub/ permanent; }
location = /text { return 200 "a text\\n"; }
location = /unavailable { return 503; }
location = /paid { return 402 "pay"; }
location = /odd { return 299 "odd"; }
location = /empty { return 204; }
location = /challenged { add_header WWW-Authenticate 'Basic realm="a, b"' always; return 401; }
location = /many {
  add_header X-A 1 always; add_header x-a 2; add_header Set-Cookie a=b; add_header X-A 3;
  return 200;
}
location = /linked {
  add_header Link "</a>; rel=next, <https://other.example/>; rel=me";
  add_header Content-Location /here;
  return 200;
}
location /seen/ { return 200 "$request
  $http_host|$http_user_agent|$http_accept|$http_accept_encoding|$http_x_twice|$http_x_latin
  $http_connection|$http_te|$http_upgrade|$http_http2_settings|$http_via|$http_x_forwarded_for
  $http_authorization|$http_cookie|$http_x_api_key|$http_access_token|$remote_user
  $http_content_type|$content_length|$http_transfer_encoding"; }
"""

RANGES: Final = (
    Shape("GET /b.bin", 200),
    Shape("HEAD /b.bin", 200),
    Shape("GET /b.bin", 206, ("Range: bytes=1000-1999",)),
    Shape("GET /b.bin", 206, ("Range: bytes=-5",)),
    Shape("GET /b.bin", 206, ("Range: bytes=1048000-",)),
    Shape("GET /b.bin", 206, ("Range: bytes=0-0,10-19,-3",)),
    Shape("HEAD /b.bin", 206, ("Range: bytes=0-9",)),
    Shape("GET /b.bin", 416, ("Range: bytes=9999999-",)),
    Shape("GET /b.bin", 416, ("Range: bytes=x-y",)),
    Shape("GET /b.bin", 200, ("Range: lines=1-2",)),
    Shape("GET /b.bin", 206, ("Range: bytes=0-9", f"If-Range: {TAG}")),
    Shape("GET /b.bin", 200, ("Range: bytes=0-9", 'If-Range: "other"')),
    Shape("GET /b.bin", 206, ("Range: bytes=0-9", f"If-Range: {DATE}")),
    Shape("GET /untagged/b.bin", 200, ("Range: bytes=0-9",)),
)
CONDITIONS: Final = (
    Shape("GET /b.bin", 304, (f"If-None-Match: {TAG}",)),
    Shape("HEAD /b.bin", 304, (f'If-None-Match: "x", W/{TAG}',)),
    Shape("GET /b.bin", 200, ('If-None-Match: "x"',)),
    Shape("GET /b.bin", 304, (f"If-Modified-Since: {DATE}",)),
    Shape("GET /b.bin", 200, ("If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT",)),
    Shape("GET /b.bin", 412, ("If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT",)),
    Shape("GET /b.bin", 412, ('If-Match: "x"',)),
    Shape("GET /b.bin", 200, (f"If-Match: {TAG}",)),
    Shape("GET /a.txt", 304, ("Accept-Encoding: gzip", f"If-Modified-Since: {DATE}")),
)
CODINGS: Final = (
    Shape("GET /a.txt", 200, ("Accept-Encoding: gzip",)),
    Shape("HEAD /a.txt", 200, ("Accept-Encoding: gzip",)),
    Shape("GET /a.txt", 200, ("Accept-Encoding: gzip",), version="1.0", why="gzip, HTTP/1.0"),
    Shape("GET /a.txt", 200, ("Accept-Encoding: identity",)),
    Shape("GET /a.txt", 200, ("Accept-Encoding: br, gzip;q=0",)),
    Shape("GET /packed/a.txt", 200, ("Accept-Encoding: gzip",)),
    Shape("GET /packed/a.txt", 200),
    Shape("GET /changed/a.txt", 200),
    Shape("GET /changed/a.txt", 200, ("Accept-Encoding: gzip",)),
    Shape("GET /changed/a.txt", 200, version="1.0", why="chunks for HTTP/1.0"),
    Shape("GET /unchunked/a.txt", 200),
    Shape("GET /unchunked/a.txt", 200, version="1.0", why="until close for HTTP/1.0"),
)
PATHS: Final = (
    Shape("GET /listed/", 200),
    Shape("GET /listed/in%20it.html?x=%7e", 200),
    Shape("GET /listed/%69n%20it.html", 200),
    Shape("GET //listed///in%20it.html", 200),
    Shape("GET /listed", 301, rewritten={"Location": "/up/listed/"}),
    Shape("GET /sub?a=1&b=%20", 301, rewritten={"Location": "/up/sub/?a=1&b=%20"}),
    Shape("GET /sub/", 403),
    Shape("GET /nowhere", 404),
    Shape("HEAD /nowhere", 404),
    Shape("GET /empty.bin", 200),
    Shape("GET /typed/b.txt", 200),
    Shape("GET /aged/b.txt", 200),
    Shape("GET /" + "x" * 10_000, 404, why="a path of 10,000 bytes"),
    Shape("GET /seen/%2F%2f;a//b%7e~%C3%A9?%2F&&=;+%20", 200),
    Shape("GET /seen/%zz", 400),
    Shape('GET /seen/"<>[]^`{|}', 200),
    Shape("GET /seen/?" + "q" * 10_000, 200, why="a query of 10,000 bytes"),
)
RETURNS: Final = (
    Shape("GET /moved", 301, rewritten={"Location": "/up/b.txt"}),
    Shape("GET /path", 302, rewritten={"Location": "/up/b.txt?x=1#y"}),
    Shape("GET /other", 303),
    Shape("POST /sideways", 307, body=b"x"),
    Shape("PUT /kept?a=/b", 308, body=b"x", rewritten={"Location": "/up/x?a=/b"}),
    Shape("GET /rewritten?a=b", 301, rewritten={"Location": "/up/sub/?a=b"}),
    *(Shape(f"GET /{path}", status) for path, status in (("text", 200), ("unavailable", 503))),
    *(Shape(f"GET /{path}", status) for path, status in (("paid", 402), ("odd", 299))),
    *(Shape(f"GET /{path}", status) for path, status in (("empty", 204), ("challenged", 401))),
    Shape("GET /many", 200),
    Shape(
        "GET /linked",
        200,
        rewritten={
            "Link": "</up/a>; rel=next, <https://other.example/>; rel=me",
            "Content-Location": "/up/here",
        },
    ),
    Shape("POST /b.bin", 405, body=b"x"),
    Shape("DELETE /b.bin", 405),
    Shape("PATCH /read/b.txt", 403, body=b"x"),
    Shape("OPTIONS /b.bin", 405),
    Shape("PROPFIND /dav/", 405),
)
SEEN: Final = (
    Shape("GET /seen/", 200, why="nothing is invented"),
    Shape("GET /seen/", 200, ("User-Agent: a", "Accept: b", "Accept-Encoding: c", "TE: d")),
    Shape("GET /seen/", 200, ("X-Twice: 1", "X-Twice: 2", "X-Latin: caf\xe9")),
    Shape("GET /seen/", 200, (f"X-Api-Key: {DUMMY}", f"Access-Token: {DUMMY}", f"Cookie: {DUMMY}")),
    Shape(
        "GET /seen/",
        200,
        H2C,
    ),
    Shape("GET /seen/", 200, ("X-Large: " + "x" * 20_000,), why="a field of 20,000 bytes"),
    Shape("GET /seen/", 400, ("X-Large: " + "x" * 40_000,), why="a field that nginx does not take"),
    Shape("GET /seen/", 200, tuple(f"X-{n}: {n}" for n in range(200)), why="200 fields"),
    Shape("GET /seen/", 200, version="1.0", why="HTTP/1.0"),
    Shape("POST /seen/", 200, ("Content-Type: a/b",), b"a body"),
    Shape("POST /seen/", 200, ("Content-Type: a/b",), chunks=(b"a ", b"body"), why="chunks"),
)
UPLOADS: Final = (
    Shape("PUT /dav/there", 204, body=b"small"),
    Shape("PUT /dav/there", 204, body=b"", why="PUT of nothing"),
    Shape("PUT /dav/there", 204, chunks=(b"a", b"bc"), why="PUT in chunks"),
    Shape("PUT /dav/there", 204, body=BINARY, why="PUT of 1 MiB"),
    Shape("PUT /dav/there", 204, chunks=(BINARY[:9], BINARY[9:]), why="PUT of 1 MiB in chunks"),
    Shape("PUT /dav/there", 204, ("Expect: 100-continue",), b"asked for"),
    Shape("PUT /dav/there", 204, ("Expect: 100-continue",), BINARY, why="Expect, 1 MiB"),
    Shape("PUT /dav/there", 501, ("Content-Range: bytes 0-1/2",), b"ab"),
    Shape("PUT /dav/folder/", 409, body=b"x"),
    Shape("MKCOL /dav/folder/", 405),
    Shape("DELETE /dav/nowhere", 404),
    Shape("COPY /dav/there", 204, ("Destination: /dav/copy", "Overwrite: T")),
    Shape("PUT /small/x", 413, body=b"more than ten bytes"),
    Shape("PUT /small/x", 413, body=BINARY, why="413 for 1 MiB"),
    Shape("PUT /small/x", 413, chunks=(b"more than", b"ten bytes"), why="413 for chunks"),
    Shape("PUT /small/x", 413, ("Expect: 100-continue",), BINARY, why="413 for one who asks"),
)
SHAPES: Final = (*RANGES, *CONDITIONS, *CODINGS, *PATHS, *RETURNS, *SEEN, *UPLOADS)
KEPT: Final = tuple(
    shape
    for shape in SHAPES
    if shape.version == "1.1" and shape.status != 413 and shape.fields != H2C
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Both ways to nginx."""
    directory = tmp_path_factory.mktemp("nginx")
    # nginx opens the files as the user it runs as, whom pytest's directories keep out.
    directory.chmod(0o755)
    _make_files(directory / "www")
    with nginx(directory, SERVER) as origin:
        route = {"upstream": origin, "credential": {"bearer": {"value": TOKEN}}}
        config = {"listen": "127.0.0.1:0", "routes": {"up": route}}
        with running(tmp_path_factory.mktemp("proxy"), config) as proxy:
            yield Paths(int(origin.rpartition(":")[2]), proxy.port)


def _make_files(www):
    for name in ("typed", "aged", "changed", "unchunked", "untagged", "packed", "read"):
        (www / name).mkdir(parents=True)
    for name in ("listed", "sub", "errors", "small", "dav/folder"):
        (www / name).mkdir(parents=True)
    for name in ("", "changed", "unchunked", "packed"):
        (www / name / "a.txt").write_bytes(TEXT)
    for name in ("", "typed", "aged", "read"):
        (www / name / "b.txt").write_bytes(b"short\n")
    for name in ("", "untagged"):
        (www / name / "b.bin").write_bytes(BINARY)
    (www / "empty.bin").touch()
    (www / "packed" / "a.txt.gz").write_bytes(gzip.compress(TEXT, mtime=0))
    (www / "listed" / "in it.html").write_text("<p>in it</p>")
    (www / "errors" / "404.html").write_text("<p>not here</p>")
    for name in ("there", "copy"):
        (www / "dav" / name).write_bytes(b"before")
    for each in (*www.rglob("*"), www):
        os.utime(each, (CHANGED, CHANGED))
    (www / "dav").chmod(0o777)


@pytest.mark.parametrize("shape", SHAPES, ids=names(SHAPES))
def test_nginx_sees_and_answers_the_same(shape, paths):
    """Status, reason, fields in order and spelling, body."""
    expected = wanted(shape, paths)

    assert expected == got(shape, paths)


def test_so_does_it_with_requests_that_follow_each_other(paths):
    """Nothing of an exchange is left for the next one."""
    expected = [wanted(shape, paths) for shape in KEPT]

    assert expected == in_a_row(KEPT, paths)


def test_so_does_it_with_pipelined_requests(paths):
    """They are answered in their order."""
    shapes = [shape for shape in KEPT if not shape.expects]
    expected = [wanted(shape, paths) for shape in shapes]

    assert expected == at_once(shapes, paths)
