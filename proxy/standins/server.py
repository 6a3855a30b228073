"""What both stand-ins share: a loopback HTTP/1.1 server that behaves like Node and remembers."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Self, cast

from proxy.standins.message import closes, encode
from proxy.standins.reader import Reader


if TYPE_CHECKING:
    from types import TracebackType

    from proxy.standins.message import Answer, Head, Received, Request

# Node's `server.keepAliveTimeout`.
KEEP_ALIVE_S: Final = 5.0
# Node's answer to bytes it cannot parse, and to HTTP/1.1 without Host.
_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"


class Standin(ABC):
    """A server on 127.0.0.1; use it as an async context manager or call `start` and `close`.

    Args:
        body_limit: bytes; longer bodies are refused, and only this much of one is kept.
        keep_alive_s: seconds that an idle connection stays open.

    Attributes:
        received: every request, in the order of its answer.
        connections: how many connections were ever accepted.
    """

    def __init__(self, *, body_limit: int, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self.body_limit = body_limit
        self.keep_alive_s = keep_alive_s
        self.received: list[Received] = []
        self.connections = 0
        self._open: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @abstractmethod
    def early(self, head: Head, body_bytes: int) -> Answer | None:
        """Return the answer that needs no more than the head and "at least `body_bytes`"."""

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """Return the answer to a whole request that `early` left alone."""

    @property
    def url(self) -> str:
        """Return the origin, as `http://127.0.0.1:PORT`; `start` comes first."""
        if self._server is None:
            raise RuntimeError("the stand-in is not started")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one. Raises OSError if the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port)

    async def close(self) -> None:
        """Stop listening and cut every connection; may be called twice."""
        if self._server is None:
            return
        self._server.close()
        gone = [connection.cut() for connection in self._open]
        await asyncio.gather(*(event.wait() for event in gone))
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def opened(self, connection: _Connection) -> None:
        """Note a connection that was accepted."""
        self.connections += 1
        self._open.add(connection)

    def closed(self, connection: _Connection) -> None:
        """Note a connection that is gone."""
        self._open.discard(connection)


class _Connection(asyncio.Protocol):
    """One client: its bytes in, the stand-in's answers out."""

    _transport: asyncio.Transport

    def __init__(self, standin: Standin) -> None:
        self._standin = standin
        self._reader = Reader(standin.body_limit)
        self._judged: Head | None = None
        self._early: Received | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._gone = asyncio.Event()

    def cut(self) -> asyncio.Event:
        """Abort the connection; the event is set when it is gone."""
        self._transport.abort()
        return self._gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._standin.opened(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._stay_awake()
        self._standin.closed(self)
        self._gone.set()

    def data_received(self, data: bytes) -> None:
        self._stay_awake()
        for request in self._reader.feed(data):
            self._complete(request)
        if self._reader.broken:
            self._transport.write(_BAD_REQUEST)
        if self._reader.broken or self._reader.ended:
            self._transport.close()
        elif self._reader.head:
            self._judge(self._reader.head)
        else:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._standin.keep_alive_s, self._transport.close)

    def _judge(self, head: Head) -> None:
        if head is not self._judged:
            self._judged = head
            if head.header("expect").lower() == "100-continue":
                # Node says so before the application sees the request, even if it will refuse it.
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        so_far = max(head.announced_bytes, self._reader.body_bytes)
        if self._early is None and (answer := self._standin.early(head, so_far)):
            request = self._reader.so_far()
            self._early = request.record() if request else None
            self._send(answer, head, self._early)

    def _complete(self, request: Request) -> None:
        head, record = request.head, request.record()
        if head.version == "1.1" and not head.header("host"):
            self._transport.write(_BAD_REQUEST)
            self._transport.close()
        elif self._early is not None:
            self._amend(self._early, record)
            self._early = None
        else:
            early = self._standin.early(head, request.body_bytes)
            self._send(early or self._standin.answer(request), head, record)

    def _amend(self, early: Received, whole: Received) -> None:
        # A test may have cleared the list meanwhile.
        if early in self._standin.received:
            self._standin.received[self._standin.received.index(early)] = whole

    def _send(self, answer: Answer, head: Head, record: Received | None) -> None:
        if self._transport.is_closing():
            return
        if record:
            self._standin.received.append(record)
        self._transport.write(encode(answer, head, self._standin.keep_alive_s))
        if closes(answer, head):
            self._transport.close()

    def _stay_awake(self) -> None:
        if self._idle:
            self._idle.cancel()
            self._idle = None
