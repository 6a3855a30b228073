"""How a connection's bytes become requests."""

from __future__ import annotations

import pytest

from proxy.standins.reader import Reader


CHUNKED = (
    b"POST /a?b HTTP/1.1\r\nHOST: x \r\nX-a: 1\r\nx-A: \xe9\r\ntransfer-encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("size", [1, 7, len(CHUNKED)])
def test_a_request_is_the_same_in_whatever_pieces_it_comes(size):
    """Order, case, duplicates and bytes beyond ASCII stay; chunks are taken off."""
    reader = Reader(1000)
    pieces = [CHUNKED[i : i + size] for i in range(0, len(CHUNKED), size)]

    [request] = [request for piece in pieces for request in reader.feed(piece)]

    fields = (("HOST", "x"), ("X-a", "1"), ("x-A", "é"), ("transfer-encoding", "chunked"))
    assert ("POST", "/a?b", fields) == (
        request.head.method,
        request.head.target,
        request.head.headers,
    )
    assert (request.body, request.body_bytes) == (b"abcde", 5)


def test_pipelined_requests_come_out_in_order():
    """Two requests in one piece are two requests."""
    requests = Reader(10).feed(CHUNKED + b"GET /second HTTP/1.0\r\n\r\n")

    assert [request.head.target for request in requests] == ["/a?b", "/second"]
    assert [request.head.keep_alive for request in requests] == [True, False]


def test_a_body_beyond_the_limit_is_counted_and_dropped():
    """What is kept is bounded, the length is true."""
    reader = Reader(4)
    reader.feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123")

    unfinished = reader.so_far()
    [request] = reader.feed(b"4567890")

    assert unfinished is not None
    assert (unfinished.body, unfinished.body_bytes) == (b"123", 3)
    assert (request.body, request.body_bytes) == (b"1234", 10)
    assert reader.so_far() is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_no_http_breaks_the_reader(data):
    """A TLS hello and an ambiguous length are refused, not guessed at."""
    reader = Reader(10)

    assert reader.feed(data) == []
    assert reader.broken


def test_connect_ends_the_reader():
    """Node closes the connection of a CONNECT that nobody listens for."""
    reader = Reader(10)
    reader.feed(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")

    assert (reader.ended, reader.broken) == (True, False)
