"""What `front.py` leans on in aiohttp: an upgrade that changes it fails here, by name."""

from __future__ import annotations

import asyncio
import inspect

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserC
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from proxy.dataplane import front
from proxy.dataplane.front import ClientRequest
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
        "_waiter",
        "_next_keepalive_close_time",
        "_keepalive_handle",
        "_current_request",
        "_request_count",
        "_upgraded",
        "_message_tail",
        "_resume_reading_if_drained",
        "_process_keepalive",
        "force_close",
    ],
)
def test_the_handler_has_the_names_that_are_used(name):
    """Slots and methods of `RequestHandler`."""
    assert hasattr(RequestHandler, name)
    assert name in inspect.getsource(front)


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
    """As something else than a message, with `exc`."""
    ours, _ = connection
    ours.data_received(b"\x00\r\n\r\n")
    message, _ = ours._messages[-1]

    assert not isinstance(message, RawRequestMessage)
    assert isinstance(message.exc, Exception)


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\n", front.MAX_TARGET),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n", front.MAX_FIELD),
    ],
)
async def test_a_line_that_is_too_long_tells_the_limit(connection, data, limit):
    """By which a target is told from a field: the two limits differ."""
    ours, _ = connection
    ours.data_received(data)
    [(error, _)] = ours._messages

    assert isinstance(error.exc, LineTooLong)
    assert limit in error.exc.args


async def test_too_many_fields_are_told_by_their_text(connection):
    """There is no class for it."""
    ours, _ = connection
    ours.data_received(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 300)
    [(error, _)] = ours._messages

    assert "Too many headers" in str(error.exc)


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
    message, payload = ours._messages[-1]
    request = ClientRequest(message, payload, ours)
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


async def test_what_comes_behind_an_upgrade_to_websocket_is_kept(connection):
    """In the same bytes and later ones, until HTTP is read on."""
    ours, _ = connection
    ours.data_received(get("/", "Upgrade: websocket", "Connection: upgrade") + b"one ")
    ours.data_received(b"two")
    kept, ours._message_tail = ours._message_tail, b""
    ours._parser.set_upgraded(False)
    ours._upgraded = False
    ours.data_received(get("/behind"))

    assert (b"one two", ["/", "/behind"]) == (kept, [message.path for message, _ in ours._messages])


async def test_what_comes_behind_another_upgrade_is_lost(connection):
    """Why such a connection is closed, and no other protocol tunnelled: it is read on in HTTP."""
    ours, _ = connection
    ours.data_received(get("/", "Upgrade: h2c", "Connection: upgrade") + b"one ")
    ours.data_received(get("/behind"))

    assert (False, b"") == (ours._upgraded, ours._message_tail)
    assert ["/", "/behind"] == [message.path for message, _ in ours._messages]


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


async def test_silent_connections_end_after_the_keep_alive_time(proxy, monkeypatch):
    """Those that never ask, and those that ask no more."""
    monkeypatch.setattr(front, "KEEPALIVE_S", 0.2)
    async with await proxy.client() as silent, await proxy.client() as asked:
        await asked.ask(get())
        endings = [await silent.ended(), await asked.ended()]

    assert ["FIN", "FIN"] == endings


async def test_a_head_that_drips_ends_after_the_keep_alive_time(proxy, monkeypatch):
    """Each byte does not begin the time anew."""
    monkeypatch.setattr(front, "KEEPALIVE_S", 0.3)
    async with await proxy.client() as client:
        client.send(b"GET /api/x HTTP/1.1\r\nX-A: ")
        for _ in range(50):
            if client.ending is not None:
                break
            client.send(b"x")
            await asyncio.sleep(0.02)
        else:
            pytest.fail("the time began anew with each byte")

    assert b"" == client.received
