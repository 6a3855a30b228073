"""What comes in many small pieces is read in many turns of the loop, and comes through whole."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.rig.proxy import get, one_route, request


COUNT = 20_000
ONES = b"1\r\na\r\n" * COUNT
EMPTY_LINES = b"4\r\n\r\n\r\n\r\n" * COUNT
CHUNKED = "Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"
OK_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Turns:
    """Counts turns of the loop while its block runs."""

    async def __aenter__(self):
        self.count = 0
        self._task = asyncio.ensure_future(self._run())
        return self

    async def _run(self):
        while True:
            self.count += 1
            await asyncio.sleep(0)

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.wait([self._task])


@pytest.mark.parametrize(
    ("chunks", "body"), [(ONES, b"a" * COUNT), (EMPTY_LINES, b"\r\n\r\n" * COUNT)]
)
async def test_an_upload_in_tiny_chunks_comes_whole(proxy, upstream, chunks, body):
    """And what is pipelined behind it is the next request, not a part of it."""
    async with await proxy.client() as client:
        client.send(request("POST", "/api/x", CHUNKED) + chunks + LAST + get("/api/behind"))
        assert [200, 200] == [(await client.answer()).status for _ in range(2)]

    assert [body, b""] == [each.body for each in upstream.requests]
    assert [b"/x", b"/behind"] == [each.target for each in upstream.requests]


@pytest.mark.parametrize("piece", [b"1\r\na\r\n", b"4\r\n\r\n\r\n\r\n"])
async def test_tiny_chunks_are_parsed_in_many_turns(proxy, upstream, monkeypatch, piece):
    """However many came in one segment."""
    from proxy.dataplane.reading import Reading  # noqa: PLC0415 -- watched here only

    sizes = []
    parse = Reading._parse

    def watched(self, data):
        before = len(self.cutter.pending) + len(data)
        came = parse(self, data)
        sizes.append(before - len(self.cutter.pending))
        return came

    monkeypatch.setattr(Reading, "_parse", watched)
    answer = await proxy.ask(request("POST", "/api/x", CHUNKED) + piece * COUNT + LAST)

    assert 200 == answer.status
    assert max(sizes) <= 2048, max(sizes)


@pytest.mark.parametrize("size", [1, 4])
async def test_an_answer_in_tiny_chunks_comes_whole(serve, start, size):
    """Read in steps; the connection is kept for the next request."""
    chunk = b"%d\r\n" % size + b"a" * size + b"\r\n"
    answer = OK_CHUNKED + chunk * COUNT + LAST
    upstream = await serve(answer)
    proxy = await start(one_route(upstream.origin))

    async with await proxy.client() as client:
        for _ in range(2):
            came = await client.ask(get())
            assert (200, b"a" * size * COUNT) == (came.status, came.body)

    assert 1 == len(upstream.visits)


async def test_an_answer_whose_upstream_is_gone_is_read_to_its_end(serve, start):
    """What came before the end counts, though its turn comes later."""

    async def script(visit):
        await visit.request()
        visit.send(OK_CHUNKED + ONES + LAST)
        visit.close()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))

    came = await proxy.ask(get())

    assert b"a" * COUNT == came.body


async def test_an_answer_in_tiny_chunks_that_breaks_off_is_not_whole(serve, start):
    """The client's connection is broken off too."""

    async def script(visit):
        await visit.request()
        visit.send(OK_CHUNKED + ONES)
        visit.close()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(get())
        await client.ended()

    assert not client.received.endswith(LAST)
    assert "upstream-protocol-error" == (await proxy.logged())["error"]


async def test_refusals_of_pipelined_requests_leave_turns_to_others(proxy):
    """A thousand come at once; none of them waits for anything."""
    async with await proxy.client() as client, Turns() as turns:
        client.send(get("/nowhere") * 1000)
        for _ in range(1000):
            assert 404 == (await client.answer()).status

    assert turns.count >= 100
