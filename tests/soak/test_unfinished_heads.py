"""Three hundred heads that grow and never end do not fill the memory."""

from __future__ import annotations

import contextlib
import select
import socket

import pytest

from tests.e2e.rig.command import running
from tests.soak.rig.neighbour import Neighbour
from tests.soak.rig.process import Peak, open_files, settled
from tests.soak.rig.table import show
from tests.soak.rig.upstream import upstream


pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

KIB = 1024
MIB = 1024 * KIB
CLIENTS = 300
SIZE = 790_000
"""What 100 fields of 7.9 KB are: each of them, and their number, would be taken by many servers."""
HEAD = 64 * KIB
BOUND = CLIENTS * 2 * HEAD
"""Each may hold a head of the limit, twice: a longer one is made of what was there and what came. A
read is 256 KiB: it must not stay with those that are refused."""
SLICE = 16 * KIB
START = b"GET /api/x HTTP/1.1\r\nHost: localhost\r\n"
FIELDS = {
    "100 fields": lambda number: b"X-%d: %b\r\n" % (number, b"v" * 7890),
    "one field": lambda number: b"v" * 7900 if number else b"X: " + b"v" * 7897,
    "short fields": lambda number: b"".join(
        b"X-%d-%d: vvvvvvvv\r\n" % (number, each) for each in range(400)
    ),
}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def unfinished(size, fields):
    """Return a head of about this size without its end."""
    head = START
    number = 0
    while len(head) < size:
        head += fields(number)
        number += 1
    return head[:size]


def push(clients, head):
    """Send each client's head a slice at a time, so that all grow together; return what was taken.

    One that is closed or answered takes no more.
    """
    taken = dict.fromkeys(clients, 0)
    growing = set(clients)
    for client in clients:
        client.setblocking(False)
    while growing:
        ready = select.select([], list(growing), [], 1.0)[1]
        if not ready:
            break  # the proxy reads none of them any more
        for client in ready:
            at = taken[client]
            try:
                taken[client] += client.send(head[at : at + SLICE])
            except ConnectionError:
                growing.discard(client)
            if taken[client] == len(head):
                growing.discard(client)
    return list(taken.values())


def answers(clients):
    """Return how the answers begin that have come."""
    found = []
    for client in clients:
        with contextlib.suppress(OSError):
            found.append(client.recv(4096)[9:12].decode())
    return found


@pytest.fixture
def proxy(tmp_path):
    """The command; heads have time enough to grow."""
    with upstream(lambda peer, _: peer.send(OK)) as origin:
        config = {
            "listen": "127.0.0.1:0",
            "timeouts": {"head": "60s"},
            "limits": {"head": "64KiB"},
            "routes": {
                "api": {"upstream": origin, "credential": {"bearer": {"value": "FAKE-token"}}}
            },
        }
        with running(tmp_path, config) as proxy:
            yield proxy


@pytest.mark.parametrize("size", [SIZE, HEAD - 4 * KIB], ids=["too long", "long"])
@pytest.mark.parametrize("kind", FIELDS)
def test_unfinished_heads_take_bounded_memory(kind, size, proxy):
    """Those that are too long are refused; those that are not may wait, and others are served."""
    pid = proxy.process.pid
    with Neighbour(proxy.port, "/api/x", b"ok") as neighbour:
        neighbour.measure(iter((False, True)).__next__)
    files = open_files(pid)
    head = unfinished(size, FIELDS[kind])
    with contextlib.ExitStack() as stack, Peak(pid) as memory:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), 20))
            for _ in range(CLIENTS)
        ]
        taken = push(clients, head)
        with Neighbour(proxy.port, "/api/x", b"ok") as neighbour:
            neighbour.measure(iter((False, True)).__next__)
        got = answers(clients)
    settled(lambda: open_files(pid) <= files, f"{open_files(pid)} descriptors to be {files}")
    heads = ["kind", "bytes each", "sent MiB", "answered", "RSS growth MiB", "bound MiB"]
    row = [kind, size, f"{sum(taken) / MIB:.0f}", f"{len(got)} ({', '.join(sorted(set(got)))})"]
    figures = [f"{memory.growth / MIB:.1f}", f"{BOUND / MIB:.0f}"]
    show(f"{CLIENTS} unfinished heads", heads, [[*row, *figures]])

    assert memory.growth < BOUND
    if size > HEAD:
        assert ["431"] * CLIENTS == got
