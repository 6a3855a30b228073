"""An upstream that cannot be reached, breaks off, or sends what nobody asked for."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from proxy.upstream.errors import Dropped
from proxy.upstream.response import HIGH_WATER
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import get, one_route, request
from tests.integration.rig.upstream import OK


def problem_of(answer):
    """Return what an own answer says: status, code and the error of RFC 9209."""
    return answer.status, answer.code, answer.one(b"Proxy-Status").decode().partition("error=")[2]


async def test_a_port_that_nobody_listens_on(start):
    """Refused at once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = await start(one_route(f"http://127.0.0.1:{port}"))
    async with await proxy.client() as client:
        answers = [await client.ask(get()) for _ in range(2)]

    assert [(502, "upstream-unreachable", "connection_refused")] * 2 == [
        problem_of(answer) for answer in answers
    ]
    assert str(port) not in answers[0].problem["detail"]
    assert str(port) in (await proxy.logged())["cause"]


async def test_a_name_that_does_not_exist(start, monkeypatch):
    """DNS says no."""

    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    proxy = await start(one_route("https://no-such-name.invalid"))

    answer = await proxy.ask(get())

    assert (502, "upstream-unreachable", "dns_error") == problem_of(answer)


async def test_an_upstream_that_never_accepts(start):
    """Its backlog is full: the connect limit ends the wait."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        origin = f"http://127.0.0.1:{full.getsockname()[1]}"
        proxy = await start(one_route(origin, timeouts={"connect": "300ms"}))

        answer = await proxy.ask(get())

    assert (504, "upstream-timeout", "connection_timeout") == problem_of(answer)


NOT_AN_ANSWER = {
    "not HTTP": b"SSH-2.0-OpenSSH_9\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "bad status": b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths, bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\nContent-Length: 1\n\n",
    "folded length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 0\r\n\r\n",
    "CR in a value": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "space in a name": b"HTTP/1.1 200 OK\r\nX y: a\r\nContent-Length: 0\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 600_000,
    "endless early hints": b"HTTP/1.1 103 Early Hints\r\nX: yyyyyyyyyyyyyyyyyy\r\n\r\n" * 12_000,
}


@pytest.mark.parametrize("sent", NOT_AN_ANSWER.values(), ids=NOT_AN_ANSWER)
async def test_what_is_not_one_answer_is_502(proxy, upstream, sent):
    """The connection to the upstream is closed, the one to the client goes on."""
    upstream.answer = lambda asked: OK if asked.target == b"/good" else sent
    async with await proxy.client() as client:
        bad = await client.ask(get())
        good = await client.ask(get("/api/good"))

    assert (502, "upstream-protocol-error", "http_protocol_error") == problem_of(bad)
    assert 200 == good.status
    await upstream.visits[0].gone()


BREAKS = ["close", "reset"]


def breaking(sent, how):
    """Return a script that answers with `sent` and then ends the connection."""

    async def script(visit):
        await visit.request()
        visit.send(sent)
        if how == "reset":
            # Else the reset would overtake the bytes.
            await asyncio.sleep(0.05)
        getattr(visit, how)()

    return script


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
async def test_an_upstream_that_leaves_before_its_head(serve, start, sent, how):
    """502, and the client's connection goes on."""
    upstream = await serve(script=breaking(sent, how))
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        answers = [await client.ask(get()) for _ in range(2)]

    assert [(502, "upstream-protocol-error", "http_response_incomplete")] * 2 == [
        problem_of(answer) for answer in answers
    ]


BROKEN_OFF = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhello",
    "between chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "before the last line": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\n",
}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("sent", BROKEN_OFF.values(), ids=BROKEN_OFF)
async def test_a_body_that_breaks_off_is_never_ended(serve, start, sent, how):
    """The client sees an incomplete message: no last chunk, or fewer bytes than told."""
    upstream = await serve(script=breaking(sent, how))
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(get())
        await client.until(b"hello")
        await client.ended()

    head, _, body = client.received.partition(b"\r\n\r\n")
    whole = b"5\r\nhello\r\n" if b"chunked" in head else b"hello"
    assert whole == body
    line = await proxy.logged()
    assert (200, "upstream-protocol-error") == (line["status"], line["error"])


@pytest.mark.parametrize("sent", [*BROKEN_OFF.values(), b"HTTP/1.1 200 OK\r\n\r\nhello"])
async def test_a_body_that_is_reset_is_reset_for_http_1_0(serve, start, sent):
    """Where FIN is the end of the answer, only RST says that it is not."""
    upstream = await serve(script=breaking(sent, "reset"))
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(b"GET /api/x HTTP/1.0\r\n\r\n")
        ending = await client.ended()

    assert "RST" == ending or b"Content-Length: 10" in client.received


async def test_a_reset_does_not_end_a_close_delimited_body(serve, start):
    """There aiohttp's own client, HAProxy and Caddy report a clean end."""
    upstream = await serve(script=breaking(b"HTTP/1.1 200 OK\r\n\r\nhello", "reset"))
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(get())
        await client.until(b"hello")
        await client.ended()

    assert client.received.endswith(b"5\r\nhello\r\n")


async def test_a_bad_chunk_in_the_middle_breaks_the_answer_off(proxy, upstream):
    """What came before it is delivered, its end is not."""
    upstream.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"
    async with await proxy.client() as client:
        client.send(get())
        await client.ended()

    assert client.received.endswith(b"5\r\nhello\r\n")


async def test_no_answer_within_the_limit(serve, start):
    """504; the upstream sees the connection close."""
    upstream = await serve(None)
    proxy = await start(one_route(upstream.origin, timeouts={"response": "300ms"}))
    async with await proxy.client() as client:
        answer = await client.ask(request("POST", "/api/x", body=b"hello"))
        after = await client.ask(get())

    assert (504, "upstream-timeout", "http_response_timeout") == problem_of(answer)
    assert 504 == after.status
    await upstream.visits[0].gone()


async def test_silence_in_the_middle_of_a_body(serve, start):
    """The idle limit breaks the answer off."""

    async def script(visit):
        await visit.request()
        visit.send(BROKEN_OFF["length"])
        await visit.gone()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin, timeouts={"idle": "300ms"}))
    async with await proxy.client() as client:
        client.send(get())
        await client.ended()

    assert client.received.endswith(b"hello")
    assert "upstream-timeout" == (await proxy.logged())["error"]


async def test_an_upstream_that_takes_no_body_within_the_limit(serve, start):
    """It reads nothing and says nothing: the idle limit ends the upload."""

    async def script(visit):
        visit.deaf()
        await visit.gone()

    upstream = await serve(script=script, buffer=4096)
    proxy = await start(one_route(upstream.origin, timeouts={"idle": "300ms"}))
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", "Content-Length: 50000000"))
        client.send(b"x" * 50_000_000)
        answer = await client.answer()

    assert (504, "upstream-timeout", "http_response_timeout") == problem_of(answer)


# Kept connections.


UNASKED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!"


async def test_bytes_on_an_idle_connection_are_nobodys_answer(proxy, upstream):
    """They discard the connection (wire.md 47)."""
    first = await proxy.ask(get())
    upstream.visits[0].send(UNASKED)
    await upstream.visits[0].gone()
    second = await proxy.ask(get())

    assert [b"ok", b"ok"] == [first.body, second.body]
    assert 2 == len(upstream.visits)


def slip(visit, data):
    """Send bytes at once, so that they are in the proxy's kernel before its loop turns."""
    with socket.socket(fileno=os.dup(visit.transport.get_extra_info("socket").fileno())) as raw:
        raw.send(data)


async def test_bytes_that_come_right_with_the_next_request_are_nobodys_answer(proxy, upstream):
    """They wait in the kernel when the connection is chosen: the loop has not told of them."""
    async with await proxy.client() as client:
        first = await client.ask(get())
        [connection] = proxy.service._front.connections
        slip(upstream.visits[0], UNASKED)
        connection.data_received(get())
        second = await client.answer()

    assert [b"ok", b"ok"] == [first.body, second.body]
    assert 2 == len(upstream.visits)


async def test_two_answers_at_once(proxy, upstream):
    """The second is dropped with its connection."""
    upstream.answer = OK + UNASKED
    async with await proxy.client() as client:
        bodies = [(await client.ask(get())).body for _ in range(3)]

    assert [b"ok"] * 3 == bodies
    assert 3 == len(upstream.visits)


@pytest.mark.parametrize(
    ("line", "method"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", "HEAD"),
        (b"HTTP/1.1 204 No Content", "GET"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5", "GET"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0", "GET"),
    ],
)
async def test_a_body_where_none_may_be(proxy, upstream, line, method):
    """It never becomes the head of the next answer."""
    upstream.answer = line + b"\r\n\r\nhello"
    async with await proxy.client() as client:
        head = method == "HEAD"
        answers = [await client.ask(request(method, "/api/x"), to_head=head) for _ in range(2)]
        client.send(get("/nowhere"))
        assert 404 == (await client.answer()).status

    assert [b"", b""] == [answer.body for answer in answers]
    assert answers[0].raw == answers[1].raw
    assert 2 == len(upstream.visits)


async def test_connections_are_kept_and_shared(proxy, upstream):
    """One after another goes over one connection, also of different clients."""
    for _ in range(5):
        assert 200 == (await proxy.ask(get())).status

    assert 1 == len(upstream.visits)


@pytest.mark.parametrize(
    ("fields", "visits"),
    [
        (b"Connection: close\r\n", 2),
        (b"Connection: Close\r\n", 2),
        (b"Keep-Alive: timeout=1\r\n", 2),
        (b"Keep-Alive: timeout=0, max=5\r\n", 2),
        (b"Keep-Alive: timeout=30\r\n", 1),
        (b"Connection: keep-alive\r\n", 1),
    ],
)
async def test_the_upstreams_word_on_its_connection_counts(proxy, upstream, fields, visits):
    """Closed where it says so, or where it will close within the second."""
    upstream.answer = b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 0\r\n\r\n"
    async with await proxy.client() as client:
        answers = [(await client.ask(get())).status for _ in range(2)]

    assert ([200, 200], visits) == (answers, len(upstream.visits))


async def test_a_connection_is_not_kept_longer_than_configured(serve, start):
    """`pool_idle`: the proxy closes first."""
    upstream = await serve()
    proxy = await start(one_route(upstream.origin, timeouts={"pool_idle": "100ms"}))
    await proxy.ask(get())
    await upstream.visits[0].gone(2)

    assert 200 == (await proxy.ask(get())).status
    assert 2 == len(upstream.visits)


def forgetful(visit_count):
    """Return a script whose first connections take a second request and close without a word."""

    async def script(visit):
        await visit.request()
        visit.send(OK)
        while True:
            await visit.request()
            if visit.number < visit_count:
                visit.reset()
                return
            visit.send(OK)

    return script


@pytest.mark.parametrize(
    ("method", "body", "status", "requests"),
    [
        ("GET", None, 200, 3),
        ("DELETE", None, 200, 3),
        ("OPTIONS", None, 200, 3),
        ("PUT", b"hello", 200, 3),
        ("PROPFIND", b"<propfind/>", 200, 3),
        ("QUERY", b"a=1", 200, 3),
        ("PUT", b"x" * 70_000, 502, 2),
        ("POST", b"hello", 502, 2),
        ("POST", None, 502, 2),
        ("PATCH", b"hello", 502, 2),
        ("LIST", None, 502, 2),
        ("get", None, 502, 2),
    ],
)
async def test_a_kept_connection_that_dies_costs_nothing_where_that_is_safe(
    serve, start, method, body, status, requests
):
    """Idempotent and at hand: once more, on a new connection; else never twice (RFC 9110 9.2.2)."""
    upstream = await serve(script=forgetful(1))
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        await client.ask(get())
        answer = await client.ask(request(method, "/api/x", body=body))

    assert status == answer.status
    assert requests == len(upstream.requests)
    assert (body or b"") == upstream.requests[-1].body


async def test_a_request_is_repeated_once_and_no_more(serve, start):
    """On a fresh connection a failure is the upstream's own."""

    async def script(visit):
        await visit.request()
        if visit.number == 0:
            visit.send(OK)
            await visit.request()
        visit.reset()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        await client.ask(get())
        answer = await client.ask(get())

    assert (502, 3) == (answer.status, len(upstream.requests))


async def test_a_request_that_was_half_answered_is_not_repeated(serve, start):
    """One byte of an answer has come: the upstream has begun."""

    async def script(visit):
        await visit.request()
        visit.send(OK)
        await visit.request()
        visit.send(b"HTTP/1.1 2")
        visit.close()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        await client.ask(get())
        answer = await client.ask(get())

    assert (502, 2) == (answer.status, len(upstream.requests))


async def test_a_connection_that_is_held_is_not_kept(serve, start):
    """Its client left when the whole body had come but nobody had taken it: it is not read on."""
    size = HIGH_WATER + 1
    upstream = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    proxy = await start(one_route(upstream.origin))
    [pool] = proxy.service.provisioned.pools
    connection = await pool.connect()
    response = connection.begin(b"GET / HTTP/1.1\r\n\r\n", to_head=False, whole=True)
    await seen(lambda: response.complete)
    pool.release(connection, sent=True)

    assert connection.closed
    assert pool.reuse() is None


async def test_a_request_on_a_connection_that_is_gone_fails_at_once(proxy, upstream):
    """Nobody would ever end the wait for its answer."""
    [pool] = proxy.service.provisioned.pools
    connection = await pool.connect()
    visit = await upstream.visited()
    visit.reset()
    await seen(lambda: connection not in pool._open)

    response = connection.begin(b"GET / HTTP/1.1\r\n\r\n", to_head=False, whole=True)

    with pytest.raises(Dropped):
        await asyncio.wait_for(response.head(), 1)


# The limit of the pool.


def limited(proxy, wait_s):
    """Let the only pool have one connection."""
    [pool] = proxy.service.provisioned.pools
    pool._max, pool._wait_limit_s = 1, wait_s
    return pool


async def test_a_request_waits_for_a_connection_that_comes_free(serve, start):
    """And gets that very one."""
    upstream = await serve(None)
    proxy = await start(one_route(upstream.origin))
    pool = limited(proxy, 5)
    async with await proxy.client() as one, await proxy.client() as two:
        one.send(get("/api/1"))
        await upstream.asked(1)
        two.send(get("/api/2"))
        await seen(lambda: pool._waiters)
        upstream.visits[0].send(OK)
        first = await one.answer()
        await upstream.asked(2)
        upstream.visits[0].send(OK)
        second = await two.answer()

    assert [200, 200] == [first.status, second.status]
    assert ([b"/1", b"/2"], 1) == (
        [each.target for each in upstream.requests],
        len(upstream.visits),
    )


async def test_a_connection_that_is_handed_over_is_looked_at_too(serve, start):
    """Bytes unasked that come with the answer's end must not answer the waiting request."""
    upstream = await serve(lambda asked: OK if asked.target == b"/2" else b"")
    proxy = await start(one_route(upstream.origin))
    pool = limited(proxy, 5)
    async with await proxy.client() as one, await proxy.client() as two:
        one.send(get("/api/1"))
        visit = await upstream.visited()
        await upstream.asked(1)
        two.send(get("/api/2"))
        await seen(lambda: pool._waiters)
        [connection] = pool._open
        # In one turn of the loop: the answer's end is read, and more waits in the kernel.
        connection.data_received(OK)
        slip(visit, UNASKED)
        answers = [await one.answer(), await two.answer()]

    assert [b"ok", b"ok"] == [answer.body for answer in answers]


async def test_a_request_that_gets_no_connection_is_told_to_come_back(serve, start):
    """503 with Retry-After, and nothing sent."""
    upstream = await serve(None)
    proxy = await start(one_route(upstream.origin))
    limited(proxy, 0.05)
    async with await proxy.client() as one:
        one.send(get("/api/1"))
        await upstream.asked(1)
        answer = await proxy.ask(get("/api/2"))

    assert (503, "overloaded", "connection_limit_reached") == problem_of(answer)
    assert b"5" == answer.one(b"Retry-After")
    assert [b"/1"] == [each.target for each in upstream.requests]


async def test_a_client_that_leaves_the_queue_takes_no_connection_with_it(serve, start):
    """The next one in the queue gets it."""
    upstream = await serve(None)
    proxy = await start(one_route(upstream.origin))
    pool = limited(proxy, 5)
    async with await proxy.client() as one, await proxy.client() as three:
        one.send(get("/api/1"))
        await upstream.asked(1)
        async with await proxy.client() as two:
            two.send(get("/api/2"))
            await seen(lambda: pool._waiters)
        await proxy.logged(1)
        three.send(get("/api/3"))
        await seen(lambda: len(pool._waiters) == 2)
        upstream.visits[0].send(OK)
        await upstream.asked(2)
        upstream.visits[0].send(OK)
        await three.answer()

    assert [b"/1", b"/3"] == [each.target for each in upstream.requests]
    assert 499 == proxy.log.requests[0]["status"]


# Early answers.


async def test_an_answer_before_the_upload_ends_reaches_the_client(serve, start):
    """413 and close: the upload ends, the answer does not get lost to a reset."""
    refusal = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig"

    async def script(visit):
        await visit.head()
        visit.send(refusal)
        visit.close()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", "Content-Length: 500000"))
        client.send(b"x" * 100_000)
        answer = await client.answer()
        client.send(b"x" * 400_000)
        await client.ended()

    assert (413, b"big", b"close") == (answer.status, answer.body, answer.one(b"Connection"))


async def test_an_answer_beside_the_upload_reaches_the_client(serve, start):
    """200 from an upstream that has not read the body: passed on, both connections end."""

    async def script(visit):
        await visit.head()
        visit.send(OK)
        await visit.gone()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", "Content-Length: 500000") + b"x")
        answer = await client.answer()
        await client.ended()

    assert (200, b"ok", b"close") == (answer.status, answer.body, answer.one(b"Connection"))
    assert [] == upstream.requests


async def test_an_upstream_that_talks_while_it_listens(serve, start):
    """Both bodies flow at once, and both end."""

    async def script(visit):
        await visit.head()
        visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (b"one", b"two"):
            await visit.until(part)
            visit.send(b"3\r\n" + part + b"\r\n")
        await visit.until(b"0\r\n\r\n")
        visit.send(b"0\r\n\r\n")

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", "Transfer-Encoding: chunked"))
        await client.until(b"\r\n\r\n")
        for part in (b"one", b"two"):
            client.send(b"3\r\n" + part + b"\r\n")
            await client.until(part)
        client.send(b"0\r\n\r\n")
        answer = await client.answer()

    assert (200, b"onetwo") == (answer.status, answer.body)
