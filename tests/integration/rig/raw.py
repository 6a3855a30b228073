"""A raw client: exact bytes out, and the difference between FIN and RST."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Literal, Self, cast

from tests.integration.rig.end import End
from tests.integration.rig.message import take_answer
from tests.integration.rig.patience import Bell


if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.rig.message import Answer


class Client(End, asyncio.Protocol):
    """A connection to the proxy.

    Attributes:
        received: every byte that came, less what `answer()` has taken.
        total: how many bytes came.
        counts_only: keep no bytes, for there will be too many.
    """

    def __init__(self) -> None:
        self.received = b""
        self.total = 0
        self.counts_only = False
        self.ending: Literal["FIN", "RST"] | None = None
        self.bell = Bell()
        self.transport: asyncio.Transport

    @classmethod
    async def connect(cls, where: int | Path, *, host: str = "127.0.0.1", buffer: int = 0) -> Self:
        """Connect to a port or a unix socket.

        Args:
            where: which.
            host: for a port.
            buffer: bytes of the kernel's receive buffer.
        """
        loop = asyncio.get_running_loop()
        if not isinstance(where, int):
            _, client = await loop.create_unix_connection(cls, str(where))
            return client
        if not buffer:
            _, client = await loop.create_connection(cls, host, where)
            return client
        raw = await cls.connect_raw(where, host=host, buffer=buffer)
        _, client = await loop.create_connection(cls, sock=raw)
        return client

    @staticmethod
    async def connect_raw(port: int, *, host: str = "127.0.0.1", buffer: int = 0) -> socket.socket:
        """Connect to a port, and leave the socket as it is; `buffer` as for `connect`."""
        raw = socket.socket(socket.AF_INET)
        if buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        raw.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(raw, (host, port))
        except BaseException:
            raw.close()
            raise
        return raw

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.transport.abort()
        await self.bell.until(lambda: self.ending is not None)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Count, keep, ring."""
        self.total += len(data)
        if not self.counts_only:
            self.received += data
        self.bell.ring()

    def eof_received(self) -> bool:
        """Take note of FIN."""
        self.ending = "FIN"
        self.bell.ring()
        return self.stays

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end."""
        self.ending = self.ending or ("FIN" if exc is None else "RST")
        self.bell.ring()

    # What tests call.

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.transport.write(data)

    async def ask(self, data: bytes, *, to_head: bool = False) -> Answer:
        """Send bytes and return the answer to them."""
        self.send(data)
        return await self.answer(to_head=to_head)

    async def answer(self, *, to_head: bool = False) -> Answer:
        """Return the next final answer."""

        def taken() -> Answer | None:
            ended = self.ending == "FIN"
            return take_answer(self.received, to_head=to_head, ended=ended)

        await self.bell.until(
            lambda: taken() is not None or self.ending is not None,
            f"for an answer; have {self.received[:200]!r}",
        )
        answer = taken()
        assert answer is not None, (self.ending, self.received[:500])
        size = len(answer.raw) + sum(map(len, answer.interim))
        self.received = self.received[size:]
        return answer

    async def until(self, part: bytes) -> None:
        """Wait until `part` has come."""
        await self.bell.until(
            lambda: part in self.received, f"for {part[:40]!r}; have {self.received[:200]!r}"
        )

    async def ended(self, limit_s: float = 8.0) -> str:
        """Wait for the connection's end; return `FIN` or `RST`."""
        await self.bell.until(lambda: self.ending is not None, "for the end", limit_s)
        return str(self.ending)
