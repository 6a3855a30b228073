"""One connection: what is left to read when a write has failed, and when it may rest."""

from __future__ import annotations

import asyncio
import socket
from unittest import mock

import pytest

from proxy.upstream.connection import Connection, Timeouts
from proxy.upstream.errors import Dropped


ANSWER = b"HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno"


@pytest.fixture
def ends():
    """Two ends of a connection: the server's, and ours."""
    server, ours = socket.socketpair()
    with server, ours:
        yield server, ours


def connected(ours, *, tls=False):
    """Return a connection on a socket that the loop does not read."""
    transport = mock.Mock(spec=asyncio.Transport)
    told = {"socket": ours, "ssl_object": object() if tls else None}
    transport.get_extra_info.side_effect = told.get
    loop = asyncio.get_running_loop()
    connection = Connection(loop, mock.Mock(), mock.Mock(), Timeouts())
    connection.connection_made(transport)
    return connection


@pytest.mark.parametrize("error", [BrokenPipeError(), ConnectionResetError()])
async def test_an_answer_in_front_of_a_reset_is_read(error, ends):
    """The loop met the reset when it wrote, and reads no more."""
    server, ours = ends
    connection = connected(ours)
    response = connection.begin(b"POST", to_head=False, whole=False)
    server.sendall(ANSWER)

    connection.connection_lost(error)

    assert (413, b"no") == ((await response.head()).status, await response.read())


@pytest.mark.parametrize(
    ("tls", "held", "error"),
    [
        (False, b"", BrokenPipeError()),
        (False, ANSWER, None),
        (False, ANSWER, TimeoutError()),
        (True, ANSWER, BrokenPipeError()),
    ],
)
async def test_any_other_end_drops_the_exchange(tls, held, error, ends):
    """There is nothing to read, or nothing that could be read as an answer."""
    server, ours = ends
    connection = connected(ours, tls=tls)
    response = connection.begin(b"POST", to_head=False, whole=False)
    server.sendall(held)

    connection.connection_lost(error)

    with pytest.raises(Dropped):
        await response.head()


async def test_without_a_descriptor_to_read_the_rest_the_connection_is_told_lost(ends, monkeypatch):
    """Its place in the pool would never be free again."""
    _, ours = ends
    connection = connected(ours)
    response = connection.begin(b"POST", to_head=False, whole=False)
    monkeypatch.setattr(socket, "fromfd", mock.Mock(side_effect=OSError(24, "no descriptors")))

    connection.connection_lost(BrokenPipeError())

    connection._owner.lost.assert_called_once_with(connection)
    connection._sweep.discard.assert_called_once_with(connection)
    with pytest.raises(Dropped):
        await response.head()


@pytest.mark.parametrize("held", [False, True])
async def test_a_connection_rests_only_once_the_request_has_left(held, ends):
    """Else the next request would stand behind bytes that the upstream may never take."""
    connection = connected(ends[1])
    connection._transport.is_closing.return_value = False
    connection.begin(b"POST", to_head=False, whole=True)
    if held:
        connection.pause_writing()
    connection.data_received(ANSWER)

    assert connection.end(sent=True) is not held
    assert connection._transport.abort.called is held
