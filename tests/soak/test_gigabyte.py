"""1 GiB each way arrives unchanged, and the proxy's memory does not grow with it."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time

import pytest

from tests.soak.rig.process import Peak, cpu_s, open_files
from tests.soak.rig.table import show
from tests.soak.rig.upstream import Peer


pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

MIB = 1024 * 1024
SIZE = 1024 * MIB
WARM_UP = 32 * MIB
GROWTH = 16 * MIB
HELD_S = 2.0
"""How long the receiver reads nothing at first: a proxy that buffers shows itself then."""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def content(size):
    """Yield `size` bytes, no two pieces alike, so that one lost, doubled or moved is seen."""
    noise = os.urandom(MIB)
    for number in range(size // MIB):
        yield number.to_bytes(16, "big") + noise[16:]


def put(peer, framing, size):
    """Send a body; return its SHA-256."""
    digest = hashlib.sha256()
    send = peer.chunk if framing == "chunked" else peer.send
    for piece in content(size):
        digest.update(piece)
        send(piece)
    if framing == "chunked":
        peer.send(b"0\r\n\r\n")
    return digest.hexdigest()


def take(peer, head, held_s):
    """Read a body after a while; return its SHA-256 and its size."""
    if held_s:
        time.sleep(held_s)
    digest, size = hashlib.sha256(), 0
    for piece in peer.body(head):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def told(framing, size):
    """Return the field that tells a body's framing."""
    if framing == "chunked":
        return b"Transfer-Encoding: chunked\r\n"
    return b"Content-Length: %d\r\n" % size


class Transfer:
    """One body through the proxy; both ends are told which by the target.

    Attributes:
        sent: the sender's SHA-256.
        got: the receiver's SHA-256 and the size.
    """

    def __init__(self):
        self.sent = ""
        self.got = ("", 0)
        self.upstream_done = threading.Event()

    def serve(self, peer, head):
        """Answer `/DIRECTION/FRAMING/SIZE/HELD_MS`."""
        _, direction, framing, size, held_ms = peer.target.split("/")
        if direction == "down":
            peer.send(b"HTTP/1.1 200 OK\r\n" + told(framing, int(size)) + b"\r\n")
            self.sent = put(peer, framing, int(size))
        else:
            self.got = take(peer, head, int(held_ms) / 1000)
            peer.send(OK)
        self.upstream_done.set()

    def run(self, port, direction, framing, size, held_s=0.0):
        """Be the client."""
        self.upstream_done.clear()
        line = f"/api/{direction}/{framing}/{size}/{held_s * 1000:.0f} HTTP/1.1\r\n".encode()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            peer = Peer(connection)
            if direction == "down":
                peer.send(b"GET " + line + b"Host: localhost\r\n\r\n")
                self.got = take(peer, peer.head(), held_s)
            else:
                fields = b"Host: localhost\r\n" + told(framing, size)
                peer.send(b"POST " + line + fields + b"\r\n")
                self.sent = put(peer, framing, size)
                assert {"content-length": "0"} == peer.head()
        assert self.upstream_done.wait(20)


WAYS = [(way, framing) for way in ("down", "up") for framing in ("length", "chunked")]


def test_a_gibibyte_passes_unchanged_in_constant_memory(start):
    """Both ways, both framings; the receiver holds still at first."""
    transfer = Transfer()
    proxy = start(transfer.serve)
    pid, rows, growths = proxy.process.pid, [], []
    for way, framing in WAYS:
        transfer.run(proxy.port, way, framing, WARM_UP)
    files = open_files(pid)
    for way, framing in WAYS:
        began, cpu = time.perf_counter(), cpu_s(pid)
        with Peak(pid) as memory:
            transfer.run(proxy.port, way, framing, SIZE, HELD_S)
        took, cpu = time.perf_counter() - began - HELD_S, cpu_s(pid) - cpu
        digest, size = transfer.got
        rows.append(
            [
                f"{way}, {framing}",
                "equal" if digest == transfer.sent else "DIFFERENT",
                f"{size / took / MIB:.0f}",
                f"{cpu:.2f}",
                f"{memory.before / MIB:.1f}",
                f"{memory.peak / MIB:.1f}",
                f"{memory.growth / MIB:.1f}",
            ]
        )
        growths.append(memory.growth)
        assert SIZE == size
        assert transfer.sent == digest
        assert memory.samples > HELD_S * 20
    heads = ["1 GiB", "SHA-256", "MiB/s", "CPU s", "RSS before", "RSS peak", "growth MiB"]
    show("1 GiB through the proxy (the receiver holds still for 2 s)", heads, rows)

    assert max(growths) < GROWTH
    assert open_files(pid) <= files
