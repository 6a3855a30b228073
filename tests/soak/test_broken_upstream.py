"""An upstream that breaks off in the middle is never taken for a whole answer."""

from __future__ import annotations

import socket
import subprocess
import threading
from typing import IO, cast
from urllib.parse import urlsplit

import pytest
import requests

from tests.e2e.rig.tools import tool
from tests.soak.rig.table import show


pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

SIZE = 300_000
SENT = SIZE // 2
WHOLE = "whole"
HEADS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE,
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "closing": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
}
# Where closing tells the length, closing is the end; only a reset breaks it.
BREAKS = [
    ("length", "closed"),
    ("length", "reset"),
    ("chunked", "closed"),
    ("chunked", "in-a-chunk"),
    ("chunked", "reset"),
    ("closing", "reset"),
]


class Breaking:
    """An upstream that answers `/FRAMING/END`, an end being `whole` or a way to break off.

    Attributes:
        arriving: set by the client when it has a part of the body: a reset may overtake the rest.
    """

    def __init__(self):
        self.arriving = threading.Event()

    def serve(self, peer, _):
        """Answer, and break off."""
        _, framing, end = peer.target.split("/")
        peer.send(HEADS[framing])
        size = SIZE if end == WHOLE else SENT
        if framing != "chunked":
            peer.send(b"x" * size)
        elif end == "in-a-chunk":
            peer.send(b"%x\r\n" % SIZE + b"x" * size)
        else:
            peer.chunk(b"x" * size)
        if end == WHOLE:
            peer.send(b"0\r\n\r\n" if framing == "chunked" else b"")
        if end == "reset":
            assert self.arriving.wait(20)
            peer.reset()
        if end != WHOLE or framing == "closing":
            peer.connection.close()


def by_curl(url, arriving):
    """Return what curl says of the answer."""
    command = [tool("curl"), "-sS", "-N", "--max-time", "20", url]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as curl:
        output = cast("IO[bytes]", curl.stdout)
        got = output.read(1)
        arriving.set()
        got += output.read()
    if curl.returncode:
        return f"exit {curl.returncode}"
    return WHOLE if SIZE == len(got) else f"taken for whole: {len(got)}"


def by_requests(url, arriving):
    """Return what requests says of it."""
    got = b""
    try:
        with requests.get(url, timeout=20, stream=True) as answer:
            for piece in answer.iter_content(4096):
                got += piece
                arriving.set()
    except requests.exceptions.RequestException as error:
        return type(error).__name__
    return WHOLE if SIZE == len(got) else f"taken for whole: {len(got)}"


def by_http_1_0(url, arriving):
    """Return how the connection of an old client ends: by FIN or by RST."""
    where = urlsplit(url)
    data = b""
    with socket.create_connection((where.hostname, where.port), 20) as connection:
        connection.sendall(f"GET {where.path} HTTP/1.0\r\n\r\n".encode())
        try:
            while piece := connection.recv(65536):
                data += piece
                if len(data) > SENT // 2:
                    arriving.set()
        except ConnectionResetError:
            return "RST"
    head, _, body = data.partition(b"\r\n\r\n")
    if len(body) == SIZE:
        return WHOLE
    if b"content-length: %d" % SIZE in head.lower():
        return "FIN, short of its length"
    return f"taken for whole: {len(body)}"


CLIENTS = {"curl": by_curl, "requests": by_requests, "HTTP/1.0": by_http_1_0}


def test_an_answer_that_breaks_off_is_incomplete_to_every_client(start):
    """Whatever the framing and the client; an answer that is whole is so to all of them."""
    upstream = Breaking()
    proxy = start(upstream.serve)

    def outcomes(framing, end):
        found = []
        for ask in CLIENTS.values():
            upstream.arriving.clear()
            url = f"http://127.0.0.1:{proxy.port}/api/{framing}/{end}"
            found.append(ask(url, upstream.arriving))
        return found

    broken = {f"{framing}, {end}": outcomes(framing, end) for framing, end in BREAKS}
    whole = {f"{framing}, whole": outcomes(framing, WHOLE) for framing in HEADS}
    rows = [[name, *found] for name, found in (broken | whole).items()]
    show("a broken upstream, as each client tells it", ["upstream", *CLIENTS], rows)

    for name, found in broken.items():
        assert not [each for each in found if WHOLE in each], name
    assert [[WHOLE] * 3] * 3 == list(whole.values())
