"""Who takes something of what waits, however slowly, keeps it; who sends dust takes no turn."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from tests.integration.rig.proxy import get, one_route, request, running
from tests.integration.rig.raw import Client
from tests.integration.rig.upstream import Upstream
from tests.soak.rig.table import percentile, show


pytestmark = [pytest.mark.soak, pytest.mark.timeout(120)]

KIB = 1024
LARGE = 20 * KIB * KIB
LIMIT_S = 2.0
STEADY_S = 8.0
ATTACK_S = 3.0
BOUND_S = 0.05
"""What another client may wait in the median; 0.1 to 0.45 s before."""
CHUNKED = "Transfer-Encoding: chunked"
DUST = {
    "tiny chunks": b"1\r\na\r\n" * 20_000,
    "empty lines": b"4\r\n\r\n\r\n\r\n" * 15_000,
}
HEADS = {
    "Content-Type": b"Content-Type:" + b" " * 32_000 + b"x\r\n",
    "Link": b"Link: " + b"<" * 32_000 + b"\r\n",
}


@pytest.mark.parametrize(("size", "pause_s"), [(64 * KIB, 0.3), (8 * KIB, 0.1)])
async def test_a_slow_but_steady_reader_keeps_its_answer(size, pause_s):
    """Four times the limit; the transport's own buffer stands still for longer than that."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE + bytes(LARGE)
    loop = asyncio.get_running_loop()
    config = {"timeouts": {"write": f"{LIMIT_S:.0f}s"}}
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream(answer))
        proxy = await stack.enter_async_context(running(one_route(upstream.origin) | config))
        with await Client.connect_raw(proxy.port, buffer=64 * KIB) as raw:
            await loop.sock_sendall(raw, get())
            ends, total = loop.time() + STEADY_S, 0
            while loop.time() < ends:
                piece = await loop.sock_recv(raw, size)
                assert piece, f"ended after {total} bytes"
                total += len(piece)
                await asyncio.sleep(pause_s)
    show("slow reader", ["piece", "each", "bytes"], [[size, f"{pause_s} s", total]])


async def test_a_slow_but_steady_upstream_keeps_its_upload():
    """Its silence has a limit, its slowness has none."""

    async def sip(visit):
        visit.counts_only = True
        while visit.total < LARGE and not visit.lost:
            visit.transport.pause_reading()
            await asyncio.sleep(0.05)
            visit.transport.resume_reading()
            await asyncio.sleep(0.001)
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await visit.gone(30)

    async with Upstream(script=sip, buffer=64 * KIB) as upstream:
        route = one_route(upstream.origin, timeouts={"idle": "1s", "response": "1s"})
        async with running(route) as proxy, await proxy.client() as client:
            client.send(request("POST", "/api/x", body=bytes(LARGE)))
            await client.bell.until(lambda: bool(client.received), "for the answer", 40)
            assert 200 == (await client.answer()).status


async def send_dust(client, dust):
    """Send it again and again, as fast as it is taken."""
    client.send(request("POST", "/api/x", CHUNKED))
    while client.ending is None:
        if client.transport.get_write_buffer_size() < 256 * KIB:
            client.send(dust)
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("name", DUST)
async def test_small_pieces_leave_their_turn_to_others(name):
    """Two clients send as fast as they can; a third asks meanwhile."""

    async def take(visit):
        visit.counts_only = True
        await visit.gone(60)

    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream(script=take))
        proxy = await stack.enter_async_context(running(one_route(upstream.origin)))
        clients = [await stack.enter_async_context(await proxy.client()) for _ in range(2)]
        tasks = [asyncio.ensure_future(send_dust(each, DUST[name])) for each in clients]
        waits, ends = [], time.perf_counter() + ATTACK_S
        while time.perf_counter() < ends:
            began = time.perf_counter()
            assert 404 == (await proxy.ask(get("/nowhere"))).status
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        taken = sum(visit.total for visit in upstream.visits)
    median = percentile(waits, 0.5)
    show(
        f"{name}: another client waits",
        ["median", "worst"],
        [[f"{median * 1e3:.1f} ms", f"{max(waits) * 1e3:.1f} ms"]],
    )
    assert taken > 100 * KIB
    assert median < BOUND_S


@pytest.mark.parametrize("name", HEADS)
async def test_an_odd_head_holds_nobody(name):
    """Half a minute before, for 32 KiB."""
    head = b"HTTP/1.1 200 OK\r\n" + HEADS[name] + b"Transfer-Encoding: chunked\r\n\r\n"

    async def script(visit):
        await visit.request()
        visit.send(head)
        await asyncio.sleep(0.05)
        visit.send(b"2\r\nok\r\n0\r\n\r\n")
        await visit.gone(60)

    async with Upstream(script=script) as upstream, running(one_route(upstream.origin)) as proxy:
        began = time.perf_counter()
        answer = await proxy.ask(get())
        took = time.perf_counter() - began
    show(f"{name} of 32 KB", ["took"], [[f"{took * 1e3:.0f} ms"]])
    assert 200 == answer.status
    assert took < 1
