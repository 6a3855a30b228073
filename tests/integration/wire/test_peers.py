"""Rows 43, 56, 58, 59 and 66, where more than one exchange, or time, is what they are about."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket

from tests.integration.rig.command import ready
from tests.integration.rig.message import take_answer
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import TOKEN, get, one_route
from tests.integration.rig.raw import Client
from tests.integration.rig.upstream import Upstream


async def test_43_nobody_listens(start):
    """502 for each request, and the client's connection goes on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = await start(one_route(f"http://127.0.0.1:{port}"))
    async with await proxy.client() as client:
        client.send(get() + get())
        answers = [await client.answer(), await client.answer()]

    assert ["upstream-unreachable"] * 2 == [answer.code for answer in answers]
    assert [502, 502] == [answer.status for answer in answers]


async def drip(client, data, every_s):
    """Send byte by byte until the connection ends or nothing is left."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def next_byte(at):
        if client.ending is not None or at == len(data):
            over.set()
            return
        client.send(data[at : at + 1])
        loop.call_later(every_s, next_byte, at + 1)

    next_byte(0)
    await over.wait()


async def test_56_a_head_that_drips_has_one_limit(start, upstream):
    """Each byte does not begin the time anew: 408, and nothing is forwarded."""
    proxy = await start(one_route(upstream.origin) | {"timeouts": {"head": "400ms"}})
    async with await proxy.client() as client:
        async with asyncio.timeout(4):
            await drip(client, get("/api/x", "X-A: " + "x" * 1000), 0.01)
        answer = await client.answer()

    assert (408, "head-timeout") == (answer.status, answer.code)
    assert [] == upstream.visits


async def test_58_a_client_that_does_not_read_is_let_go_of(serve, start):
    """After `timeouts.write`; the upstream sees its connection close."""
    piece = b"x" * 65536

    async def script(visit):
        await visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            visit.send(piece)
        await visit.gone()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin) | {"timeouts": {"write": "400ms"}})
    async with await proxy.client(buffer=4096) as client:
        client.deaf()
        client.send(get())
        visit = await upstream.visited()
        await visit.gone(6)
        await seen(lambda: not proxy.service.connections)

    assert None is take_answer(client.received)


async def test_59_one_connection_too_many(start, upstream):
    """It gets 503 and is closed; nothing is forwarded, and when one has left the next is served."""
    proxy = await start(one_route(upstream.origin) | {"limits": {"connections": 2}})
    async with await proxy.client() as one:
        async with await proxy.client() as two:
            served = [(await one.ask(get())).status, (await two.ask(get())).status]
            async with await proxy.client() as three:
                refused = await three.ask(get())
                ending = await three.ended()
        await seen(lambda: proxy.service.connections == 1)
        after = await proxy.ask(get())
        kept = await one.ask(get())

    assert ([200, 200], 503, "overloaded") == (served, refused.status, refused.code)
    assert ("FIN", b"close") == (ending, refused.one(b"Connection"))
    assert (200, 200) == (after.status, kept.status)
    assert 4 == len(upstream.requests)


@contextlib.contextmanager
def few_descriptors(more):
    """Let what is started meanwhile have so many more descriptors than this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(number for number in range(min(soft, 4096)) if _is_open(number))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + more, hard))
    try:
        yield highest + more
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


async def tried(command):
    """Return the answer to a request on a new connection, or None where it is dropped at once."""
    async with await command.client() as client:
        if client.ending is None:
            client.send(get())
        await client.bell.until(lambda: client.ending or take_answer(client.received))
        return take_answer(client.received)


async def test_66_no_descriptors_left(tmp_path):
    """Connections that could not be accepted come to nothing; then it serves as before."""
    async with Upstream() as upstream, contextlib.AsyncExitStack() as stack:
        (tmp_path / "config.yaml").write_text(
            f"listen: 127.0.0.1:0\nroutes:\n  api:\n    upstream: {upstream.origin}\n"
            "    credential: {bearer: {env: TOKEN}}\n"
        )
        with few_descriptors(32) as most:
            command = await stack.enter_async_context(ready(cwd=tmp_path, TOKEN=TOKEN))
        async with await command.client() as first:
            before = await first.ask(get())
        # More than it can have descriptors at all.
        crowd = [await Client.connect(command.ports[0]) for _ in range(most + 20)]
        # Some have been closed already: uvloop accepts one it has no room for, and drops it.
        for client in crowd:
            if client.ending is None:
                client.send(get())
        await crowd[0].answer()
        for client in crowd:
            client.transport.abort()
        async with asyncio.timeout(4):
            while (after := await tried(command)) is None:
                pass

    assert [200, 200] == [before.status, after.status]
