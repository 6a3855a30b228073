"""A real nginx behind the proxy answers as it does without it."""

from __future__ import annotations

import gzip

import pytest

from tests.e2e.rig.command import running
from tests.e2e.rig.nginx import nginx
from tests.e2e.rig.wire import send


pytestmark = pytest.mark.e2e

TEXT = b"".join(b"line %d of a text that compresses well\n" % n for n in range(2000))
BINARY = bytes(range(256)) * 1024
# What belongs to one connection (framing is compared by itself), and the clock.
NOT_COMPARED = frozenset({"connection", "keep-alive", "transfer-encoding", "date"})


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """Files, served by nginx."""
    directory = tmp_path_factory.mktemp("nginx")
    # nginx opens the files as the user it runs as, whom pytest's directories keep out.
    directory.chmod(0o755)
    (directory / "www" / "dir").mkdir(parents=True)
    (directory / "www" / "a.txt").write_bytes(TEXT)
    (directory / "www" / "b.bin").write_bytes(BINARY)
    (directory / "www" / "empty.bin").write_bytes(b"")
    (directory / "www" / "dir" / "in it.html").write_text("<p>in it</p>")
    with nginx(directory) as origin:
        yield origin


@pytest.fixture(scope="module")
def proxy(origin, tmp_path_factory):
    """The command, with the route `files` to nginx."""
    route = {"upstream": origin, "credential": {"bearer": {"value": "FAKE-token"}}}
    config = {"listen": "127.0.0.1:0", "routes": {"files": route}}
    with running(tmp_path_factory.mktemp("proxy"), config) as proxy:
        yield proxy


@pytest.fixture
def both(origin, proxy):
    """Send a request to nginx and, with the prefix, to the proxy; return both answers."""

    def both(method, path, *fields):
        def ask(where, prefix):
            host = where.removeprefix("http://")
            return send(where, f"{method} {prefix}{path}", [("Host", host), *fields])

        return ask(origin, ""), ask(proxy.listening[0], "/files")

    return both


def told(reply):
    """Return the fields that have to be the same, in order."""
    return [field for field in reply.fields if field[0].lower() not in NOT_COMPARED]


CASES = {
    "GET": ("GET", "/b.bin", [], 200),
    "GET of nothing": ("GET", "/empty.bin", [], 200),
    "HEAD": ("HEAD", "/b.bin", [], 200),
    "Range": ("GET", "/b.bin", [("Range", "bytes=1000-1999")], 206),
    "Range of the end": ("GET", "/b.bin", [("Range", "bytes=-5")], 206),
    "Range behind the end": ("GET", "/b.bin", [("Range", "bytes=999999999-")], 416),
    "gzip": ("GET", "/a.txt", [("Accept-Encoding", "gzip")], 200),
    "gzip, HEAD": ("HEAD", "/a.txt", [("Accept-Encoding", "gzip")], 200),
    "no gzip": ("GET", "/a.txt", [("Accept-Encoding", "identity")], 200),
    "404 page": ("GET", "/nowhere", [], 404),
    "404 page, HEAD": ("HEAD", "/nowhere", [], 404),
    "405": ("DELETE", "/b.bin", [], 405),
    "a listing": ("GET", "/dir/", [], 200),
    "an escaped name": ("GET", "/dir/in%20it.html?x=%7e", [], 200),
}


@pytest.mark.parametrize(
    ("method", "path", "fields", "status"), list(CASES.values()), ids=list(CASES)
)
def test_status_fields_and_body_are_nginx_s_own(method, path, fields, status, both):
    """In nginx's order and spelling; no field is added."""
    direct, proxied = both(method, path, *fields)

    assert status == direct.status[0]
    assert direct.status == proxied.status
    assert told(direct) == told(proxied)
    assert direct.all("transfer-encoding") == proxied.all("transfer-encoding")
    assert direct.body == proxied.body


def test_a_file_that_is_unchanged_is_304(both):
    """By its entity tag and by its date."""
    first, _ = both("GET", "/b.bin")
    [tag], [date] = first.all("etag"), first.all("last-modified")
    for condition in (("If-None-Match", tag), ("If-Modified-Since", date)):
        direct, proxied = both("GET", "/b.bin", condition)

        assert (304, "Not Modified") == direct.status == proxied.status
        assert told(direct) == told(proxied)
        assert b"" == proxied.body


def test_a_compressed_answer_stays_compressed(both):
    """The control of the comparison above: it is gzip, and holds the file."""
    _, proxied = both("GET", "/a.txt", ("Accept-Encoding", "gzip"))

    assert ["gzip"] == proxied.all("content-encoding")
    assert len(proxied.body) < len(TEXT) // 4
    assert TEXT == gzip.decompress(proxied.body)


@pytest.mark.parametrize("query", ["", "?a=1&b=%20"])
def test_the_redirect_to_a_directory_stays_under_the_prefix(query, both, origin):
    """The absolute URL that nginx makes of the Host becomes a path on the proxy."""
    direct, proxied = both("GET", "/dir" + query)

    assert (301, "Moved Permanently") == direct.status == proxied.status
    assert [f"{origin}/dir/{query}"] == direct.all("location")
    assert [f"/files/dir/{query}"] == proxied.all("location")
    assert direct.body == proxied.body
    rest = [field for field in told(direct) if field[0] != "Location"]
    assert rest == [field for field in told(proxied) if field[0] != "Location"]
