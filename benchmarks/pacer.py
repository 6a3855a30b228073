"""A client that asks at a fixed rate, however slow the answers are, and says how long each took.

A request is sent when it is due on a connection that is free, and its time begins then. If there
is none, its time begins when it was due: to wait for a free connection is the proxy's doing. That
the client itself woke late is not.
"""

from __future__ import annotations

import contextlib
import gc
import re
import select
import socket
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Iterator


CONNECTIONS = 32
SILENCE_S = 5  # without any answer, although some are outstanding
TIMER_SLACK_NS = "1000"  # instead of 50 µs by which the kernel may wake us late
CHUNK_SIZE = 64 * 1024
OK = b"HTTP/1.1 200 "
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class AnswerError(Exception):
    """An answer was not what a small request gets."""


@dataclass(slots=True)
class Line:
    """A connection: when its request's time began, what has come back."""

    socket: socket.socket
    began: float = 0
    received: bytes = b""


def complete(answer: bytes) -> bool:
    """True if an answer has come whole; AnswerError unless it is 200 and says its length."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    return len(body) >= announced(head)


def announced(head: bytes) -> int:
    """The bytes of body that an answer's head announces; AnswerError unless it is 200 and does."""
    length = LENGTH.search(head + b"\r\n")
    if length is None or not head.startswith(OK):
        raise AnswerError(f"unexpected: {head!r}")
    return int(length[1])


class Pacer:
    """Requests that are due by the clock, and the seconds that each took to be answered."""

    def __init__(self, lines: list[socket.socket], request: bytes, per_second: int) -> None:
        self.free = deque(Line(line) for line in lines)
        self.busy: dict[socket.socket, Line] = {}
        self.request = request
        self.gap_s = 1 / per_second
        self.took_s: list[float] = []
        self.due = 0.0
        self.none_free_until = 0.0

    def ask(self, requests: int) -> list[float]:
        """Sends so many requests; the seconds each took, in the order of their answers."""
        left = requests
        self.took_s = []
        self.due = time.perf_counter()
        while left or self.busy:
            while left and self.free and self.due <= (now := time.perf_counter()):
                self.send(now)
                left -= 1
            self.wait(sending=bool(left and self.free))
        return self.took_s

    def send(self, now: float) -> None:
        """Sends the request that is due on a free connection."""
        line = self.free.popleft()
        line.began = self.due if self.due < self.none_free_until else now
        line.received = b""
        line.socket.sendall(self.request)
        self.busy[line.socket] = line
        self.due += self.gap_s

    def wait(self, *, sending: bool) -> None:
        """Waits until something is answered, or the next request is due if it can be sent."""
        limit = max(0.0, self.due - time.perf_counter()) if sending else SILENCE_S
        ready, _, _ = select.select(list(self.busy), [], [], limit)
        now = time.perf_counter()
        if not ready and not sending:
            raise AnswerError(f"no answer in {SILENCE_S} s")
        for each in ready:
            self.receive(self.busy[each], now)

    def receive(self, line: Line, now: float) -> None:
        """Takes what has come; the connection is free again after the answer's end."""
        data = line.socket.recv(CHUNK_SIZE)
        if not data:
            raise AnswerError("the connection was closed")
        line.received += data
        if complete(line.received):
            self.took_s.append(now - line.began)
            if not self.free:
                self.none_free_until = now
            self.free.append(self.busy.pop(line.socket))


def connect(port: int, timeout_s: float | None = None) -> socket.socket:
    """A connection to a port of this machine that sends at once."""
    line = socket.create_connection(("127.0.0.1", port), timeout_s)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


@contextlib.contextmanager
def punctual() -> Iterator[None]:
    """This process wakes in time, and nothing in it but what it is asked for takes time."""
    slack = Path("/proc/self/timerslack_ns")
    before = slack.read_text()
    slack.write_text(TIMER_SLACK_NS)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        slack.write_text(before)
