"""One client's connection: its requests one after another, and the limits of its waits.

aiohttp's own `start` makes a task, a writer and a response object a request, which cost as much as
reading it; its error pages quote the request. Ours hands the request on, and answers are bytes. One
sweep over all deadlines stands in for its timers.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp.http import RawRequestMessage

from proxy.dataplane.errors import (
    BadRequest,
    BodyTimeout,
    HeadTimeout,
    Overloaded,
    WriteTimeout,
)
from proxy.dataplane.message import head_of
from proxy.dataplane.model import Head, Peer
from proxy.dataplane.reading import Reading, Unreadable
from proxy.dataplane.request import ClientRequest
from proxy.dataplane.router import RESERVED
from proxy.dataplane.tunnel import reset_at_close
from proxy.dataplane.wait import BODY, HEAD, NEXT, NOTHING, READER, ROOM, Wait
from proxy.judged import Judged
from proxy.upstream.origin import parse_address
from proxy.upstream.unsent import unsent_bytes


if TYPE_CHECKING:
    from aiohttp.streams import StreamReader
    from aiohttp.web_server import Server

    from proxy.dataplane.errors import Refusal
    from proxy.dataplane.front import Front
    from proxy.dataplane.model import Entrance
    from proxy.dataplane.tunnel import End


LINGER_S: Final = 2.0
LINGER_SIZE: Final = 1024 * 1024
"""What a client still sends after a refusal is read and dropped for so long and so much: closing
on it would reset the connection, and the client might lose the answer (RFC 9112 9.6)."""

A_TURN: Final = 8
"""Pipelined requests that are answered in one turn of the loop."""

_GONE: Final = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)

_TOO_MANY: Final = "Too many requests from this address are under way; try again later."
_LATER: Final = ((b"Retry-After", b"5"),)


def _fold_address(text: str) -> str:
    """Return an address without its zone, unmapped."""
    return str(parse_address(text.partition("%")[0]))


_LOCAL: Final[Judged[str, str]] = Judged(_fold_address)


class ClientConnection(Reading):
    """One client's connection."""

    __slots__ = (
        "_awaited", "_entrance", "_front", "_heir", "_local", "_moved", "_served", "_task",
        "_unsent", "_wire", "broken", "crowded", "peer", "wait",
    )  # fmt: skip

    def __init__(
        self, front: Front, server: Server, entrance: Entrance, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(front.limits, server, loop)
        self._front = front
        self._entrance = entrance
        self._heir: End | None = None
        """Has the transport, and is told what becomes of it."""
        self._awaited: StreamReader | None = None
        """The body that a task waits for."""
        self._moved = 0.0
        """When the client last took something of what waits for it."""
        self._unsent = 0
        """Bytes that waited for it then."""
        self.broken: Refusal | None = None
        """Why we break off what is under way."""
        self._task: asyncio.Task[None] | None = None
        self._served = 0
        """Requests that were answered while others waited behind them."""
        self._wire: asyncio.Transport | None = None
        self.wait = Wait(front.limits, loop, self.waited)
        self.crowded = False
        """It is one too many: it is told so."""
        self.peer = Peer("unix")
        self._local = ""
        """The address of ours that it came in on."""

    # The requests.

    async def start(self) -> None:
        """Serve the requests of this connection, one after another; its one task runs this."""
        self._task = asyncio.current_task()
        try:
            await self._serve()
        except asyncio.CancelledError:
            if self.broken is not None and self.transport is not None:
                self._finish()
            raise
        finally:
            self._task = None

    async def _serve(self) -> None:  # noqa: C901, PLR0912, PLR0915 -- one request after another, step by step
        cutter, front, messages = self.cutter, self._front, self._messages
        while not self._force_close:
            if not messages:
                self._waiter = self._loop.create_future()
                await self._waiter
                self._waiter = None
            message, payload = self._next_message()
            unusual = self.crowded or not isinstance(message, RawRequestMessage)
            if unusual and await self._refused(message):
                break
            request = ClientRequest(payload, self)
            self._current_request = cast("Any", request)
            head = head_of(message, ends=cutter.ends)
            if self._entrance.authority != head.authority:
                self._entrance = self._entrance.called(head.authority, self._local)
            if self.peer.proxy is None:
                keep = await front.handler.handle(head, request, self._entrance, self.peer, request)
            else:
                keep = await self._handle_of_proxy(head, request)
            self._current_request = None
            if not payload.is_eof() or (cutter.upgrading and self._left_unread()):
                await self._linger()
                break
            if not keep or self.transport is None or (cutter.last and not messages):
                break
            if self._paused or messages:
                await self._let_others()
            self.wait.begin(HEAD if cutter.pending else NEXT)
        self._finish()

    async def _handle_of_proxy(self, head: Head, request: ClientRequest) -> bool:
        """Answer a request of a trusted proxy, in the name of the client that it asks for."""
        front, handler = self._front, self._front.handler
        peer = front.proxies.client(self.peer, head)
        crowded = front.arrived(peer)
        try:
            if crowded and not self._is_reserved(head.target):
                # The connection goes on: it is not this client's.
                refusal = Overloaded(_TOO_MANY, fields=_LATER, close=False)
                return handler.refuse(refusal, head, request, peer, request)
            return await handler.handle(head, request, self._entrance, peer, request)
        finally:
            front.answered(peer)

    async def _let_others(self) -> None:
        """Wait for the reader of the answers, or for a turn where many requests came at once."""
        if self._paused:
            # Else the answers of a client that asks and does not read would pile up here.
            await self._drain_helper()
        else:
            # Refusals wait for nothing: other clients would wait for all of them.
            self._served += 1
            if not self._served % A_TURN:
                await asyncio.sleep(0)

    def hand_over(self, heir: End) -> tuple[asyncio.Transport | None, bytes]:
        """Give the transport away, for good, with what has come behind the request."""
        early, self.cutter.pending = self.cutter.pending, b""
        self.wait.begin(NOTHING)
        if self.transport is not None:
            self._heir = heir
            self.transport.set_protocol(heir)
            if self._buffer_paused:
                self._resume_reading_for_buffer()
        return self.transport, early

    def _left_unread(self) -> bool:
        """Read HTTP again behind a declined upgrade, unless something has come there.

        It may have been meant for the other protocol, so it is not taken for a request.
        """
        cutter = self.cutter
        if self._messages or self._heir is not None or self._parser is None:
            return False
        if not cutter.pending:
            self._parser.set_upgraded(False)
            cutter.declined()
        return cutter.upgrading

    def _finish(self) -> None:
        """Close once all is written, if the client reads it in time.

        What was handed over is closed already, which only its heir was told.
        """
        if self._heir is not None:
            self.connection_lost(None)
        elif self.transport is not None:
            self.transport.close()
        self._await_reader()

    def _next_message(self) -> tuple[Any, StreamReader]:
        taken = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused:
            few = len(self._messages) <= self._msg_queue_resume_size
            if few and not self.full():
                self._resume_reading_if_drained()
        self.wait.taken(held=self._reading_paused or self._buffer_paused)
        return taken

    async def _refused(self, message: RawRequestMessage | Unreadable) -> bool:
        """Answer what is not handed on; nothing of it is quoted."""
        if isinstance(message, Unreadable):
            refusal = message.refusal
        elif self._is_reserved(message.path):
            return False  # whoever watches over the process is told how it is
        else:
            refusal = Overloaded("Too many connections are open; try again later.", fields=_LATER)
        head = Head("-", "-", (1, 1), (), cast("Any", {}), None, chunked=False, keep_alive=False)
        answer = self._front.handler.refuse_unread(refusal, head, self.peer)
        if self.transport is not None:
            self.transport.write(answer)
        await self._linger()
        return True

    def _is_reserved(self, target: str) -> bool:
        return self._entrance.kind == "shared" and target.startswith(RESERVED)

    async def _linger(self) -> None:
        """Half-close; read and drop until the client has read the answer and leaves."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self._deaf_for = LINGER_SIZE
        self.cutter.pending = b""
        if transport.can_write_eof():
            transport.write_eof()
        transport.resume_reading()
        # The client's leaving cancels this.
        await asyncio.sleep(LINGER_S)

    @property
    def idle(self) -> bool:
        """No request is under way, nor waits, nor is just being taken up."""
        waits = self._waiter is not None or self._request_count == 0
        return waits and self._current_request is None and not self._messages

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the peer."""
        self._wire = cast("asyncio.Transport", transport)
        peername = transport.get_extra_info("peername")
        if isinstance(peername, tuple):
            mapped = peername[0].startswith("::ffff:")
            self.peer = Peer(_fold_address(peername[0]) if mapped else peername[0])
            sockname = transport.get_extra_info("sockname")
            # A client may have been reset by now: then the system knows no address any more.
            self._local = _LOCAL[sockname[0]] if sockname else ""
        address = self.peer.address
        if self._front.proxies.trust(address):
            self.peer = Peer(address, proxy=address)
        super().connection_made(transport)
        self.wait.begin(HEAD)
        self._front.opened(self)

    def verified(self, subject: str | None) -> None:
        """Take note of the subject of the client's certificate; before its first request."""
        if subject is not None:
            self.peer = Peer(self.peer.address, subject, self.peer.proxy)

    def spoke_plainly(self) -> None:
        """Tell a client without TLS that it is needed; nothing it has sent is read."""
        self._unreadable(
            BadRequest(
                "This port speaks TLS: use https in place of http.",
                cause="plain HTTP on a listener with TLS: the client's URL has to begin with https",
            )
        )

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel the request under way."""
        super().connection_lost(exc)
        self._wire = None
        # Each of these holds this connection: it would wait for the collector.
        self._current_request = None
        self.cutter.lost()
        self.wait.end()
        self._front.closed(self)

    def abort(self, reason: Refusal | None = None) -> None:
        """Break the connection off, also one that is closing but whose client does not read.

        Args:
            reason: why, if it is not the client's doing.
        """
        if self._heir is not None:
            self._heir.abort()
            return
        if self._wire is None:
            return
        if self.broken is None and reason is not None:
            self.broken = reason
            if self._current_request is not None and self._task is not None and not self._paused:
                self._task.cancel()  # it answers, if nothing has been answered, and closes
                return
        if self._current_request is not None:
            # To an HTTP/1.0 client FIN would be the end of the answer that is broken off.
            self.reset_at_close()
        self._wire.abort()

    def reset_at_close(self) -> None:
        """Have the connection end with RST, for where FIN would be the end of an answer."""
        if self._wire is not None:
            reset_at_close(self._wire)

    def force_close(self) -> None:
        """Close once what has been written is sent, if the client reads it in time."""
        super().force_close()
        self._await_reader()

    def log_exception(self, *_: Any, **__: Any) -> None:
        """Log nothing here: the handler tells its own faults, and aiohttp's text quotes bytes."""

    def held_back(self) -> None:
        """Begin the time of a head that has begun behind an answered request."""
        if self.wait.what == NEXT:
            self.wait.begin(HEAD)

    # The limits.

    def _wait_no_more(self) -> None:
        """End a wait; look whether a client that is not read is still there."""
        self.wait.begin(ROOM if self._reading_paused or self._buffer_paused else NOTHING)

    def waited(self) -> None:
        """End what has lasted too long."""
        what = self.wait.what
        if what == HEAD and self.cutter.pending:
            self._unreadable(HeadTimeout("The head of the request did not end in time."))
        elif what == BODY:
            # Its end, and heads behind it, may have come just now.
            if self._awaited is not None and not self._awaited.is_eof():
                self._awaited.set_exception(BodyTimeout("The body did not come in time."))
        elif what == READER:
            self._look_for_reader()
        elif what == ROOM:
            self._look_for_client()
        else:
            self.force_close()

    def _look_for_client(self) -> None:
        """A client's leaving is not told while its connection is not read."""
        if self._wire is None or not (self._reading_paused or self._buffer_paused):
            return
        poll = select.poll()
        poll.register(self._wire.get_extra_info("socket").fileno(), _GONE)
        if poll.poll(0):
            self.abort()
        else:
            self.wait.begin(ROOM)

    def _look_for_reader(self) -> None:
        """End a client that takes nothing, however much or little of it the kernel still holds."""
        if self._wire is None:
            return
        now, unsent = self._loop.time(), unsent_bytes(self._wire)
        if unsent < self._unsent:
            self._unsent, self._moved = unsent, now
        limit_s = self._limits.write_s or 0.0
        if now - self._moved < limit_s:
            self.wait.begin(READER)
            return
        self.broken = self.broken or WriteTimeout(
            "The answer was not taken in time.",
            cause=f"timeouts.write: the client took nothing for {limit_s:g} s",
        )
        self.abort()

    def _begin_reader(self) -> None:
        if self._wire is not None:
            self._unsent, self._moved = unsent_bytes(self._wire), self._loop.time()
        self.wait.begin(READER)

    def _await_reader(self) -> None:
        wire = self._wire
        if wire is not None and wire.get_write_buffer_size():
            self._begin_reader()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        super().pause_writing()
        self._begin_reader()

    def resume_writing(self) -> None:
        """It has read, though not all: of a connection that closes the rest has a limit too."""
        super().resume_writing()
        if self.wait.what != READER:
            return
        if self._wire is not None and self._wire.is_closing():
            self._await_reader()
        elif self._awaited is not None:
            self.wait.begin(BODY)
        else:
            self._wait_no_more()

    def pause_reading(self) -> None:
        """The upstream takes a body more slowly than it comes."""
        super().pause_reading()
        self._unread()

    def _pause_reading_for_buffer(self) -> None:
        """More requests have come than are answered."""
        super()._pause_reading_for_buffer()
        self._unread()

    def _unread(self) -> None:
        if self.wait.deadline is None:
            self.wait.begin(ROOM)

    def body_awaited(self, body: StreamReader) -> float:
        """Begin the wait for more of a body; return when."""
        self._awaited = body
        if self.wait.what != READER:
            self.wait.begin(BODY)
        return self._loop.time()

    def body_came(self, size: int, since: float) -> None:
        """End that wait: what is left of its time is for the rest of the step."""
        self._awaited = None
        self.wait.body_came(size, since)
        if self.wait.what == BODY:
            self._wait_no_more()

    async def drain(self) -> None:
        """Wait while the client reads more slowly than we write."""
        if self.writing_paused:
            await self._drain_helper()
