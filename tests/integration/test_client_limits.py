"""What a client may take: time for heads, bodies and reading, bytes of a head, connections."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest

from tests.integration.rig.held import held_upload, leave, take_nothing
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import BEARER, get, one_route, request
from tests.integration.rig.upstream import OK


SLOW = b"GET /api/x HTTP/1.1\r\nHost: localhost\r\nX-A: "


def limited(upstream, *, timeouts=None, limits=None, **route):
    """A configuration with limits for clients."""
    keys = {"timeouts": timeouts or {}, "limits": limits or {}}
    return one_route(upstream.origin, **route) | keys


async def dripped(client, first, piece=b"x", every_s=0.02):
    """Send `first`, then `piece` again and again until the connection ends; return seconds."""
    began = time.monotonic()
    client.send(first)
    while client.ending is None and time.monotonic() - began < 8:
        client.send(piece)
        await asyncio.sleep(every_s)
    return time.monotonic() - began


async def refused(client):
    """Return status and code of the problem that the client got, once the connection has ended."""
    answer = await client.answer()
    await client.ended()
    document = json.loads(answer.body)
    assert b"close" == answer.one(b"Connection")
    assert answer.status == document["status"]
    return answer.status, document["code"]


async def test_a_head_that_drips_is_answered_408(upstream, start):
    """Each byte does not begin the time anew."""
    proxy = await start(limited(upstream, timeouts={"head": "400ms"}))
    async with await proxy.client() as client:
        seconds = await dripped(client, SLOW)
        got = await refused(client)

    assert (408, "head-timeout") == got
    assert seconds < 4
    assert [] == upstream.visits
    assert 408 == (await proxy.logged())["status"]


async def test_half_a_head_behind_a_request_has_the_time_of_a_head(upstream, start):
    """Not that of an idle connection; and the request before it is answered."""
    proxy = await start(limited(upstream, timeouts={"head": "300ms", "keepalive": "60s"}))
    async with await proxy.client() as client:
        answer = await client.ask(get() + SLOW)
        got = await refused(client)

    assert (200, (408, "head-timeout")) == (answer.status, got)
    assert 1 == len(upstream.requests)


async def test_a_silent_connection_is_closed_without_a_word(upstream, start):
    """Browsers open some in advance; nothing was asked."""
    proxy = await start(limited(upstream, timeouts={"head": "300ms"}))
    async with await proxy.client() as client:
        ending = await client.ended()

    assert ("FIN", b"") == (ending, client.received)
    assert [] == proxy.log.requests


async def test_an_idle_connection_ends_after_the_keepalive_time(upstream, start):
    """And not before: another request comes through in between."""
    proxy = await start(limited(upstream, timeouts={"head": "10s", "keepalive": "500ms"}))
    async with await proxy.client() as client:
        await client.ask(get())
        await client.ask(get())
        ending = await client.ended()

    assert ("FIN", b"") == (ending, client.received)
    assert 2 == len(upstream.requests)


@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
async def test_a_body_that_drips_is_answered_408_and_never_completed(upstream, start, framing):
    """The upstream sees its connection close in the middle of the body."""
    proxy = await start(limited(upstream, timeouts={"body": "400ms"}))
    piece = b"1\r\nx\r\n" if "chunked" in framing else b"x"
    async with await proxy.client() as client:
        seconds = await dripped(client, request("POST", "/api/x", framing), piece)
        got = await refused(client)
    visit = await upstream.visited()
    await visit.gone()

    assert (408, "body-timeout") == got
    assert seconds < 4
    assert not visit.received.endswith(b"0\r\n\r\n")


async def test_a_long_body_has_its_time_for_each_step(upstream, start):
    """Only bytes that come too slowly are an offence, not many of them."""
    proxy = await start(limited(upstream, timeouts={"body": "500ms"}))
    piece = bytes(66_000)
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", f"Content-Length: {12 * len(piece)}"))
        for _ in range(12):
            await asyncio.sleep(0.1)
            client.send(piece)
        answer = await client.answer()

    assert 200 == answer.status
    assert 12 * len(piece) == len(upstream.requests[0].body)


async def test_a_client_that_does_not_read_is_cut_off(serve, start):
    """What is written to it waits for so long only; the upstream's connection closes with it."""

    async def pour(visit):
        await visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while not visit.lost:
            visit.send(bytes(64 * 1024))
            await asyncio.sleep(0.001)

    upstream = await serve(script=pour)
    proxy = await start(limited(upstream, timeouts={"write": "500ms"}))
    async with await proxy.client(buffer=4096) as client:
        client.transport.pause_reading()
        client.send(get())
        visit = await upstream.visited()
        await visit.gone()
        line = await proxy.logged()

    assert (200, "write-timeout") == (line["status"], line["error"])
    assert line["cause"] == "timeouts.write: the client took nothing for 0.5 s"


async def test_a_client_that_does_not_read_the_last_bytes_is_cut_off(serve, start):
    """Closing waits for them no longer than writing does."""

    async def answer(visit):
        await visit.head()
        body = bytes(16 * 1024 * 1024)
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    upstream = await serve(script=answer)
    proxy = await start(limited(upstream, timeouts={"write": "500ms"}))
    async with await proxy.client(buffer=4096) as client:
        client.transport.pause_reading()
        client.send(get("/api/x", "Connection: close"))
        await upstream.visited()
        async with asyncio.timeout(8):
            await proxy.service._front.all_closed()

    assert 0 == proxy.service.connections


async def test_a_body_has_its_time_also_behind_an_answer_that_had_to_wait(serve, start):
    """A client that read slowly for a while, and then sends no more of its body, is not kept."""

    async def answer_early(visit):
        await visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(16 * 1024 * 1024))
        await visit.gone()

    upstream = await serve(script=answer_early)
    proxy = await start(limited(upstream, timeouts={"body": "500ms"}))
    async with await proxy.client(buffer=4096) as client:
        client.counts_only = True
        client.deaf()
        client.send(request("POST", "/api/x", "Content-Length: 2") + b"x")
        await seen(lambda: any(each.writing_paused for each in proxy.service._front.connections))
        client.listen()
        await client.ended()
        line = await proxy.logged()

    assert "body-timeout" == line["error"]


async def test_a_client_that_reads_all_but_the_last_bytes_is_cut_off(serve, start):
    """Room in the buffer of a connection that closes is not the end of the wait."""

    async def answer(visit):
        await visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 350000\r\n\r\n" + bytes(350_000))

    upstream = await serve(script=answer)
    proxy = await start(limited(upstream, timeouts={"write": "500ms"}))
    async with await proxy.client(buffer=4096) as client:
        await seen(lambda: proxy.service._front.connections)
        [closing] = proxy.service._front.connections
        wire = closing._wire
        wire.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.deaf()
        client.send(get("/api/x", "Connection: close"))
        await seen(lambda: closing.writing_paused)
        client.listen()
        await seen(lambda: wire.is_closing() and not closing.writing_paused)
        client.deaf()
        async with asyncio.timeout(8):
            await proxy.service._front.all_closed()

    assert 0 == proxy.service.connections


async def test_a_head_of_many_small_fields_has_a_limit_as_a_whole(upstream, start):
    """300 unfinished heads of any size must not fill the memory."""
    proxy = await start(limited(upstream, limits={"head": "4KiB"}))
    async with await proxy.client() as client:
        await dripped(client, SLOW[:-5], b"X-B: " + b"y" * 50 + b"\r\n", 0)
        got = await refused(client)

    assert (431, "headers-too-large") == got
    assert [] == upstream.visits


@pytest.mark.parametrize("end", [b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b""])
async def test_a_target_has_a_limit_of_its_own(upstream, start, end):
    """Also while its line has not ended."""
    proxy = await start(limited(upstream, limits={"head": "64KiB", "target": "2KiB"}))
    async with await proxy.client() as client:
        client.send(b"GET /api/" + b"x" * 3000 + end)
        got = await refused(client)

    assert (414, "target-too-large") == got


async def test_one_connection_too_many_is_told_so_and_health_still_answers(upstream, start):
    """The listener goes on: when one leaves, the next is served."""
    proxy = await start(limited(upstream, limits={"connections": 2}))
    async with await proxy.client() as first, await proxy.client() as second:
        await first.ask(get())
        await second.ask(get())
        async with await proxy.client() as third:
            third.send(get())
            got = await refused(third)
        async with await proxy.client() as fourth:
            health = await fourth.ask(get("/_keybearer/healthz"))
        still = await second.ask(get())
    async with await proxy.client() as fifth:
        answer = await fifth.ask(get())

    assert ((503, "overloaded"), 200, 200, 200) == (got, health.status, still.status, answer.status)
    assert 4 == len(upstream.requests)


async def test_far_too_many_connections_are_cut(upstream, start):
    """A flood holds no more than a few descriptors beyond the limit."""
    proxy = await start(limited(upstream, limits={"connections": 1}))
    clients = [await proxy.client() for _ in range(80)]
    try:
        await asyncio.gather(*(each.ended() for each in clients[70:]))
        answer = await clients[0].ask(get())
    finally:
        for each in clients:
            each.transport.abort()

    assert 200 == answer.status


async def test_one_peer_may_have_so_many(upstream, start):
    """Whatever the limit of all."""
    proxy = await start(limited(upstream, limits={"per_peer": 1}))
    async with await proxy.client() as first, await proxy.client() as second:
        await first.ask(get())
        second.send(get())
        got = await refused(second)
        still = await first.ask(get())

    assert ((503, "overloaded"), 200) == (got, still.status)


@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_a_client_that_leaves_while_its_upload_is_held_is_seen(serve, start, how):
    """Its connection is not read then, so its leaving is looked for. How soon: `make soak`."""
    upstream = await serve(script=take_nothing)
    proxy = await start(limited(upstream))
    leave(await held_upload(proxy), how)
    line = await proxy.logged()

    assert (499, "client-gone") == (line["status"], line["error"])


FULL = get() * 60
HELD_BACK = get("/api/x", "Connection: upgrade", "Upgrade: websocket") + bytes(400_000)


@pytest.mark.parametrize(
    ("first", "more"),
    [(FULL, b""), (get(), FULL), (b"POST", FULL), (HELD_BACK, b"")],
    ids=["in one segment", "in two", "behind a body", "behind an upgrade"],
)
async def test_a_client_that_leaves_behind_more_than_is_read_is_seen(serve, start, first, more):
    """No more is read than can be answered, so its leaving is looked for."""
    upstream = await serve(None)
    proxy = await start(limited(upstream))
    async with await proxy.client() as client:
        if first == b"POST":
            client.send(request("POST", "/api/x", "Content-Length: 5"))
            await upstream.visited()
            client.send(b"hello" + more)
        else:
            client.send(first)
            await upstream.asked()
            client.send(more)
        [full] = proxy.service._front.connections
        await seen(lambda: full._buffer_paused)
        await upstream.asked()
        client.reset()
        async with asyncio.timeout(4):
            await proxy.service._front.all_closed()

    assert 499 == (await proxy.logged())["status"]


@pytest.mark.parametrize(
    ("each", "size"),
    [
        (request("POST", "/api/x", body=bytes(200_000)), 200_000),
        (request("POST", "/api/x", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 0),
    ],
    ids=["large", "empty"],
)
async def test_bodies_that_wait_for_their_turn_are_not_all_held(serve, start, each, size):
    """Behind a slow answer stands one of them; all are carried in the end."""
    may_answer = asyncio.Event()

    async def answer_late(visit):
        while True:
            await visit.request()
            await may_answer.wait()
            visit.send(OK)

    upstream = await serve(script=answer_late)
    proxy = await start(limited(upstream))
    async with await proxy.client() as client:
        client.send(get() + get() + each * 30)
        await upstream.asked()
        [full] = proxy.service._front.connections
        await seen(lambda: full._buffer_paused)
        waiting = [body.total_bytes for _, body in full._messages]
        may_answer.set()
        answers = [(await client.answer()).status for _ in range(32)]

    assert [0, size] == waiting
    assert [200] * 32 == answers
    assert 32 == len(upstream.requests)


async def test_a_good_request_in_front_of_garbage_is_answered(proxy, upstream):
    """In one segment; then 400 and the end, and nothing of it reaches the upstream."""
    async with await proxy.client() as client:
        client.send(
            get() + request("POST", "/api/x", body=b"hello") + b"GARB\x00AGE\r\n\r\n" + get()
        )
        first, second = await client.answer(), await client.answer()
        got = await refused(client)

    assert (200, 200, (400, "bad-request")) == (first.status, second.status, got)
    assert [b"", b"hello"] == [each.body for each in upstream.requests]


async def test_pipelined_behind_chunks_and_then_garbage(proxy, upstream):
    """The end of the chunks is found; what stands behind it is judged alone."""
    chunks = b"3\r\n\r\n\r\r\n2\r\n\r\n\r\n0\r\n\r\n"
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", "Transfer-Encoding: chunked") + chunks)
        client.send(get() + b"\x16\x03\x01")
        first, second = await client.answer(), await client.answer()
        got = await refused(client)

    assert (200, 200, (400, "bad-request")) == (first.status, second.status, got)
    assert [b"\r\n\r\r\n", b""] == [each.body for each in upstream.requests]
    assert all(BEARER in each.raw for each in upstream.requests)


async def test_a_chunked_body_of_line_ends_passes_whole(proxy, upstream):
    """So many places where it might end are not all tried, and the connection goes on."""
    body = b"\r\n\r\n" * 20_000
    async with await proxy.client() as client:
        data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        answer = await client.ask(request("POST", "/api/x", "Transfer-Encoding: chunked") + data)
        after = await client.ask(get())

    assert (200, 200) == (answer.status, after.status)
    assert [body, b""] == [each.body for each in upstream.requests]


@pytest.mark.parametrize("tail", [get("/api/y"), get("/api/y")[:30], b"\0\r\n\r\n"])
async def test_what_stands_behind_such_a_body_is_whole_or_nothing(proxy, upstream, tail):
    """Never a part of it, nor a request made of two."""
    body = b"\r\n\r\n" * 200
    data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", "Transfer-Encoding: chunked") + data + tail)
        answer = await client.answer()
        client.send(get("/api/z"))
        await client.bell.until(lambda: client.ending is not None or b"HTTP/1.1" in client.received)

    assert 200 == answer.status
    assert body == upstream.requests[0].body
    assert {b"/y", b"/z"} >= {each.target for each in upstream.requests[1:]}


async def test_the_log_tells_what_came_of_a_body_that_was_refused(upstream, start):
    """Also where no answer of the upstream has begun."""
    proxy = await start(one_route(upstream.origin, limits={"body": "10B"}))
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", "Transfer-Encoding: chunked") + b"8\r\n12345678\r\n")
        await upstream.visited()
        client.send(b"8\r\n12345678\r\n")
        got = await refused(client)
    line = await proxy.logged()

    assert ((413, "body-too-large"), 16) == (got, line["bytes_in"])
