"""Draining and stopping: what is under way, what is idle, what does not want to end."""

from __future__ import annotations

import asyncio

import pytest

from proxy.process.loop import tell_faults
from tests.integration.rig.proxy import LogCapture, get, one_route, request
from tests.integration.rig.raw import Client
from tests.integration.rig.upstream import OK


READY = get("/_keybearer/readyz")


@pytest.fixture
async def drain():
    """Begin to drain a service; it ends with the test."""
    tasks = []

    async def drain(proxy):
        tasks.append(asyncio.ensure_future(proxy.service.drain()))
        await asyncio.sleep(0)
        return tasks[0]

    yield drain
    await asyncio.gather(*tasks)


async def test_a_draining_proxy_is_not_ready_but_serves_as_before(start, upstream, drain):
    """For `drain.delay`: whoever balances the load needs time to notice."""
    proxy = await start(one_route(upstream.origin) | {"drain": {"delay": "300ms"}})
    async with await proxy.client() as client:
        before = await client.ask(READY)
        await drain(proxy)
        after = await client.ask(READY)
        alive = await client.ask(get("/_keybearer/healthz"))
        served = await client.ask(get())
        fresh = await proxy.ask(get())

    assert [200, 503, 200] == [before.status, after.status, alive.status]
    assert (200, 200, None) == (served.status, fresh.status, served.one(b"Connection"))


async def test_then_nothing_new_is_accepted_and_idle_connections_end(start, upstream, drain):
    """Kept ones and those that have never asked."""
    proxy = await start(one_route(upstream.origin))
    port = proxy.port
    async with await proxy.client() as kept, await proxy.client() as new:
        await kept.ask(get())
        task = await drain(proxy)
        assert ["FIN", "FIN"] == [await kept.ended(), await new.ended()]
        await task

    with pytest.raises(ConnectionRefusedError):
        await Client.connect(port)
    await upstream.visits[0].gone()


async def test_what_is_under_way_is_served_to_its_end(serve, start, drain):
    """An answer that streams, an upload, and a request that waits; each connection then closes."""

    async def script(visit):
        head = await visit.head()
        if b"POST" in head:
            await visit.until(b"hello")
        else:
            await release.wait()
        visit.send(OK)

    release = asyncio.Event()
    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as waiting, await proxy.client() as uploading:
        waiting.send(get())
        await upstream.visited(1)
        uploading.send(request("POST", "/api/x", "Content-Length: 5") + b"he")
        await (await upstream.visited(2)).until(b"he")
        task = await drain(proxy)
        uploading.send(b"llo")
        uploaded = await uploading.answer()
        release.set()
        waited = await waiting.answer()
        endings = [await uploading.ended(), await waiting.ended()]
        await task

    assert ([200, 200], ["FIN", "FIN"]) == ([uploaded.status, waited.status], endings)
    assert [200, 200] == [line["status"] for line in proxy.log.requests]


async def test_what_lasts_longer_than_the_drain_is_broken_off(serve, start, drain):
    """At `drain.timeout`; the upstream sees it, and the log says so."""
    upstream = await serve(None)
    proxy = await start(one_route(upstream.origin) | {"drain": {"timeout": "200ms"}})
    async with await proxy.client() as client:
        client.send(get())
        await upstream.asked()
        await (await drain(proxy))
        await client.ended()
        await upstream.visits[0].gone()

    assert "drain_timeout" in [line["event"] for line in proxy.log.lines]
    assert 0 == proxy.service.connections


async def test_an_answer_that_is_broken_off_at_the_end_is_reset_for_http_1_0(serve, start):
    """FIN would be the end of the answer, and it is not."""

    async def script(visit):
        await visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await visit.gone()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(b"GET /api/x HTTP/1.0\r\n\r\n")
        await client.until(b"half")
        await proxy.service.stop()
        ending = await client.ended()

    assert "RST" == ending


async def test_a_client_that_does_not_read_does_not_hold_up_the_end(serve, start):
    """Also where its connection is closing already, and only its reading is waited for."""
    size = 8 * 1024 * 1024
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    upstream = await serve(answer)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client(buffer=4096) as one, await proxy.client(buffer=4096) as two:
        for client, version in ((one, b"1.1"), (two, b"1.0")):
            client.deaf()
            client.send(b"GET /api/x HTTP/%b\r\nHost: localhost\r\n\r\n" % version)
        await upstream.asked(2)
        await asyncio.sleep(0.1)
        for connection in list(proxy.service._front.connections)[:1]:
            connection.force_close()
        async with asyncio.timeout(0.9):
            await proxy.service.stop()

    assert 0 == proxy.service.connections
    assert "requests_do_not_end" not in [line["event"] for line in proxy.log.lines]


async def test_a_fault_that_belongs_to_nobody_is_one_line_without_values():
    """On stderr it would be text, and quote what was in hand; asyncio tells some by the hundred."""
    log = LogCapture()
    loop = asyncio.get_running_loop()
    tell_faults(loop, log.log)
    for _ in range(100):
        loop.call_exception_handler(
            {"message": "in callback f(b'FAKE-value')", "exception": ValueError("FAKE-value")}
        )
        loop.call_exception_handler({"message": "socket.accept() out of system resource"})

    shown = [(line["event"], line["detail"], line["cause"]) for line in log.lines]
    assert [
        ("loop_fault", "in callback f", "ValueError"),
        ("loop_fault", "socket.accept() out of system resource", None),
    ] == shown
