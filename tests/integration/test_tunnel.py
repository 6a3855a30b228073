"""The tunnel behind a 101: every byte, both ways, and how it ends."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from proxy.dataplane import tunnel
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import TOKEN, get, one_route
from tests.integration.rig.raw import Client
from tests.integration.rig.tunnel import HANDSHAKE, SWITCH, switching, tunnelled
from tests.integration.rig.upstream import OK
from tests.integration.test_streaming import HUGE, MIB, Counting, pump, settled


@pytest.fixture
async def upstream(serve):
    """An upstream that agrees to every upgrade."""
    return await serve(script=switching)


@pytest.fixture(scope="module")
def authority():
    """A certificate authority of the tests' own."""
    return trustme.CA()


@pytest.fixture
async def secure(serve, start, authority, tmp_path):
    """An upstream with TLS that agrees to every upgrade, and a proxy in front of it."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    upstream = await serve(script=switching, tls=context)
    ca = str(tmp_path / "ca.pem")
    return await start(one_route(upstream.origin, tls={"ca": ca})), upstream


def nothing_open(proxy):
    """Tell whether the proxy holds no connection any more, towards nobody."""
    [pool] = proxy.service.provisioned.pools
    return not (proxy.service.connections or pool._open or len(pool.sweep))


# Bytes.


@pytest.mark.parametrize("kind", ["plain", "TLS"])
async def test_bytes_go_both_ways_as_they_come(proxy, upstream, secure, kind):
    """In lock-step: each is sent only after the one before has arrived."""
    if kind == "TLS":
        proxy, upstream = secure
    every = bytes(range(256))
    async with tunnelled(proxy, upstream) as (client, visit):
        for number in range(50):
            client.send(b"<%d>" % number + every)
            await visit.until(b"<%d>" % number + every)
            visit.send(every + b"<%d>" % number)
            await client.until(every + b"<%d>" % number)

    assert client.received == b"".join(every + b"<%d>" % n for n in range(50))
    assert visit.received == b"".join(b"<%d>" % n + every for n in range(50))


EARLY = [b"e", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 4096]


@pytest.mark.parametrize("early", EARLY, ids=["a byte", "a request", "a MiB"])
async def test_what_a_client_sends_with_the_handshake_is_kept(proxy, upstream, early):
    """In the same segment, and what does not fit into it."""
    async with await proxy.client() as client:
        client.send(HANDSHAKE + early)
        await upstream.asked()
        visit = upstream.visits[0]
        await visit.bell.until(lambda: len(visit.received) >= len(early), "for what came early")
        visit.send(b"reply")
        await client.until(SWITCH[-4:] + b"reply")

    assert early == visit.received


@pytest.mark.parametrize("early", EARLY, ids=["a byte", "a request", "a MiB"])
async def test_what_a_client_sends_before_the_101_is_kept(serve, start, early):
    """The upstream takes its time."""

    async def script(visit):
        await visit.request()
        await go.wait()
        visit.send(SWITCH)

    go = asyncio.Event()
    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(HANDSHAKE)
        await upstream.asked()
        client.send(early)
        [connection] = proxy.service._front.connections
        await seen(lambda: len(connection.cutter.pending) >= min(len(early), 65536))
        go.set()
        visit = upstream.visits[0]
        await visit.bell.until(lambda: len(visit.received) >= len(early), "for what came early")

    assert early == visit.received


@pytest.mark.parametrize("early", EARLY, ids=["a byte", "an answer", "a MiB"])
async def test_what_an_upstream_sends_with_the_101_is_kept(serve, start, early):
    """Also where it looks like HTTP."""
    early = early.replace(b"GET / HTTP/1.1", b"HTTP/1.1 200 OK")

    async def script(visit):
        await visit.request()
        visit.send(SWITCH + early)

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with tunnelled(proxy, upstream) as (client, visit):
        await client.bell.until(lambda: len(client.received) >= len(early), "for what came early")
        client.send(b"reply")
        await visit.until(b"reply")

    assert early == client.received


@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_a_handshake_may_be_cut_anywhere(serve, start, side):
    """At every byte, with what follows in the same segments."""

    async def script(visit):
        await visit.request()
        data = SWITCH + b"down"
        at = cuts[visit.number] if side == "upstream" else len(data)
        visit.send(data[:at])
        if data[at:]:
            await asyncio.sleep(0.001)  # so that they are segments of their own
            visit.send(data[at:])

    whole = HANDSHAKE + b"up" if side == "client" else SWITCH + b"down"
    cuts = list(range(1, len(whole)))
    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    for number, at in enumerate(cuts):
        async with await proxy.client() as client:
            data = HANDSHAKE + b"up"
            if side == "client":
                client.send(data[:at])
                await asyncio.sleep(0.001)
            client.send(data[at:] if side == "client" else data)
            await client.until(b"\r\n\r\ndown")
            visit = await upstream.visited(number + 1)
            await visit.until(b"up")

        assert (b"up", True) == (visit.received, client.received.endswith(b"\r\n\r\ndown"))


async def test_a_unix_socket_tunnels_as_well(start, upstream, tmp_path):
    """And so half-closes."""
    path = tmp_path / "kb.sock"
    proxy = await start(one_route(upstream.origin) | {"listen": f"unix:{path}"})
    async with await Client.connect(path) as client:
        client.send(HANDSHAKE + b"up")
        visit = await upstream.visited()
        visit.stays = True
        await visit.until(b"up")
        client.finish()
        await visit.bell.until(lambda: visit.ended, "for FIN")
        visit.send(b"down")
        await client.until(b"down")
        visit.close()
        ending = await client.ended()
        await visit.gone()
    await seen(lambda: nothing_open(proxy))

    assert "FIN" == ending


# Back-pressure. What the kernel holds grows to 32 MiB a connection; what counts is what we hold.


def unsent(proxy):
    """Return how many bytes the proxy's one tunnel holds."""
    [connection] = proxy.service._front.connections
    return connection._heir.unsent + connection._heir.peer.unsent


@pytest.mark.parametrize("kind", ["plain", "TLS"])
async def test_an_upstream_is_held_while_the_client_does_not_read(proxy, upstream, secure, kind):
    """What is under way stays bounded, and goes on when the client reads again."""
    if kind == "TLS":
        proxy, upstream = secure
    async with tunnelled(proxy, upstream, buffer=65536) as (client, visit):
        client.deaf()
        transport = Counting(visit.transport)
        pumping = asyncio.ensure_future(pump(transport, HUGE))
        stalled, kept = await settled(lambda: transport.sent), unsent(proxy)
        client.counts_only = True
        client.listen()
        await seen(lambda: transport.sent > stalled + 16 * MIB)
        pumping.cancel()

    assert 0 < stalled < HUGE // 2
    assert kept < MIB


@pytest.mark.parametrize("kind", ["plain", "TLS"])
async def test_a_client_is_held_while_the_upstream_does_not_read(proxy, upstream, secure, kind):
    """The same in the other direction, whose other one goes on meanwhile."""
    if kind == "TLS":
        proxy, upstream = secure
    async with tunnelled(proxy, upstream) as (client, visit):
        visit.deaf()
        transport = Counting(client.transport)
        pumping = asyncio.ensure_future(pump(transport, HUGE))
        stalled, kept = await settled(lambda: transport.sent), unsent(proxy)
        visit.send(b"meanwhile")
        await client.until(b"meanwhile")
        visit.counts_only = True
        visit.listen()
        await seen(lambda: transport.sent > stalled + 16 * MIB)
        pumping.cancel()

    assert 0 < stalled < HUGE // 2
    assert kept < MIB


async def test_early_bytes_are_bounded_too(serve, start):
    """A client that streams while the upstream thinks is held."""
    upstream = await serve(None)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(HANDSHAKE)
        await upstream.asked()
        transport = Counting(client.transport)
        pumping = asyncio.ensure_future(pump(transport, HUGE))
        stalled = await settled(lambda: transport.sent)
        [connection] = proxy.service._front.connections
        kept = len(connection.cutter.pending)
        visit = upstream.visits[0]
        visit.counts_only = True
        visit.send(SWITCH)
        await seen(lambda: transport.sent > stalled + 16 * MIB)
        pumping.cancel()

    assert 0 < stalled < HUGE // 2
    assert kept < MIB


# The end.


async def test_a_client_may_end_its_direction_alone(proxy, upstream):
    """The upstream sees FIN behind the last byte, and goes on sending."""
    async with tunnelled(proxy, upstream) as (client, visit):
        visit.stays = True
        client.send(b"x" * MIB)
        client.finish()
        await visit.bell.until(lambda: visit.ended, "for FIN")
        for number in range(3):
            visit.send(b"<%d>" % number)
            await client.until(b"<%d>" % number)
        visit.close()
        ending = await client.ended()
        await visit.gone()
    await seen(lambda: nothing_open(proxy))

    assert (MIB, None, "FIN") == (len(visit.received), visit.error, ending)


async def test_an_upstream_may_end_its_direction_alone(proxy, upstream):
    """The client sees FIN behind the last byte, and goes on sending."""
    async with tunnelled(proxy, upstream) as (client, visit):
        client.stays = True
        visit.send(b"x" * MIB)
        visit.finish()
        await client.ended()
        for number in range(3):
            client.send(b"<%d>" % number)
            await visit.until(b"<%d>" % number)
        client.close()
        await visit.gone()
    await seen(lambda: nothing_open(proxy))

    assert (MIB, None) == (len(client.received), visit.error)


async def test_an_upstream_that_ends_right_behind_the_101_is_heard(serve, start):
    """101, bytes and FIN at once: all of it arrives, and the client can still answer."""

    async def script(visit):
        await visit.request()
        visit.send(SWITCH + b"last")
        visit.finish()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with tunnelled(proxy, upstream) as (client, visit):
        client.stays = True
        await client.ended()
        client.send(b"reply")
        await visit.until(b"reply")
        client.close()
        await visit.gone()
    await seen(lambda: nothing_open(proxy))

    assert b"last" == client.received


@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_tls_has_no_half_close(secure, side):
    """The end of one direction is the end of both; what was sent arrives."""
    proxy, upstream = secure
    async with tunnelled(proxy, upstream) as (client, visit):
        if side == "client":
            client.send(b"x" * MIB)
            client.finish()
        else:
            visit.send(b"x" * MIB)
            visit.close()
        await client.ended()
        await visit.gone()
    await seen(lambda: nothing_open(proxy))

    assert MIB == len(visit.received if side == "client" else client.received)


async def test_a_tls_upstream_that_ends_right_behind_the_101_is_heard(
    serve, start, authority, tmp_path
):
    """Its bytes arrive; then the client's connection ends in order."""

    async def script(visit):
        await visit.request()
        visit.send(SWITCH + b"x" * 1000)
        visit.close()

    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    upstream = await serve(script=script, tls=context)
    proxy = await start(one_route(upstream.origin, tls={"ca": str(tmp_path / "ca.pem")}))
    async with tunnelled(proxy, upstream) as (client, _):
        ending = await client.ended()
    await seen(lambda: nothing_open(proxy))

    assert (b"x" * 1000, "FIN") == (client.received, ending)


@pytest.mark.parametrize("kind", ["plain", "TLS"])
async def test_a_reset_of_the_client_resets_the_upstream(proxy, upstream, secure, kind):
    """A half message must not look like a whole one."""
    if kind == "TLS":
        proxy, upstream = secure
    async with tunnelled(proxy, upstream) as (client, visit):
        client.reset()
        await visit.gone(1)
    await seen(lambda: nothing_open(proxy))

    assert isinstance(visit.error, ConnectionResetError)
    assert "the client broke off" == (await proxy.logged())["cause"]


@pytest.mark.parametrize("kind", ["plain", "TLS"])
async def test_a_reset_of_the_upstream_resets_the_client(proxy, upstream, secure, kind):
    """The same the other way round."""
    if kind == "TLS":
        proxy, upstream = secure
    async with tunnelled(proxy, upstream) as (client, visit):
        visit.reset()
        ending = await client.ended(1)
    await seen(lambda: nothing_open(proxy))

    assert "RST" == ending
    assert (101, "the upstream broke off") == (
        (await proxy.logged())["status"],
        proxy.log.requests[0]["cause"],
    )


async def test_a_client_that_leaves_before_the_101_is_gone(serve, start):
    """Until the upstream has agreed it is a request like any other."""
    upstream = await serve(None)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(HANDSHAKE + b"early")
        await upstream.asked()
        client.close()
        await upstream.visits[0].gone(1)

    line = await proxy.logged()
    assert (499, "client-gone") == (line["status"], line["error"])


# Silence.


async def test_silence_in_both_directions_ends_the_tunnel(start, upstream):
    """After `timeouts.idle`; in order, and the log says why."""
    proxy = await start(one_route(upstream.origin, timeouts={"idle": "200ms"}))
    async with tunnelled(proxy, upstream) as (client, visit):
        ending = await client.ended(2)
        await visit.gone(1)

    line = await proxy.logged()
    assert ("FIN", None) == (ending, visit.error)
    assert (101, None, "silent for the idle time") == (
        line["status"],
        line["error"],
        line["cause"],
    )
    assert line["ms"] >= 200


@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_bytes_in_one_direction_are_no_silence(start, upstream, side):
    """Four times the limit, and then the limit."""
    proxy = await start(one_route(upstream.origin, timeouts={"idle": "400ms"}))
    loop = asyncio.get_running_loop()
    async with tunnelled(proxy, upstream) as (client, visit):
        sender, receiver = (client, visit) if side == "client" else (visit, client)
        end = loop.time() + 1.6
        while loop.time() < end:
            assert client.ending is None
            sender.send(b"x")
            await asyncio.sleep(0.05)
        sender.send(b"last")
        await receiver.until(b"last")
        ending = await client.ended(2)

    assert "FIN" == ending


async def test_without_a_limit_silence_may_last(start, upstream):
    """`idle: none`."""
    proxy = await start(one_route(upstream.origin, timeouts={"idle": "none"}))
    async with tunnelled(proxy, upstream) as (client, visit):
        await asyncio.sleep(0.6)
        client.send(b"still there")
        await visit.until(b"still there")

    assert None is visit.error


async def test_the_wait_for_the_101_does_not_end_the_tunnel(start, upstream):
    """`response` is for the answer alone."""
    proxy = await start(one_route(upstream.origin, timeouts={"response": "300ms"}))
    async with tunnelled(proxy, upstream) as (client, visit):
        await asyncio.sleep(0.8)
        client.send(b"still there")
        await visit.until(b"still there")

    assert None is visit.error


async def test_an_end_that_does_not_take_what_is_left_is_broken_off(start, upstream, monkeypatch):
    """The other one has left; nobody waits for ever for a reader that does not read."""
    monkeypatch.setattr(tunnel, "FLUSH_S", 0.3)
    proxy = await start(one_route(upstream.origin))
    async with tunnelled(proxy, upstream, buffer=4096) as (client, visit):
        client.deaf()
        visit.send(b"x" * (32 * MIB))
        await seen(lambda: visit.transport.get_write_buffer_size() > 0)
        visit.reset()
        await seen(lambda: nothing_open(proxy))

    assert "the upstream broke off" == (await proxy.logged())["cause"]


async def test_a_slow_reader_gets_what_is_left(start, upstream, monkeypatch):
    """As long as it takes something; FIN comes behind the last byte."""
    monkeypatch.setattr(tunnel, "FLUSH_S", 1.0)
    proxy = await start(one_route(upstream.origin))
    async with tunnelled(proxy, upstream, buffer=65536) as (client, visit):
        client.deaf()
        client.counts_only = True
        visit.send(b"x" * (6 * MIB))
        visit.close()
        client.listen()
        ending = await client.ended()

    assert (6 * MIB, "FIN") == (client.total - len(SWITCH), ending)


# The process's end.


async def test_a_tunnel_lasts_through_a_drain_and_ends_with_it(start, upstream):
    """At `drain.timeout` it is broken off, on both sides."""
    proxy = await start(one_route(upstream.origin) | {"drain": {"timeout": "400ms"}})
    async with tunnelled(proxy, upstream) as (client, visit):
        draining = asyncio.ensure_future(proxy.service.drain())
        await seen(lambda: proxy.service._handler.draining)
        client.send(b"still there")
        await visit.until(b"still there")
        await client.ended(2)
        await visit.gone(1)
        await draining

    line = await proxy.logged()
    assert (101, 11, "the proxy stopped") == (line["status"], line["bytes_in"], line["cause"])
    events = [line["event"] for line in proxy.log.lines]
    assert "drain_timeout" in events
    assert "requests_do_not_end" not in events
    assert 0 == proxy.service.connections


async def test_a_tunnel_that_ends_lets_a_drain_end(start, upstream):
    """Nothing else is waited for."""
    proxy = await start(one_route(upstream.origin) | {"drain": {"timeout": "30s"}})
    async with tunnelled(proxy, upstream) as (client, visit):
        draining = asyncio.ensure_future(proxy.service.drain())
        await seen(lambda: proxy.service._handler.draining)
        client.close()
        await visit.gone()
        async with asyncio.timeout(1):
            await draining

    assert "drain_timeout" not in [line["event"] for line in proxy.log.lines]


async def test_stopping_ends_tunnels_at_once(proxy, upstream):
    """Also those whose ends do not read."""
    async with tunnelled(proxy, upstream, buffer=4096) as (client, visit):
        client.deaf()
        visit.deaf()
        visit.send(b"x" * (32 * MIB))
        client.send(b"x" * (32 * MIB))
        await settled(visit.transport.get_write_buffer_size)
        async with asyncio.timeout(0.9):
            await proxy.service.stop()

    assert (0, 101) == (proxy.service.connections, proxy.log.requests[0]["status"])
    assert nothing_open(proxy)


@pytest.mark.parametrize("side", ["client", "upstream"])
async def test_stopping_ends_what_is_left_of_a_tunnel(serve, start, side):
    """One end is lost already, and the other one still has to take what was sent."""
    upstream = await serve(script=switching, buffer=4096)
    proxy = await start(one_route(upstream.origin, timeouts={"idle": "100ms"}))
    async with tunnelled(proxy, upstream, buffer=4096) as (client, visit):
        receiver, sender = (client, visit) if side == "client" else (visit, client)
        receiver.deaf()
        sender.send(b"x" * (48 * MIB))
        await (visit.gone() if side == "client" else client.ended())
        [connection] = proxy.service._front.connections
        left = connection._heir.unsent + connection._heir.peer.unsent
        async with asyncio.timeout(0.9):
            await proxy.service.stop()

    assert left > 0
    assert nothing_open(proxy)


# What is told, and what is left.


async def test_the_log_tells_of_a_tunnel_at_its_end(proxy, upstream):
    """Its bytes in both directions, its whole time, the upstream's time until the 101."""
    async with tunnelled(proxy, upstream) as (client, visit):
        client.send(b"up" * 50)
        await visit.until(b"up" * 50)
        visit.send(b"down" * 50)
        await client.until(b"down" * 50)
        await asyncio.sleep(0.1)
        before = proxy.log.requests
        client.close()
        line = await proxy.logged()

    told = "method path status error cause bytes_in bytes_out route"
    assert [] == before
    assert {
        "method": "GET",
        "path": "/api/ws",
        "status": 101,
        "error": None,
        "cause": None,
        "bytes_in": 100,
        "bytes_out": 200,
        "route": "api",
    } == {name: line[name] for name in told.split()}
    assert line["ms"] >= 100 > line["upstream_ms"]
    assert TOKEN.encode() not in proxy.log.text


async def test_early_bytes_are_counted(serve, start):
    """They are the tunnel's; the heads are not."""

    async def script(visit):
        await visit.request()
        visit.send(SWITCH + b"down")

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(HANDSHAKE + b"up")
        await client.until(b"down")
        client.close()
        line = await proxy.logged()

    assert (2, 4) == (line["bytes_in"], line["bytes_out"])


def in_use():
    """Return how many tasks and descriptors this process has."""
    return len(asyncio.all_tasks()), len(list(Path("/dev/fd").iterdir()))


ENDS = {
    "client closes": lambda client, visit: client.close(),
    "client resets": lambda client, visit: client.reset(),
    "upstream closes": lambda client, visit: visit.close(),
    "upstream resets": lambda client, visit: visit.reset(),
    "client half-closes": lambda client, visit: client.finish(),
    "upstream half-closes": lambda client, visit: visit.finish(),
    "both close": lambda client, visit: (client.close(), visit.close()),
    "both reset": lambda client, visit: (client.reset(), visit.reset()),
    "in the middle of bytes": lambda client, visit: (client.send(b"x" * MIB), visit.reset()),
}


@pytest.mark.parametrize("kind", ["plain", "TLS"])
async def test_nothing_is_left_of_tunnels(proxy, upstream, secure, kind):
    """No connection, task, wait or descriptor, however they end."""
    ends = list(ENDS.values())
    if kind == "TLS":
        proxy, upstream = secure
        del ends[list(ENDS).index("upstream half-closes")]  # it cannot

    async def one(end):
        async with tunnelled(proxy, upstream) as (client, visit):
            client.send(b"up")
            await visit.until(b"up")
            end(client, visit)
            await visit.gone()

    await one(ends[0])
    await seen(lambda: nothing_open(proxy) and in_use()[0] == 1)
    before = in_use()
    for end in ends * 5:
        await one(end)
    await seen(lambda: nothing_open(proxy) and in_use() == before)

    assert [101] * (5 * len(ends) + 1) == [line["status"] for line in proxy.log.requests]


async def test_other_requests_go_on_beside_a_tunnel(serve, start):
    """On a connection of their own; the tunnel's is nobody else's."""

    async def script(visit):
        while True:
            asked = await visit.request()
            visit.send(OK if asked.one(b"Upgrade") is None else SWITCH)
            if asked.one(b"Upgrade") is not None:
                return

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with tunnelled(proxy, upstream) as (client, visit):
        answers = [(await proxy.ask(get())).status for _ in range(3)]
        client.send(b"mine")
        await visit.until(b"mine")

    assert ([200] * 3, b"mine", 2) == (answers, visit.received, len(upstream.visits))
