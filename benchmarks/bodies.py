"""A client that takes or sends a large body at a time, on one connection that it keeps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.pacer import CHUNK_SIZE, AnswerError, announced


if TYPE_CHECKING:
    import socket


BUFFER_SIZE = 256 * 1024
ZEROS = memoryview(bytes(BUFFER_SIZE))
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is asked each time: a head, the bytes of zeros after it, and those of the answer."""

    head: bytes
    sent: int = 0
    received: int | None = None  # any number


@dataclass(frozen=True, slots=True)
class Client:
    """A connection, and what is asked on it."""

    socket: socket.socket
    exchange: Exchange
    buffer: bytearray = field(default_factory=lambda: bytearray(BUFFER_SIZE))

    def ask(self) -> float:
        """Seconds from a request's first byte to its answer's last; AnswerError or OSError."""
        began = time.perf_counter()
        self.send()
        self.receive()
        return time.perf_counter() - began

    def send(self) -> None:
        """Sends the request whole."""
        self.socket.sendall(self.exchange.head)
        for at in range(0, self.exchange.sent, BUFFER_SIZE):
            self.socket.sendall(ZEROS[: self.exchange.sent - at])

    def receive(self) -> None:
        """Takes the answer whole, and drops it."""
        head = b""
        while HEAD_END not in head:
            head += self.some(CHUNK_SIZE)
        head, _, begun = head.partition(HEAD_END)
        size = announced(head)
        if self.exchange.received not in {None, size}:
            raise AnswerError(f"{size} bytes instead of {self.exchange.received}")
        left = size - len(begun)
        while left > 0:
            left -= len(self.some(BUFFER_SIZE))
        if left:
            raise AnswerError("more was answered than announced")

    def some(self, most: int) -> memoryview:
        """What has come, at most so many bytes."""
        size = self.socket.recv_into(self.buffer, most)
        if not size:
            raise AnswerError("the connection was closed")
        return memoryview(self.buffer)[:size]
