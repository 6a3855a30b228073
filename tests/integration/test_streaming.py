"""Bodies in both directions: at once, bounded, and cancelled when somebody leaves."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import get, one_route, request
from tests.integration.rig.upstream import OK


MIB = 1024 * 1024
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
HUGE = 256 * MIB
BOUND = 24 * MIB
"""What the kernel's buffers of four sockets and the proxy's own may hold (measured: 8 to 12)."""


async def settled(count):
    """Return a count once it has stopped growing: nobody takes any more."""
    last, same = -1, 0
    async with asyncio.timeout(8):
        while same < 5:
            await asyncio.sleep(0.02)
            now = count()
            same = same + 1 if now == last > 0 else 0
            last = now
    return last


async def pump(transport, total):
    """Write as fast as the transport takes, and count."""
    sent = 0
    piece = b"x" * 65536
    while sent < total:
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() < 65536:
            transport.write(piece)
            sent += len(piece)
            transport.sent = sent
        await asyncio.sleep(0)


class Counting:
    """A transport that says how much was written to it."""

    def __init__(self, transport):
        self._transport = transport
        self.sent = 0

    def __getattr__(self, name):
        return getattr(self._transport, name)


@pytest.mark.parametrize("framing", ["length", "chunked", "close-delimited"])
async def test_an_upstream_is_paused_while_the_client_does_not_read(serve, start, framing):
    """What is under way stays bounded, and goes on when the client reads again."""
    total = HUGE
    out = []
    head = {"length": b"Content-Length: %d\r\n" % total, "chunked": _CHUNKED}.get(framing, b"")

    async def script(visit):
        await visit.request()
        transport = Counting(visit.transport)
        out.append(transport)
        visit.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        if framing == "chunked":
            visit.send(b"%x\r\n" % total)
        await pump(transport, total)

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client(buffer=65536) as client:
        client.deaf()
        client.send(get())
        await upstream.asked()
        stalled = await settled(lambda: out[0].sent if out else 0)
        client.counts_only = True
        client.listen()
        await seen(lambda: out[0].sent > stalled + 32 * MIB)

    assert 0 < stalled < BOUND
    await upstream.visits[0].gone(1)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_client_is_paused_while_the_upstream_does_not_read(serve, start, framing):
    """The same in the other direction."""

    async def script(visit):
        visit.deaf()
        await visit.gone()

    upstream = await serve(script=script, buffer=65536)
    proxy = await start(one_route(upstream.origin))
    length = [f"Content-Length: {HUGE}"]
    fields = length if framing == "length" else ["Transfer-Encoding: chunked"]
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", *fields))
        if framing == "chunked":
            client.send(b"%x\r\n" % HUGE)
        await upstream.visited()
        transport = Counting(client.transport)
        pumping = asyncio.ensure_future(pump(transport, HUGE))
        stalled = await settled(lambda: transport.sent)
        visit = upstream.visits[0]
        visit.counts_only = True
        visit.listen()
        await seen(lambda: transport.sent > stalled + 32 * MIB)
        pumping.cancel()

    assert 0 < stalled < BOUND


async def test_a_client_that_asks_and_does_not_read_is_not_answered_for_ever(serve, start):
    """Its pipelined requests wait: their answers would pile up here."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + b"x" * 65536
    upstream = await serve(answer)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client(buffer=65536) as client:
        client.deaf()
        client.counts_only = True
        client.send(get() * 700)
        asked = await settled(lambda: len(upstream.requests))
        client.listen()
        await client.bell.until(lambda: client.total > 700 * 65536, "for all answers")

    assert 0 < asked * 65536 < BOUND
    assert 700 == len(upstream.requests)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_the_last_of_several_reads_is_passed_on(serve, start, framing):
    """The loop reads several times before the relay runs: the end may be there and not be taken."""
    body = b"".join(b"%15d\n" % number for number in range(160_000))
    told = b"Content-Length: %d\r\n\r\n" % len(body)
    data = body
    if framing == "chunked":
        told, data = _CHUNKED + b"\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    upstream = await serve(b"HTTP/1.1 200 OK\r\n" + told + data)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        got = [(await client.ask(get())).body for _ in range(10)]

    assert [body] * 10 == got


async def test_an_event_is_passed_on_before_the_next_one_is_made(serve, start):
    """In lock-step: event n + 1 is sent only after the client has confirmed n."""
    confirmed: asyncio.Queue[int] = asyncio.Queue()

    async def script(visit):
        await visit.request()
        visit.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for number in range(50):
            event = b"data: %d\n\n" % number
            visit.send(b"%x\r\n%b\r\n" % (len(event), event))
            assert number == await confirmed.get()
        visit.send(b"0\r\n\r\n")

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(get())
        await client.until(b"\r\n\r\n")
        for number in range(50):
            await client.until(b"data: %d\n\n" % number)
            confirmed.put_nowait(number)
        answer = await client.answer()

    assert b"".join(b"data: %d\n\n" % number for number in range(50)) == answer.body


async def test_a_head_is_passed_on_before_the_body(serve, start):
    """A client may have to see it to go on."""

    async def script(visit):
        await visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await visit.bell.until(lambda: visit.received)
        visit.send(b"ok")

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(get())
        await client.until(b"\r\n\r\n")
        upstream.visits[0].data_received(b"go on")
        answer = await client.answer()

    assert b"ok" == answer.body


async def test_an_upload_is_passed_on_as_it_comes(serve, start):
    """Piece by piece, in lock-step."""
    upstream = await serve()
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", "Content-Length: 500"))
        visit = await upstream.visited()
        for number in range(50):
            client.send(b"piece %03d;" % number)
            await visit.bell.until(
                lambda piece=b"piece %03d;" % number: (
                    piece in visit.received or any(piece in each.body for each in upstream.requests)
                )
            )
        answer = await client.answer()

    assert (200, 500) == (answer.status, len(upstream.requests[0].body))


# The limit of a body.


async def test_a_body_at_the_limit_passes(start, upstream):
    """To the byte."""
    proxy = await start(one_route(upstream.origin, limits={"body": 100}))

    assert 200 == (await proxy.ask(request("POST", "/api/x", body=b"x" * 100))).status


async def test_too_long_a_body_is_refused_by_its_length(start, upstream):
    """Before a byte of it is read or sent."""
    proxy = await start(one_route(upstream.origin, limits={"body": 100}))
    async with await proxy.client() as client:
        fields = ["Content-Length: 101", "Expect: 100-continue"]
        answer = await client.ask(request("POST", "/api/x", *fields))
        assert "FIN" == await client.ended()

    assert (413, "body-too-large", b"close") == (
        answer.status,
        answer.code,
        answer.one(b"Connection"),
    )
    assert [] == upstream.visits


@pytest.mark.parametrize("pieces", [[b"x" * 101], [b"x" * 60, b"x" * 60], [b"x" * 100, b"x"]])
async def test_too_long_a_body_is_refused_while_it_streams(start, upstream, pieces):
    """The upstream never sees a complete request."""
    proxy = await start(one_route(upstream.origin, limits={"body": 100}))
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", "Transfer-Encoding: chunked"))
        visit = await upstream.visited()
        await visit.until(b"\r\n\r\n")
        for piece in pieces:
            client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        answer = await client.answer()
        await client.ended()
        await visit.gone(1)

    assert (413, "body-too-large") == (answer.status, answer.code)
    assert [] == upstream.requests
    assert 413 == (await proxy.logged())["status"]


async def test_a_refused_body_costs_no_kept_connection(start, upstream):
    """It is refused before a connection is taken; none is left in between."""
    keys = {"limits": {"body": 10}, "timeouts": {"pool_idle": "none"}}
    proxy = await start(one_route(upstream.origin, **keys))
    chunked = request("POST", "/api/x", "Transfer-Encoding: chunked")
    await proxy.ask(get())
    refusal = await proxy.ask(chunked + b"20\r\n" + b"x" * 32 + b"\r\n0\r\n\r\n")
    await proxy.ask(get())

    assert 413 == refusal.status
    assert 1 == len(upstream.visits)


# The client leaves.


LEAVES = ["close", "reset"]


async def left(proxy):
    """Return the log line of the request that was left."""
    line = await proxy.logged()
    return line["status"], line["error"]


@pytest.mark.parametrize("how", LEAVES)
async def test_a_client_that_leaves_while_the_proxy_connects(serve, start, how):
    """The attempt ends: no connection is left behind."""

    async def silent(visit):
        await visit.gone()

    upstream = await serve(script=silent)
    origin = upstream.origin.replace("http:", "https:")
    proxy = await start(one_route(origin))
    async with await proxy.client() as client:
        client.send(get())
        visit = await upstream.visited()
        await visit.bell.until(lambda: visit.received, "for the TLS hello")
        getattr(client, how)()
        await visit.gone(1)

    assert (499, "client-gone") == await left(proxy)


@pytest.mark.parametrize("how", LEAVES)
async def test_a_client_that_leaves_while_it_waits(serve, start, how):
    """The upstream sees the connection close at once."""
    upstream = await serve(None)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(get())
        await upstream.asked()
        getattr(client, how)()
        await upstream.visits[0].gone(1)

    assert (499, "client-gone") == await left(proxy)


@pytest.mark.parametrize("how", LEAVES)
@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
async def test_a_client_that_leaves_while_it_uploads(serve, start, how, framing):
    """What has been sent is never completed."""
    upstream = await serve()
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", framing) + b"5\r\nhel"[: 5 + len(framing) % 2])
        visit = await upstream.visited()
        await visit.until(b"\r\n\r\n")
        getattr(client, how)()
        await visit.gone(1)

    assert [] == upstream.requests
    assert not visit.received.endswith(b"0\r\n\r\n")
    assert (499, "client-gone") == await left(proxy)


@pytest.mark.parametrize("how", LEAVES)
async def test_a_client_that_leaves_while_it_is_answered(serve, start, how):
    """Also while the upstream is silent: nothing has to be written to notice."""

    async def script(visit):
        await visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await visit.gone()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(get())
        await client.until(b"hello")
        getattr(client, how)()
        await upstream.visits[0].gone(1)

    assert (499, "client-gone") == await left(proxy)


async def test_a_fin_in_the_middle_of_an_exchange_is_leaving(serve, start):
    """The contract says so of a client that half-closes."""
    upstream = await serve(None)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(get())
        await upstream.asked()
        client.finish()
        await upstream.visits[0].gone(1)

    assert (499, "client-gone") == await left(proxy)


async def test_a_client_that_leaves_without_reading(serve, start):
    """The answer is stuck in between, and is dropped."""

    async def script(visit):
        await visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE)
        await pump(Counting(visit.transport), HUGE)

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client(buffer=65536) as client:
        client.deaf()
        client.send(get())
        await upstream.asked()
        await asyncio.sleep(0.1)
        client.reset()
        await upstream.visits[0].gone(1)

    assert (499, "client-gone") == await left(proxy)


# One connection, several requests.


async def test_pipelined_requests_are_answered_in_order(proxy, upstream):
    """Each with the credential, each with its own answer."""
    upstream.answer = lambda asked: (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(asked.target), asked.target)
    )
    async with await proxy.client() as client:
        client.send(b"".join(get(f"/api/{number}") for number in range(100)))
        bodies = [(await client.answer()).body for _ in range(100)]

    assert [b"/%d" % number for number in range(100)] == bodies
    assert all(each.one(b"Authorization") is not None for each in upstream.requests)


async def test_pipelined_bodies_stay_with_their_requests(proxy, upstream):
    """Lengths, chunks and none in turn."""
    upstream.answer = lambda asked: (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(asked.body), asked.body)
    )
    chunked = request("PUT", "/api/x", "Transfer-Encoding: chunked") + b"3\r\ntwo\r\n0\r\n\r\n"
    data = request("POST", "/api/x", body=b"one") + chunked + get() + get("/nowhere")
    async with await proxy.client() as client:
        client.send(data + request("POST", "/api/x", body=b"x" * 200_000))
        answers = [await client.answer() for _ in range(5)]

    assert [200, 200, 200, 404, 200] == [answer.status for answer in answers]
    assert [b"one", b"two", b""] == [answer.body for answer in answers[:3]]
    assert b"x" * 200_000 == answers[4].body


async def test_many_clients_at_once(proxy, upstream):
    """Nobody gets another's answer."""
    upstream.answer = lambda asked: (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(asked.target), asked.target)
    )

    async def one(number):
        async with await proxy.client() as client:
            return [(await client.ask(get(f"/api/{number}.{i}"))).body for i in range(5)]

    bodies = await asyncio.gather(*(one(number) for number in range(40)))

    assert [[b"/%d.%d" % (n, i) for i in range(5)] for n in range(40)] == bodies


async def test_nothing_is_left_behind(serve, start):
    """Connections, waits and tasks are all gone after a mixed bag of exchanges."""
    upstream = await serve(lambda asked: b"" if asked.target == b"/silent" else OK)
    proxy = await start(one_route(upstream.origin, timeouts={"pool_idle": "100ms"}))
    before = len(asyncio.all_tasks())
    for data in (get(), get("/nowhere"), b"\x00", request("POST", "/api/x", body=b"x")):
        await proxy.ask(data)
    async with await proxy.client() as client:
        client.send(get("/api/silent"))
        await upstream.asked(3)
    [pool] = proxy.service.provisioned.pools
    for visit in upstream.visits:
        await visit.gone(2)
    await seen(lambda: not (proxy.service.connections or pool._open))

    assert ([], 0, 0) == (pool._idle, pool._opening, len(pool.sweep))
    assert len(asyncio.all_tasks()) <= before + len(upstream.visits)
