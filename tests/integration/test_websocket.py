"""WebSockets as people use them: a real client and a real server, the proxy in between."""

from __future__ import annotations

import asyncio
import http
import os

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from tests.integration.rig.patience import PATIENCE_S, seen
from tests.integration.rig.proxy import BEARER, one_route


MIB = 1024 * 1024


async def echo(connection):
    """Send back what comes; the texts `close` and `abort` end it."""
    async for message in connection:
        if message == "close":
            await connection.close(4321, "as agreed \u2713")
        elif message == "abort":
            connection.transport.abort()
        else:
            await connection.send(message)


class Server:
    """A real WebSocket server that remembers the heads of the handshakes."""

    def __init__(self):
        self.handshakes = []
        self.refusal = None
        self.origin = ""

    def process(self, connection, request):
        """Refuse, if a test says so."""
        self.handshakes.append(request.headers)
        if self.refusal is None:
            return None
        return connection.respond(self.refusal, "not for you\n")


@pytest.fixture
async def server():
    """A server that echoes."""
    server = Server()
    async with serve_websockets(
        echo,
        "127.0.0.1",
        0,
        process_request=server.process,
        select_subprotocol=lambda _, offered: next(iter(offered), None),
        max_size=None,
    ) as running:
        server.origin = f"http://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}"
        yield server


@pytest.fixture
async def proxied(server, start):
    """A proxy in front of it."""
    return await start(one_route(server.origin))


@pytest.fixture
async def open_socket(proxied):
    """Open a WebSocket through the proxy; a test that hangs ends."""

    def open_socket(path="/api/ws", **more):
        uri = f"ws://127.0.0.1:{proxied.port}{path}"
        return connect(uri, proxy=None, max_size=None, open_timeout=PATIENCE_S, **more)

    async with asyncio.timeout(20):
        yield open_socket


async def all_gone(proxied):
    """Wait until the proxy holds nothing any more."""
    [pool] = proxied.service.provisioned.pools
    await seen(lambda: not (proxied.service.connections or pool._open or len(pool.sweep)))


async def test_messages_of_all_sizes_and_kinds(open_socket, server, proxied):
    """Text and binary, nothing and a MiB; the credential was on the handshake."""
    messages = ["", "h\u00e9llo", b"", bytes(range(256)), os.urandom(MIB), "\u2713" * 300_000]
    async with open_socket() as socket:
        for message in messages:
            await socket.send(message)
        back = [await socket.recv() for _ in messages]
    await all_gone(proxied)

    assert messages == back
    assert [BEARER.decode()] == server.handshakes[0].get_all("Authorization")


async def test_large_messages_in_both_directions_at_once(open_socket):
    """Sixteen of a MiB each, sent while they come back."""
    messages = [os.urandom(MIB) for _ in range(16)]
    async with open_socket(compression=None) as socket:

        async def send():
            for message in messages:
                await socket.send(message)

        sending = asyncio.ensure_future(send())
        back = [await socket.recv() for _ in messages]
        await sending

    assert messages == back


async def test_a_message_in_fragments_and_a_ping_between_them(open_socket):
    """Frames pass as they are."""

    async def pieces():
        yield "one "
        await (await socket.ping(b"between"))
        yield "two"

    async with open_socket() as socket:
        await socket.send(pieces())
        back = await socket.recv()
        delay = await (await socket.ping())

    assert "one two" == back
    assert delay >= 0


async def test_the_servers_close_code_and_reason_arrive(open_socket, proxied):
    """Whatever they are."""
    async with open_socket() as socket:
        await socket.send("close")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    await all_gone(proxied)

    assert closed.value.rcvd is not None
    assert (4321, "as agreed \u2713") == (closed.value.rcvd.code, closed.value.rcvd.reason)


async def test_the_clients_close_code_and_reason_arrive(open_socket, proxied):
    """And it gets the server's echo of them."""
    async with open_socket() as socket:
        await socket.close(3456, "enough")
    await all_gone(proxied)

    assert (3456, "enough") == (socket.close_code, socket.close_reason)
    line = await proxied.logged()
    assert (101, None) == (line["status"], line["cause"])


async def test_a_server_that_dies_is_no_close_in_order(open_socket, proxied):
    """1006: the client can tell."""
    async with open_socket() as socket:
        await socket.send("abort")
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()
    await all_gone(proxied)

    assert None is closed.value.rcvd


@pytest.mark.parametrize("status", [401, 403, 426, 503])
async def test_a_refused_handshake_arrives_as_it_is(open_socket, server, proxied, status):
    """With its body; the next handshake goes through."""
    server.refusal = http.HTTPStatus(status)
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket():
            pass
    server.refusal = None
    async with open_socket() as socket:
        await socket.send("hi")
        back = await socket.recv()
    await all_gone(proxied)

    response = refused.value.response
    assert (status, b"not for you\n", "hi") == (response.status_code, response.body, back)


async def test_a_path_that_the_proxy_refuses(open_socket, server):
    """Our own answer, to a client that expected something else."""
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket("/nowhere"):
            pass

    assert (404, []) == (refused.value.response.status_code, server.handshakes)


async def test_a_subprotocol_is_agreed_on(open_socket):
    """Between client and server."""
    async with open_socket(subprotocols=["chat.v1", "chat.v3"]) as socket:
        assert "chat.v1" == socket.subprotocol


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_compression_is_agreed_on(open_socket, server, compression):
    """Between client and server; a MiB of the same letter is then little on the wire."""
    async with open_socket(compression=compression) as socket:
        await socket.send("x" * MIB)
        back = await socket.recv()
        names = [extension.name for extension in socket.protocol.extensions]

    offered = "Sec-WebSocket-Extensions" in server.handshakes[0]
    assert ("x" * MIB, offered) == (back, compression is not None)
    assert (["permessage-deflate"] if compression else []) == names


async def test_compressed_bytes_stay_compressed(open_socket, proxied):
    """The log counts what was on the wire."""
    async with open_socket() as socket:
        await socket.send("x" * MIB)
        await socket.recv()
    line = await proxied.logged()

    assert 0 < line["bytes_in"] < 10_000
    assert 0 < line["bytes_out"] < 10_000


async def test_fifty_tunnels_at_once(open_socket, proxied):
    """Nobody gets another's messages, and nothing is left."""

    async def one(number):
        async with open_socket() as socket:
            for turn in range(10):
                await socket.send(f"{number}.{turn}" * 100)
            return [await socket.recv() for turn in range(10)]

    back = await asyncio.gather(*(one(number) for number in range(50)))
    await all_gone(proxied)

    assert [[f"{n}.{turn}" * 100 for turn in range(10)] for n in range(50)] == back
    assert [101] * 50 == [line["status"] for line in proxied.log.requests]


async def test_a_kept_alive_tunnel_lasts_beyond_the_idle_time(server, start):
    """Pings of the library are bytes."""
    proxied = await start(one_route(server.origin, timeouts={"idle": "400ms"}))
    uri = f"ws://127.0.0.1:{proxied.port}/api/ws"
    async with connect(uri, proxy=None, ping_interval=0.1) as socket:
        await asyncio.sleep(1.2)
        await socket.send("still there")
        back = await socket.recv()

    assert "still there" == back
