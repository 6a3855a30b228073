"""Connections that are gone leave nothing behind that only the garbage collector would find.

It comes around seldom, and to what is old almost never: see `GC_PACE`.
"""

from __future__ import annotations

import gc

import pytest

from proxy.dataplane.client import ClientConnection
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import get, one_route, request


CHUNKED = request("POST", "/api/x", "Transfer-Encoding: chunked")
SENT = {
    "nothing": (b"", 0),
    "half a head": (b"GET /api/x HT", 0),
    "no head": (b"\0\r\n\r\n", 1),
    "a request": (get(), 1),
    "a body": (request("POST", "/api/x", body=b"hello"), 1),
    "a body in chunks": (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", 1),
    "half a body": (CHUNKED + b"5\r\nhel", 0),
    "a refused request and its body": (request("POST", "/no/x", body=b"hello"), 1),
    "half of the second": (get() + b"GET /api/x HT", 1),
}


def connections():
    """Return how many connections of clients are in memory."""
    return sum(isinstance(each, ClientConnection) for each in gc.get_objects())


@pytest.fixture
def uncollected():
    """Keep the collector from running, and what was there before from being looked at."""
    gc.disable()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize(("sent", "answers"), SENT.values(), ids=SENT)
async def test_a_connection_that_is_gone_is_freed_at_once(proxy, sent, answers):
    """Whatever it was in the middle of."""
    before = connections()
    for _ in range(3):
        async with await proxy.client() as client:
            client.send(sent)
            for _ in range(answers):
                await client.answer()
            await seen(lambda: connections() == before + 1)

    await seen(lambda: connections() == before)


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize(
    ("rest", "answers"),
    [(b"", 0), (b"no size\r\n", 1), (b"no size\r\n", 0), (b"5\r\n", 1)],
    ids=["leaves", "is no chunk", "is no chunk and leaves", "comes too late"],
)
async def test_an_upload_that_nobody_answers_is_freed_at_once(start, serve, rest, answers):
    """With what has come of it: it may be a quarter of a MiB each time."""
    silent = await serve(None)
    proxy = await start(one_route(silent.origin) | {"timeouts": {"body": "200ms"}})
    before = connections()
    for number in range(3):
        async with await proxy.client() as client:
            client.send(CHUNKED + b"5\r\nhello\r\n")
            visit = await silent.visited(number + 1)
            await visit.until(b"hello")
            client.send(rest)
            for _ in range(answers):
                await client.answer()

    await seen(lambda: connections() == before)


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n"])
async def test_a_request_whose_upstream_fails_is_freed_at_once(start, serve, answer):
    """An outage must not be one of memory."""

    async def serve_badly(visit):
        await visit.head()
        visit.send(answer)
        visit.transport.close()

    bad = await serve(script=serve_badly)
    proxy = await start(one_route(bad.origin))
    before = connections()
    for _ in range(3):
        async with await proxy.client() as client:
            client.send(get())
            assert 502 == (await client.answer()).status

    await seen(lambda: connections() == before)
