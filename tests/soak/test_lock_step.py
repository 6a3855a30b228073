"""Server-sent events in lock-step: event n+1 is sent only after the client confirmed event n."""

from __future__ import annotations

import subprocess
import threading
import time
from http.client import HTTPConnection
from typing import IO, cast

import pytest

from tests.e2e.rig.tools import tool
from tests.soak.rig.table import percentile, show


pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

EVENTS = 200
BOUND_S = 0.5
"""Far above what an event takes, far below what any buffer's timer would hold it back for."""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
FRAMINGS = {"chunked": STREAM + b"Transfer-Encoding: chunked\r\n\r\n", "close": STREAM + b"\r\n"}


class Source:
    """An upstream that tells an event and waits for its confirmation on another connection."""

    def __init__(self, framing):
        self.framing = framing
        self.sent_at = []
        self.confirmed = threading.Semaphore(0)
        self.late = []

    def serve(self, peer, _):
        """Answer `/events`, and `/confirm/N`."""
        if peer.target != "/events":
            self.confirmed.release()
            peer.send(OK)
            return
        peer.send(FRAMINGS[self.framing])
        send = peer.chunk if self.framing == "chunked" else peer.send
        for number in range(EVENTS):
            self.sent_at.append(time.perf_counter())
            send(b"id: %d\ndata: x\n\n" % number)
            if not self.confirmed.acquire(timeout=20):
                self.late.append(number)
                break
        if self.framing == "chunked":
            peer.send(b"0\r\n\r\n")
        else:
            peer.connection.close()


@pytest.mark.parametrize("framing", FRAMINGS)
def test_every_event_arrives_before_the_next_is_sent(framing, start):
    """Nothing is held back: with one event kept the two would wait for each other."""
    source = Source(framing)
    proxy = start(source.serve)
    base = f"http://127.0.0.1:{proxy.port}/api"
    numbers, delays = [], []
    confirmation = HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    # curl -N is what people watch such streams with.
    command = [tool("curl"), "-sS", "-N", "--max-time", "120", f"{base}/events"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as curl:
        for line in cast("IO[bytes]", curl.stdout):
            if not line.startswith(b"id: "):
                continue
            numbers.append(int(line[4:]))
            delays.append(time.perf_counter() - source.sent_at[numbers[-1]])
            confirmation.request("POST", f"/api/confirm/{numbers[-1]}")
            with confirmation.getresponse() as answer:
                assert (200, b"") == (answer.status, answer.read())
    confirmation.close()
    ms = [delay * 1000 for delay in delays]
    show(
        f"lock-step events, {framing}",
        ["events", "p50 ms", "p99 ms", "max ms"],
        [[len(ms), f"{percentile(ms, 0.5):.2f}", f"{percentile(ms, 0.99):.2f}", f"{max(ms):.2f}"]],
    )

    assert 0 == curl.returncode
    assert list(range(EVENTS)) == numbers
    assert [] == source.late
    assert max(delays) < BOUND_S
