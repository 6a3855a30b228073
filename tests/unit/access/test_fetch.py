"""Getting a document: from a real server on loopback, in bounds."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme

from proxy.access.fetch import MAX_DOCUMENT_SIZE, Fetcher, FetchFailed
from proxy.upstream.sweep import Sweep
from tests.integration.rig.names import HELD, scripted
from tests.unit.access.issuer_rig import KeyServer


@pytest.fixture
async def server():
    """Return a server that tells `{}`."""
    async with KeyServer() as running:
        running.tell(b"{}")
        yield running


@pytest.fixture
async def fetch():
    """Return a fetcher with the usual limit."""
    return Fetcher(Sweep(asyncio.get_running_loop()))


async def test_the_document_is_asked_for_and_got(server, fetch):
    """Path and query as configured, nothing of ours but the name."""
    document = await fetch(server.url)

    assert document.body == b"{}"
    assert server.request.startswith(b"GET /keys?v=1 HTTP/1.1\r\nHost: localhost:")
    assert b"authorization" not in server.request.lower()
    assert b"cookie" not in server.request.lower()


@pytest.mark.parametrize(
    ("fields", "fresh_s"),
    [
        ("", 0),
        ("Cache-Control: public, max-age=3600, must-revalidate\r\n", 3600),
        ('cache-control: MAX-AGE="60"\r\n', 60),
        ("Cache-Control: max-age=3600\r\nAge: 600\r\n", 3000),
        ("Cache-Control: max-age=60\r\nAge: 600\r\n", 0),
        ("Cache-Control: max-age=60\r\nAge: x\r\n", 60),
        ("Cache-Control: public\r\nCache-Control: max-age=60\r\n", 60),
        ("Cache-Control: s-maxage=60\r\n", 0),
        ("Cache-Control: max-age=60, no-cache\r\n", 0),
        ("Cache-Control: no-store, max-age=60\r\n", 0),
        ("Cache-Control: max-age=-1\r\n", 0),
        ("Cache-Control: max-age=" + "9" * 500 + "\r\n", 0),
    ],
)
async def test_how_long_it_stays_as_it_is(server, fetch, fields, fresh_s):
    """RFC 9111: `max-age`, less what a cache on the way has had it for."""
    server.tell(b"{}", fields=fields)

    assert (await fetch(server.url)).fresh_s == fresh_s


async def test_the_size_has_a_limit(server, fetch):
    """To the byte, whether the length is told or not."""
    server.tell(b"x" * MAX_DOCUMENT_SIZE)
    assert len((await fetch(server.url)).body) == MAX_DOCUMENT_SIZE

    server.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_DOCUMENT_SIZE + 1)
    with pytest.raises(FetchFailed, match="more than"):
        await fetch(server.url)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Moved", "404 No", "500 Oh"])
async def test_only_200_is_an_answer(server, fetch, status):
    """A redirect is not followed: it would lead where nobody has configured."""
    server.tell(b"{}", status=status, fields=f"Location: {server.url}\r\n")

    with pytest.raises(FetchFailed, match=status[:3]):
        await fetch(server.url)
    assert server.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_half_an_answer_is_none(server, fetch, answer):
    """Nor is one that is not HTTP, or compressed."""
    server.answer = answer

    with pytest.raises(FetchFailed):
        await fetch(server.url)


async def test_it_ends_in_time(server):
    """A server that says nothing is left; nothing of ours stays open."""
    server.gate.clear()
    fetch = Fetcher(Sweep(asyncio.get_running_loop()), limit_s=0.05)

    with pytest.raises(FetchFailed, match=r"within 0\.05 s"):
        await fetch(server.url)


async def test_nobody_listens(server, fetch):
    """Its server is gone."""
    await server.__aexit__()

    with pytest.raises(FetchFailed, match="connection_refused"):
        await fetch(server.url)


@pytest.mark.parametrize(
    "url",
    ["http://issuer.example/keys", "http://10.0.0.1/keys", "ftp://localhost/", "file:///etc/passwd",
     "https://u:p@localhost/", "https://localhost/a b", "https://localhost/#x", "keys", "",
     "https://localhost/\r\nX: y", "http://localhost.evil.example/", "https://localhost/ä"],
)  # fmt: skip
async def test_other_addresses_are_not_asked(fetch, url):
    """HTTPS, or this machine; nothing that could be read in two ways."""
    with pytest.raises(FetchFailed, match="its address"):
        await fetch(url)


async def test_no_proxy_of_the_environment(server, fetch, monkeypatch):
    """It would choose the keys."""
    async with KeyServer() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await fetch(server.url)

        assert (server.asked, proxy.asked) == (1, 0)


@pytest.fixture
def authority():
    """Return a certificate authority of the test's."""
    return trustme.CA()


def server_context(authority, name):
    """Return the context of a server by that name."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_context(authority):
    """Return a context that trusts the authority."""
    return ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())


async def test_https_is_verified(authority):
    """By authority, and by name."""
    loop = asyncio.get_running_loop()
    trusting = Fetcher(Sweep(loop), tls=client_context(authority))
    async with KeyServer(server_context(authority, "localhost")) as server:
        server.tell(b"{}")
        assert (await trusting(server.url)).body == b"{}"

        with pytest.raises(FetchFailed, match="tls_certificate_error"):
            await Fetcher(Sweep(loop))(server.url)
    async with KeyServer(server_context(authority, "other.example")) as server:
        server.tell(b"{}")
        with pytest.raises(FetchFailed, match="tls_certificate_error"):
            await trusting(server.url)
        assert server.asked == 0


async def test_a_name_that_is_not_answered_is_told(monkeypatch):
    """Instead of the limit for all of it."""
    names = scripted(monkeypatch)
    names.table["keys.test"] = HELD
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    fetch = Fetcher(Sweep(asyncio.get_running_loop()), tls=tls, limit_s=0.5)
    with pytest.raises(FetchFailed, match=r"connection_timeout: .* its name was not resolved"):
        await fetch("https://keys.test/keys")
    threads = list(names.asking)
    names.let_go()
    for thread in threads:
        await asyncio.to_thread(thread.join)

    assert 2 == len(threads)  # the second asks for IPv4 alone
