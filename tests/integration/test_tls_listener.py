"""Listeners with TLS: all that a client's connection does without, and the handshake on top."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import json
import socket
import ssl

import pytest
import trustme

from proxy.dataplane.client import ClientConnection
from proxy.dataplane.session import Session
from tests.integration.rig import private_ca
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import get, request
from tests.integration.rig.raw import Client
from tests.integration.rig.records import HELLO, Written
from tests.integration.rig.tls import Pki, connect
from tests.integration.rig.tunnel import HANDSHAKE, switching
from tests.integration.rig.upstream import OK


HUGE = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def authority():
    """The authority of the proxy's certificate."""
    return trustme.CA()


@pytest.fixture
def pki(tmp_path, authority):
    """The proxy's files."""
    pki = Pki(tmp_path, authority)
    pki.write(pki.issue())
    return pki


@pytest.fixture
async def secured(pki, start, upstream):
    """A proxy whose listeners have TLS."""
    return await start(pki.config(upstream.origin))


async def raw(proxy):
    """Connect to a TLS listener without a word."""
    return await proxy.client()


def below(client):
    """Return the connection below a client's TLS."""
    plain = client.transport.get_extra_info("socket")
    return socket.socket(fileno=socket.dup(plain.fileno()))


# Requests and answers.


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_requests_go_through_and_the_connection_is_kept(secured, pki, upstream, version):
    """By HTTP/1.1, which is all that is offered."""
    context = pki.context()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with await connect(secured, context) as client:
        answers = [(await client.ask(get())).status for _ in range(3)]
        agreed = client.transport.get_extra_info("ssl_object")

    assert [200] * 3 == answers
    assert 3 == len(upstream.requests)
    assert "http/1.1" == agreed.selected_alpn_protocol()
    assert agreed.compression() is None


async def test_old_versions_are_refused(secured, pki):
    """RFC 8996: TLS 1.1 and older must not be used."""
    context = pki.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises(OSError):
        await connect(secured, context)


async def test_urls_say_https(secured):
    """What is printed at start is what tools are pointed at."""
    urls = {listener.url.partition(":")[0] for listener in secured.service.listeners}

    assert {"https"} == urls
    assert secured.service.base_url("api").startswith("https://127.0.0.1:")


async def test_the_url_of_a_route_without_a_path_says_https(pki, start, upstream):
    """It is that of its virtual host."""
    route = {"path": False, "listen": "none"}
    proxy = await start(pki.config(upstream.origin, route))

    assert f"https://api.localhost:{proxy.port}" == proxy.service.base_url("api")


async def test_the_upstream_may_be_told_of_https(pki, start, upstream):
    """With `forwarded: true`."""
    proxy = await start(pki.config(upstream.origin, {"forwarded": True}))
    async with await connect(proxy, pki.context()) as client:
        await client.ask(get())

    assert b"https" == upstream.requests[0].one(b"X-Forwarded-Proto")


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost", "https://localhost", 200),
        ("localhost", "https://localhost:443", 200),
        ("localhost:443", "https://localhost", 200),
        ("localhost:8443", "https://localhost:8443", 200),
        ("localhost:8443", "https://localhost", 403),
        ("localhost", "https://evil.example", 403),
    ],
)
async def test_a_page_is_ours_by_the_port_of_https(secured, pki, host, origin, status):
    """A port that is left away is 443."""
    async with await connect(secured, pki.context()) as client:
        answer = await client.ask(get("/api/x", f"Origin: {origin}", host=host))

    assert status == answer.status


async def test_an_absolute_target_may_say_https(secured, pki):
    """Its port is 443 where it is left away."""
    async with await connect(secured, pki.context()) as client:
        answer = await client.ask(get("https://localhost/api/x", host="localhost:443"))

    assert 200 == answer.status


async def test_a_redirect_to_the_upstream_leads_back(pki, start, serve):
    """Without scheme and host, so it stays on https."""
    upstream = await serve(
        lambda asked: (
            b"HTTP/1.1 302 Found\r\nLocation: http://%s/y\r\nContent-Length: 0\r\n\r\n"
            % asked.one(b"Host")
        )
    )
    proxy = await start(pki.config(upstream.origin))
    async with await connect(proxy, pki.context()) as client:
        answer = await client.ask(get())

    assert b"/api/y" == answer.one(b"Location")


async def test_bodies_arrive_as_they_were(secured, pki, upstream, start, serve):
    """Both ways, many records long."""
    body = bytes(range(256)) * (HUGE // 256)
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with await connect(secured, pki.context()) as client:
        answers = [await client.ask(request("POST", "/api/x", body=body)) for _ in range(2)]

    assert [True] * 2 == [answer.body == body for answer in answers]
    assert [True] * 2 == [asked.body == body for asked in upstream.requests]


async def test_pipelined_requests_are_answered_in_order(secured, pki, upstream):
    """All of them came with one record."""
    upstream.answer = lambda asked: (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(asked.target) + asked.target
    )
    async with await connect(secured, pki.context()) as client:
        client.send(b"".join(get(f"/api/{number}") for number in range(100)))
        bodies = [(await client.answer()).body for _ in range(100)]

    assert [b"/%d" % number for number in range(100)] == bodies


async def test_pieces_arrive_when_they_are_sent(pki, start, serve):
    """An event stream in lock-step."""

    async def script(visit):
        await visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for number in range(20):
            await step.wait()
            step.clear()
            visit.send(b"data: %d\n\n" % number)

    step = asyncio.Event()
    upstream = await serve(script=script)
    proxy = await start(pki.config(upstream.origin))
    async with await connect(proxy, pki.context()) as client:
        client.send(get())
        for number in range(20):
            step.set()
            await client.until(b"data: %d\n\n" % number)


# How connections end.


async def test_an_answer_that_closing_ends_is_whole(pki, start, serve):
    """TLS is ended before TCP: else it might have been cut."""

    async def script(visit):
        await visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(100_000))
        visit.close()

    upstream = await serve(script=script)
    proxy = await start(pki.config(upstream.origin))

    def ask():
        context = pki.context()
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        with (
            socket.create_connection(("127.0.0.1", proxy.port)) as plain,
            context.wrap_socket(
                plain, server_hostname="localhost", suppress_ragged_eofs=False
            ) as wrapped,
        ):
            wrapped.sendall(b"GET /api/x HTTP/1.0\r\nHost: localhost\r\n\r\n")
            received = b""
            while piece := wrapped.recv(65536):
                received += piece
            return received

    received = await asyncio.to_thread(ask)

    assert bytes(100_000) == received.partition(b"\r\n\r\n")[2]


async def test_an_answer_that_breaks_off_is_not_ended(pki, start, serve):
    """The client must not take a part for the whole."""

    async def script(visit):
        await visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await told.wait()
        visit.reset()

    told = asyncio.Event()
    upstream = await serve(script=script)
    proxy = await start(pki.config(upstream.origin))
    async with await connect(proxy, pki.context()) as client:
        client.send(get("/api/x"))
        await client.until(b"hello")
        told.set()
        await client.ended()

    assert b"0\r\n\r\n" not in client.received


@pytest.mark.parametrize("how", ["close_notify", "FIN", "RST"])
async def test_a_client_that_leaves_ends_its_request(pki, start, serve, how):
    """The upstream's connection closes at once."""
    upstream = await serve(None)
    proxy = await start(pki.config(upstream.origin))
    async with await connect(proxy, pki.context()) as client:
        client.send(get())
        visit = await upstream.visited()
        await upstream.asked()
        if how == "close_notify":
            client.close()
        elif how == "FIN":
            with below(client) as plain:
                plain.shutdown(socket.SHUT_WR)
        else:
            client.reset()
        await visit.gone()
        line = await proxy.logged()

    assert 499 == line["status"]
    await seen(lambda: not proxy.service.connections)


async def test_a_client_that_leaves_unread_is_noticed(pki, start, serve):
    """Its body is not taken: nobody reads its connection, so it is asked for."""

    async def script(visit):
        await visit.head()
        visit.deaf()
        deaf.set()

    deaf = asyncio.Event()
    upstream = await serve(script=script, buffer=4096)
    proxy = await start(pki.config(upstream.origin))
    async with await connect(proxy, pki.context()) as client:
        client.send(request("POST", "/api/x", f"Content-Length: {HUGE}") + bytes(HUGE - 1))
        await deaf.wait()
        [connection] = proxy.service._front.connections
        await seen(lambda: connection._reading_paused)
        client.reset()
        await seen(lambda: not proxy.service.connections)


@pytest.mark.parametrize("size", [100, 300_000, HUGE])
async def test_the_answer_to_a_refused_body_is_not_lost(secured, pki, upstream, size):
    """There is no half-close: what is still sent is read, and the answer ends by its length."""
    async with await connect(secured, pki.context()) as client:
        client.send(request("POST", "/no/x", f"Content-Length: {size}"))
        client.send(bytes(size - 1))
        answer = await client.answer()

    assert (404, b"close") == (answer.status, answer.one(b"Connection"))
    assert [] == upstream.visits


async def test_a_slow_reader_gets_all(secured, pki, upstream):
    """Also of the last answer of a connection, which is closed behind it."""
    body = bytes(range(256)) * (HUGE // 256)
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with await connect(secured, pki.context(), buffer=4096) as client:
        client.deaf()
        client.send(get("/api/x", "Connection: close"))
        await upstream.asked()
        [connection] = secured.service._front.connections
        await seen(lambda: connection.writing_paused)
        client.listen()
        answer = await client.answer()
        ending = await client.ended()

    assert (True, "FIN") == (answer.body == body, ending)


async def test_draining_ends_connections_in_order(pki, start, upstream):
    """Idle ones, and those whose handshake is not over."""
    proxy = await start(pki.config(upstream.origin))
    async with await connect(proxy, pki.context()) as client, await raw(proxy) as silent:
        await client.ask(get())
        await seen(lambda: proxy.service.connections == 2)
        await proxy.service.drain()

        assert ("FIN", "FIN") == (await client.ended(), await silent.ended())


# Limits.


@pytest.mark.parametrize("hello", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"])
async def test_a_handshake_has_the_time_of_a_head(pki, start, upstream, hello):
    """From the connection's first moment; a byte does not begin it anew."""
    proxy = await start(pki.config(upstream.origin, timeouts={"head": "300ms"}))
    async with await raw(proxy) as client:
        client.send(hello)
        await client.ended()
        received = client.received

    assert b"" == received
    assert 0 == proxy.service.connections
    assert [] == proxy.log.requests


async def test_a_head_behind_the_handshake_is_answered_408(pki, start, upstream):
    """As without TLS."""
    proxy = await start(pki.config(upstream.origin, timeouts={"head": "300ms"}))
    async with await connect(proxy, pki.context()) as client:
        client.send(b"GET /api/x HT")
        answer = await client.answer()

    assert (408, "head-timeout") == (answer.status, answer.code)


async def test_an_idle_connection_ends_after_the_keepalive_time(pki, start, upstream):
    """In order: the client sees that nothing was cut."""
    proxy = await start(pki.config(upstream.origin, timeouts={"keepalive": "300ms"}))
    async with await connect(proxy, pki.context()) as client:
        await client.ask(get())
        ending = await client.ended()

    assert ("FIN", b"") == (ending, client.received)


async def test_a_body_that_does_not_come_is_answered_408(pki, start, upstream):
    """As without TLS."""
    proxy = await start(pki.config(upstream.origin, timeouts={"body": "300ms"}))
    async with await connect(proxy, pki.context()) as client:
        answer = await client.ask(request("POST", "/api/x", "Content-Length: 5"))

    assert (408, "body-timeout") == (answer.status, answer.code)


async def test_a_client_that_does_not_read_is_cut_off(pki, start, serve):
    """What is written to it waits for so long only."""

    async def pour(visit):
        await visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while not visit.lost:
            visit.send(bytes(64 * 1024))
            await asyncio.sleep(0.001)

    upstream = await serve(script=pour)
    proxy = await start(pki.config(upstream.origin, timeouts={"write": "500ms"}))
    async with await connect(proxy, pki.context(), buffer=4096) as client:
        client.deaf()
        client.send(get())
        visit = await upstream.visited()
        await visit.gone()
        await seen(lambda: not proxy.service.connections)


async def test_a_client_that_makes_tls_talk_and_does_not_read_is_cut_off(secured, pki, tmp_path):
    """OpenSSL says no to each attempt at renegotiation: what waits to be sent would grow."""
    # Inherited by the connection: what the kernel holds for it is little.
    secured.service.listeners[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    raw = await Client.connect_raw(secured.port, buffer=4096)
    session = Written(pki.context(), tmp_path / "secrets")
    loop = asyncio.get_running_loop()
    with raw:
        await loop.sock_sendall(raw, session.shake())
        while not session.established:
            session.receive(await loop.sock_recv(raw, 65536))
            await loop.sock_sendall(raw, session.shake())
        hellos = b"".join(session.handshake(HELLO) for _ in range(100_000))
        with pytest.raises(ConnectionError):
            await loop.sock_sendall(raw, hellos)
    await seen(lambda: not secured.service.connections)


@pytest.mark.parametrize("limit", ["connections", "per_peer"])
async def test_connections_count_before_their_handshake(pki, start, upstream, limit):
    """Who opens many and says nothing takes others' room for no longer than the head's time."""
    limits = {limit: 2}
    proxy = await start(pki.config(upstream.origin, limits=limits, timeouts={"head": "2s"}))
    async with await raw(proxy) as one, await raw(proxy) as two:
        await seen(lambda: proxy.service.connections == 2)
        async with await connect(proxy, pki.context()) as third:
            refused = await third.ask(get())
        await one.ended()
        await two.ended()
        async with await connect(proxy, pki.context()) as fourth:
            answer = await fourth.ask(get())

    assert (503, 200) == (refused.status, answer.status)


async def test_connections_far_beyond_the_limit_are_cut_without_a_handshake(
    pki, start, upstream, monkeypatch
):
    """They cost no more than their acceptance."""
    monkeypatch.setattr("proxy.dataplane.front.RESERVE", 0)
    proxy = await start(pki.config(upstream.origin, limits={"connections": 1}))
    async with await raw(proxy):
        await seen(lambda: proxy.service.connections == 1)
        with pytest.raises(OSError):
            await connect(proxy, pki.context())

        assert [] == [line for line in proxy.log.lines if line["event"] == "handshake_refused"]


# What is no TLS.


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
async def test_a_request_without_tls_is_told_so(secured, upstream, method):
    """Nothing of it is forwarded."""
    async with await raw(secured) as client:
        client.send(request(method, "/api/x", body=b"canary"))
        await client.until(b"\r\n\r\n")
        answer = client.received
        client.close()
    await secured.logged()

    assert answer.startswith(b"HTTP/1.1 400 ")
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert "bad-request" == document["code"]
    assert "https" in document["detail"]
    assert [] == upstream.visits
    [line] = secured.log.requests
    assert 400 == line["status"]
    assert "plain HTTP on a listener with TLS" in line["cause"]
    assert "https" in line["cause"]
    await seen(lambda: not secured.service.connections)


@pytest.mark.parametrize(
    "data", [b"\0" * 50, b"DELETE / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x04CANARY"]
)
async def test_other_bytes_are_closed_on_and_told_once(secured, upstream, data):
    """Whoever can connect can send them, so each reason is told seldom."""
    for _ in range(5):
        async with await raw(secured) as client:
            client.send(data)
            await client.ended()
    await seen(lambda: not secured.service.connections)
    lines = [line for line in secured.log.lines if line["event"] != "request"]

    assert ["handshake_refused"] == [line["event"] for line in lines]
    assert "127.0.0.1" == lines[0]["client"]
    assert b"CANARY" not in secured.log.text
    assert [] == upstream.visits + secured.log.requests


async def test_a_record_that_was_changed_ends_the_connection(secured, pki):
    """Whatever came before it was answered."""
    async with await connect(secured, pki.context()) as client:
        await client.ask(get())
        with below(client) as plain:
            plain.send(b"\x17\x03\x03\x00\x10" + bytes(16))
        await client.ended()

    await seen(lambda: not secured.service.connections)


# Tunnels.


async def test_a_tunnel_carries_bytes_both_ways(pki, start, serve):
    """And its end."""
    upstream = await serve(script=switching)
    proxy = await start(pki.config(upstream.origin))
    async with await connect(proxy, pki.context()) as client:
        client.send(HANDSHAKE + b"early")
        await client.until(b"\r\n\r\n")
        visit = await upstream.visited()
        await visit.until(b"early")
        for number in range(20):
            client.send(b"<%d>" % number)
            await visit.until(b"<%d>" % number)
            visit.send(b"[%d]" % number + bytes(50_000))
            await client.until(b"[%d]" % number)
        visit.send(b"last words")
        visit.close()
        await client.until(b"last words")
        ending = await client.ended()

    assert "FIN" == ending
    assert 101 == (await proxy.logged())["status"]
    await seen(lambda: not proxy.service.connections)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_ends_its_tunnel(pki, start, serve, how):
    """In the same way."""
    upstream = await serve(script=switching)
    proxy = await start(pki.config(upstream.origin))
    async with await connect(proxy, pki.context()) as client:
        client.send(HANDSHAKE)
        await client.until(b"\r\n\r\n")
        visit = await upstream.visited()
        client.send(b"last words")
        await visit.until(b"last words")
        getattr(client, how)()
        await visit.gone()
        await seen(lambda: not proxy.service.connections)

    assert (how == "reset") == (visit.error is not None)


async def test_a_tunnel_holds_a_fast_end_for_a_slow_one(pki, start, serve):
    """Nothing is lost, and little is kept."""
    upstream = await serve(script=switching)
    proxy = await start(pki.config(upstream.origin))
    async with await connect(proxy, pki.context(), buffer=4096) as client:
        client.send(HANDSHAKE)
        await client.until(b"\r\n\r\n")
        client.received = client.received.partition(b"\r\n\r\n")[2]
        visit = await upstream.visited()
        client.deaf()
        body = bytes(range(256)) * (HUGE // 256)
        visit.send(body)
        [connection] = proxy.service._front.connections
        await seen(lambda: connection._heir.held)
        client.listen()
        await client.bell.until(lambda: len(client.received) == len(body), "for all of it")

    assert body == client.received


# What is left.


LEAVES = {
    "nothing": b"",
    "half a hello": b"\x16\x03\x01\x02\x00\x01\x00",
    "no TLS": b"\0" * 50,
    "a request without TLS": get(),
}


def in_memory():
    """Return how many connections of clients, and sessions, are in memory."""
    kinds = (ClientConnection, Session)
    return sum(isinstance(each, kinds) for each in gc.get_objects())


@pytest.fixture
def uncollected():
    """Keep the collector from running, and what was there before from being looked at."""
    gc.disable()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("sent", LEAVES.values(), ids=LEAVES)
async def test_a_handshake_that_does_not_come_about_is_freed_at_once(secured, sent):
    """Without the collector, which comes around seldom."""
    for _ in range(3):
        async with await raw(secured) as client:
            client.send(sent)
            await seen(lambda: secured.service.connections == 1)
        await seen(lambda: not secured.service.connections)

    await seen(lambda: in_memory() == 0)


ASKED = {
    "a request": get(),
    "a refused body": request("POST", "/no/x", "Content-Length: 9"),
    "a tunnel": HANDSHAKE,
}


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("sent", ASKED.values(), ids=ASKED)
async def test_a_connection_that_is_gone_is_freed_at_once(pki, start, serve, sent):
    """However it was used."""
    upstream = await serve(
        None if sent is HANDSHAKE else OK, script=switching if sent is HANDSHAKE else None
    )
    proxy = await start(pki.config(upstream.origin))
    async with await connect(proxy, pki.context()) as client:
        client.send(sent)
        await client.until(b"\r\n\r\n")
    await seen(lambda: not proxy.service.connections)

    await seen(lambda: in_memory() == 0)


# Certificates of clients.


@pytest.fixture(scope="module")
def people():
    """The authority of the clients' certificates."""
    return trustme.CA()


@pytest.fixture
async def asking(pki, start, upstream, people):
    """A proxy that asks its clients for certificates."""
    return await start(pki.config(upstream.origin, tls={"client_ca": pki.trust("ca.pem", people)}))


def person(people, name="build01", **more):
    """Return a client's certificate."""
    return people.issue_cert(
        common_name=name, organization_name="Example, Inc.", organization_unit_name="R&D", **more
    )


async def certificate_of(proxy, client):
    """Return what the proxy knows of a client's certificate."""
    assert 200 == (await client.ask(get())).status
    [connection] = proxy.service._front.connections
    return connection.peer.certificate


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_verified_certificate_is_the_peers(asking, pki, people, version):
    """As RFC 4514 writes its subject."""
    context = pki.context(person(people))
    context.minimum_version = context.maximum_version = version
    async with await connect(asking, context) as client:
        known = await certificate_of(asking, client)

    assert "CN=build01,OU=R&D,O=Example\\, Inc." == known


async def test_none_is_needed(asking, pki):
    """Keys are another way in."""
    async with await connect(asking, pki.context()) as client:
        known = await certificate_of(asking, client)

    assert known is None


async def test_none_is_asked_for_without_client_ca(secured, pki, people):
    """And none is believed."""
    async with await connect(secured, pki.context(person(people))) as client:
        known = await certificate_of(secured, client)

    assert known is None


PAST = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
BAD = {
    "another authority's": (lambda _: person(trustme.CA()), "certificate"),
    "expired": (lambda people: person(people, not_before=PAST, not_after=PAST), "expired"),
    "not yet valid": (
        lambda people: person(
            people,
            not_before=dt.datetime(2090, 1, 1, tzinfo=dt.UTC),
            not_after=dt.datetime(2091, 1, 1, tzinfo=dt.UTC),
        ),
        "not yet valid",
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_bad_certificate_is_refused(asking, pki, people, upstream, bad, version):
    """Before any request; the log says why."""
    issue, words = bad
    context = pki.context(issue(people))
    context.minimum_version = context.maximum_version = version
    with pytest.raises((OSError, AssertionError)):  # with TLS 1.3 the client hears of it later
        async with await connect(asking, context) as client:
            await client.ask(get())
    await asking.log.bell.until(lambda: b"handshake_refused" in asking.log.text)
    [line] = [line for line in asking.log.lines if line["event"] == "handshake_refused"]

    assert words in line["detail"]
    assert [] == upstream.visits
    await seen(lambda: not asking.service.connections)


COMPANY = private_ca.authority("Company")
TEAM = private_ca.authority("Team", above=COMPANY, critical=False)


@pytest.mark.parametrize("anchor", [COMPANY, TEAM], ids=["root", "intermediate"])
async def test_a_private_authority_of_clients_is_judged_as_curl_does(
    pki, start, upstream, tmp_path, anchor
):
    """Without a key identifier, or with an intermediate that nobody above vouches for."""
    (tmp_path / "people.pem").write_bytes(anchor.pem)
    mine = private_ca.leaf(anchor, host="build01", purpose=private_ca.CLIENT, identified=False)
    context = pki.context()
    context.load_cert_chain(mine.write(tmp_path / "mine.pem"))
    proxy = await start(pki.config(upstream.origin, tls={"client_ca": tmp_path / "people.pem"}))
    async with await connect(proxy, context) as client:
        known = await certificate_of(proxy, client)

    assert "CN=leaf" == known


def resume(proxy, context, session=None):
    """Ask once; return the session, whether it was an old one, and the answer's first line."""
    with (
        socket.create_connection(("127.0.0.1", proxy.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as wrapped,
    ):
        wrapped.sendall(get("/api/x", "Connection: close"))
        received = b""
        while piece := wrapped.recv(65536):
            received += piece
        return wrapped.session, wrapped.session_reused, received.partition(b"\r\n")[0]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_resumed_session_knows_its_client_till_the_certificate_expires(
    asking, pki, people, monkeypatch, version
):
    """OpenSSL does not look at the dates again."""
    context = pki.context(person(people))
    context.minimum_version = context.maximum_version = version
    known = []
    real = ClientConnection.verified

    def verified(self, subject):
        known.append(subject)
        real(self, subject)

    monkeypatch.setattr(ClientConnection, "verified", verified)
    session, reused, _ = await asyncio.to_thread(resume, asking, context)
    _, again, answer = await asyncio.to_thread(resume, asking, context, session)

    assert (False, True, b"HTTP/1.1 200 OK") == (reused, again, answer)
    assert known[0] == known[1] is not None

    monkeypatch.setattr("proxy.dataplane.secure.time.time", lambda: 1e11)
    try:
        _, _, late = await asyncio.to_thread(resume, asking, context, session)
    except OSError:
        late = b""

    assert b"" == late
    assert 2 == len(known)
