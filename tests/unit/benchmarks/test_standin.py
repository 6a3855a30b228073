"""The upstream of uploads and event streams answers only what was proxied rightly."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.peers import CREDENTIAL_HEADER, EVENTS_PATH, TOKEN
from benchmarks.peers.standin import EVENT, RECEIVED, REFUSED, Connection


GOOD = f"{CREDENTIAL_HEADER}: {TOKEN}"


class Transport(asyncio.Transport):
    """What is written to it, and whether it was closed."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data):
        """Keeps it."""
        self.written += data

    def close(self):
        """Remembers it."""
        self.closed = True


@pytest.fixture
def connection():
    it = Connection()
    it.connection_made(Transport())
    return it


def send(connection, data):
    """As the loop does, in pieces of what the buffer holds."""
    while data:
        buffer = connection.get_buffer(-1)
        piece, data = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(piece)] = piece
        connection.buffer_updated(len(piece))


def request(*fields, target="/api/files/upload"):
    return "\r\n".join([f"POST {target} HTTP/1.1", *fields, "", ""]).encode()


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
def test_a_body_is_answered_after_its_end(connection, size):
    send(connection, request(GOOD, f"Content-Length: {size}") + bytes(size)[1:])
    if size:
        assert connection.transport.written == b""
        send(connection, b"x")

    assert connection.transport.written == RECEIVED


def test_the_next_request_is_answered_too(connection):
    for _ in range(2):
        send(connection, request(GOOD, "Content-Length: 3") + b"abc")

    assert connection.transport.written == 2 * RECEIVED


@pytest.mark.parametrize(
    "fields",
    [(), (f"{CREDENTIAL_HEADER}: other",), (GOOD, "Cookie: a"), (GOOD, "Authorization: b")],
    ids=["no credential", "another", "a cookie", "the client's"],
)
def test_what_was_not_proxied_rightly_is_refused(connection, fields):
    send(connection, request(*fields, "Content-Length: 0"))

    assert connection.transport.written == REFUSED
    assert connection.transport.closed


def test_a_stream_has_one_event_and_does_not_end(connection):
    send(connection, request(GOOD, target=EVENTS_PATH))

    assert connection.transport.written.endswith(EVENT + b"\r\n")
    assert not connection.transport.closed
