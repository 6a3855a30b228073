"""What the adapter leans on in aiohttp: an upgrade that changes it fails here, by name."""

from __future__ import annotations

import asyncio
import inspect

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import RawRequestMessage
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserC
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from proxy.dataplane import client as client_module, reading
from proxy.dataplane.errors import BadRequest, HeadersTooLarge
from proxy.dataplane.request import ClientRequest
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import get, request


def test_aiohttp_is_of_the_minor_version_that_was_read():
    """Another one is to be read before it is used."""
    assert [3, 14] == [int(part) for part in aiohttp.__version__.split(".")[:2]]


def test_the_c_parser_is_there():
    """The one in Python reads other things as requests, and costs twenty times as much."""
    assert HttpRequestParser is HttpRequestParserC


@pytest.mark.parametrize(
    "name",
    [
        "_force_close",
        "_messages",
        "_parser",
        "_buffer_paused",
        "_msg_queue_resume_size",
        "_max_msg_queue_size",
        "_reading_paused",
        "_pause_reading_for_buffer",
        "_resume_reading_for_buffer",
        "_waiter",
        "_current_request",
        "_request_count",
        "_resume_reading_if_drained",
        "force_close",
    ],
)
def test_the_handler_has_the_names_that_are_used(name):
    """Slots and methods of `RequestHandler`."""
    assert hasattr(RequestHandler, name)
    assert name in "".join(map(inspect.getsource, (client_module, reading)))


def test_the_protocol_has_the_private_half_of_write():
    """`_drain_helper` waits exactly while `writing_paused`."""
    assert inspect.iscoroutinefunction(BaseProtocol._drain_helper)
    assert isinstance(BaseProtocol.writing_paused, property)


def test_the_server_takes_these_arguments_and_nothing_swallows_them():
    """`web.Server` would drop unknown ones with all limits; the handler itself raises."""
    taken = inspect.signature(RequestHandler.__init__).parameters
    used = {"keepalive_timeout", "max_line_size", "max_field_size", "max_headers"}

    assert used | {"auto_decompress", "access_log"} <= set(taken)
    assert {"handler_cancellation", "loop"} <= set(inspect.signature(Server.__init__).parameters)


@pytest.fixture
async def connection(proxy):
    """Return the proxy's end of a client's connection, and that client."""
    async with await proxy.client() as client:
        await seen(lambda: proxy.service._front.connections)
        [connection] = proxy.service._front.connections
        yield connection, client


async def test_start_is_the_connections_one_task(connection):
    """Ours is run in the place of aiohttp's, and cancelled when the connection is lost."""
    ours, client = connection
    task = ours._task_handler

    assert task.get_coro().__qualname__ == "ClientConnection.start"
    client.close()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_head_becomes_a_raw_request_message(connection):
    """With the target, the fields and the version as they were sent."""
    ours, _ = connection
    ours.data_received(b"PUT /a%2F?b HTTP/1.1\r\nhOst: x\r\nX-A: caf\xe9\r\n\r\n")
    message, payload = ours._messages[-1]

    assert isinstance(message, RawRequestMessage)
    assert ("PUT", "/a%2F?b", (1, 1)) == (message.method, message.path, tuple(message.version))
    assert ((b"hOst", b"x"), (b"X-A", b"caf\xe9")) == tuple(message.raw_headers)
    assert ("x", False, False) == (message.headers.get("Host"), message.chunked, message.upgrade)
    assert payload.is_eof()


async def test_what_cannot_be_parsed_is_queued_with_its_error(connection):
    """As something else than a message, with what it is refused with."""
    ours, _ = connection
    ours.data_received(b"\x00\r\n\r\n")
    message, _ = ours._messages[-1]

    assert isinstance(message.refusal, BadRequest)


async def test_too_many_fields_are_told_by_their_text(connection):
    """There is no class for it."""
    ours, _ = connection
    ours.data_received(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 300 + b"\r\n")
    [(error, _)] = ours._messages

    assert isinstance(error.refusal, HeadersTooLarge)


async def test_a_body_whose_chunks_break_is_let_go_of(connection):
    """The error is queued and aiohttp never wakes the reader: that is what ours does."""
    ours, _ = connection
    ours.data_received(request("POST", "/nowhere", "Transfer-Encoding: chunked"))
    _, payload = ours._messages[-1]
    RequestHandler.data_received(ours, b"zz\r\n")
    by_aiohttp = payload.exception()
    ours.data_received(b"zz\r\n")

    assert None is by_aiohttp
    assert isinstance(payload.exception(), Exception)


async def test_taking_a_full_buffer_takes_what_comes_in_meanwhile(connection):
    """Aiohttp parses on while it is read, and the body ends: its last pieces are taken too."""
    ours, _ = connection
    ours.data_received(b"PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    _, payload = ours._messages[-1]
    request = ClientRequest(payload, ours)
    ours.data_received(b"%x\r\n%b\r\n4\r\ntail\r\n0\r\n\r\n" % (600_000, b"x" * 600_000))
    before = request.ended
    taken = request.take()

    assert (False, True) == (before, request.ended)
    assert (600_004, b"tail") == (len(taken), taken[-4:])


@pytest.mark.parametrize("name", ["h2c", "websocket"])
async def test_an_upgrade_is_told(connection, name):
    """Bytes behind it may get lost, so that such a connection is closed."""
    ours, _ = connection
    ours.data_received(get("/", f"Upgrade: {name}", "Connection: upgrade"))
    message, _ = ours._messages[-1]

    assert message.upgrade


async def test_a_connection_is_not_idle_while_its_request_is_taken_up(connection, upstream):
    """Between the queue and the handler there is a moment that a drain must not hit."""
    ours, client = connection
    states = []
    ours.data_received(get())
    for _ in range(20):
        states.append(ours.idle)
        await asyncio.sleep(0)
    answer = await client.answer()
    await seen(lambda: ours.idle)

    assert False is any(states[:3])
    assert 200 == answer.status


async def test_a_new_connection_is_idle(connection):
    """It has asked for nothing: a drain closes it."""
    ours, _ = connection

    assert ours.idle


async def test_pipelined_requests_queue_up_to_a_limit_and_reading_stops(connection, upstream):
    """A flood is held in the kernel, not here."""
    ours, client = connection
    upstream.answer = None
    client.send(get() * 5000)
    await upstream.asked()
    await seen(lambda: ours._buffer_paused)

    assert len(ours._messages) <= 32


async def test_losing_the_connection_fails_the_body_and_cancels_the_task(connection, upstream):
    """`_cancel` of the current request is called with the reason, then the task is cancelled."""
    ours, client = connection
    client.send(request("POST", "/api/x", "Content-Length: 5"))
    await upstream.visited()
    current, task = ours._current_request, ours._task_handler
    client.reset()

    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ConnectionError):
        await current.read()
