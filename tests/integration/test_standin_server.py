"""The stand-ins' server on the wire: framing, keep-alive, early answers, what it remembers."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest

from proxy.standins.microreact import USER_TOKEN, Microreact


CREATE = b"POST /api/projects/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
async def microreact():
    async with Microreact(body_limit=100) as standin:
        yield standin


@pytest.fixture
async def wire(microreact):
    """Give a reader and a writer of one connection to the stand-in."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(microreact.url).port)
    yield reader, writer
    writer.close()


async def exchange(wire, data, until=b"\r\n\r\n"):
    reader, writer = wire
    writer.write(data)
    return await reader.readuntil(until)


async def test_an_error_is_bare_text_in_chunks(wire):
    """Nothing stands in the head but what Node sends."""
    answer = await exchange(wire, CREATE + b"Content-Length: 2\r\n\r\n{}", b"0\r\n\r\n")

    lines = [line for line in answer.split(b"\r\n") if not line.startswith(b"Date: ")]
    assert lines == [
        b"HTTP/1.1 401 Unauthorized",
        b"Transfer-Encoding: chunked",
        b"Connection: keep-alive",
        b"Keep-Alive: timeout=5",
        b"",
        b"c",
        b"Unauthorized",
        b"0",
        b"",
        b"",
    ]


async def test_what_is_received_is_kept_as_it_was_sent(microreact, wire):
    """Order, case, duplicates and bytes beyond ASCII of the headers are at hand for a test."""
    await exchange(
        wire, b"GET /x?%41=b HTTP/1.1\r\nhOST: x\r\nX-B: 2\r\nx-b: \xe9\r\nX-A: 1\r\n\r\n"
    )

    [received] = microreact.received
    assert (received.method, received.target, received.body_bytes) == ("GET", "/x?%41=b", 0)
    assert received.headers == (("hOST", "x"), ("X-B", "2"), ("x-b", "é"), ("X-A", "1"))


async def test_too_long_a_body_is_refused_before_it_comes(microreact, wire):
    """The announced length is enough; 100 Continue is said first; the connection goes on."""
    head = CREATE + b"Expect: 100-continue\r\nContent-Length: 101\r\n\r\n"

    go_on = await exchange(wire, head)
    refusal = await wire[0].readuntil(b"0\r\n\r\n")
    before = microreact.received[0].body_bytes
    next_answer = await exchange(wire, b"x" * 101 + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    assert go_on == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert refusal.startswith(b"HTTP/1.1 413 Body exceeded 128mb limit\r\n")
    assert next_answer.startswith(b"HTTP/1.1 404 ")
    assert (before, microreact.received[0].body_bytes) == (0, 101)


async def test_too_long_a_chunked_body_is_refused_while_it_comes(wire):
    """Without a length the limit is noticed on the way."""
    head = CREATE + b"Transfer-Encoding: chunked\r\n\r\n65\r\n" + b"x" * 101

    refusal = await exchange(wire, head)

    assert refusal.startswith(b"HTTP/1.1 413 ")


async def test_a_fitting_body_is_awaited_after_100_continue(wire):
    """Nothing but the interim answer comes before the body."""
    head = CREATE + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"

    go_on = await exchange(wire, head)
    answer = await exchange(wire, b"{}")

    assert go_on == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_chunked_request_is_accepted(wire):
    """A document may come in chunks."""
    head = CREATE + f"Access-Token: {USER_TOKEN}\r\n".encode()

    answer = await exchange(
        wire, head + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"met\r\n6\r\na":{}}\r\n0\r\n\r\n'
    )

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_pipelined_requests_are_answered_in_order(wire):
    """Two requests in one segment get two answers."""
    reader, writer = wire
    writer.write(b"GET /a/ HTTP/1.1\r\nHost: x\r\n\r\nGET /b/ HTTP/1.1\r\nHost: x\r\n\r\n")

    answers = [await reader.readuntil(b"0\r\n\r\n") for _ in range(2)]

    assert [b"Location: /a\r\n" in answers[0], b"Location: /b\r\n" in answers[1]] == [True, True]


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"],
)
async def test_what_node_cannot_read_is_400_and_the_end(microreact, wire, data):
    """A TLS hello, a request without Host and a space in the target end the connection."""
    wire[1].write(data)

    assert await wire[0].read() == b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
    assert microreact.received == []


async def test_connection_close_is_honoured(wire):
    """The answer says so and the connection ends behind it."""
    wire[1].write(b"GET /a/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    answer = await wire[0].read()

    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"0\r\n\r\n")


async def test_an_idle_connection_is_closed():
    """Node closes a kept connection after its time, which is what makes stale pools."""
    async with Microreact(keep_alive_s=0.01) as standin:
        port = urlsplit(standin.url).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /a/ HTTP/1.1\r\nHost: x\r\n\r\n")

        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 308 ")


async def test_a_long_body_survives_early_redirects():
    """308 is sent while the body still comes; a client that follows sends all of it three times."""
    document = b'{"meta":{},"x":"%s"}' % (b"x" * 3_000_000)
    headers = {"Access-Token": USER_TOKEN, "Content-Type": "application/json"}
    async with (
        Microreact() as standin,
        httpx.AsyncClient(trust_env=False, follow_redirects=True) as client,
    ):
        target = standin.url + "//api/projects/create/"
        answer = await client.post(target, content=document, headers=headers)

    assert [hop.status_code for hop in answer.history] == [308, 308]
    assert answer.status_code == 200
    assert [each.body_bytes for each in standin.received] == [len(document)] * 3


async def test_close_cuts_open_connections():
    """A stand-in that is closed leaves no client waiting, and can be started again."""
    standin = Microreact()
    await standin.start()
    port = urlsplit(standin.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /a/ HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"0\r\n\r\n")

    await standin.close()
    await standin.close()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    await standin.start(port or 0)

    assert urlsplit(standin.url).port == port
    await standin.close()
    with pytest.raises(RuntimeError):
        _ = standin.url
