"""One HTTP/1.1 connection to an origin, one exchange at a time."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, cast

from proxy.upstream.errors import Dropped, ResponseTimeout
from proxy.upstream.response import Response
from proxy.upstream.unsent import unsent_bytes


if TYPE_CHECKING:
    from proxy.upstream.sweep import Sweep


_RESETS: Final = (BrokenPipeError, ConnectionResetError)
_REST_SIZE: Final = 65536


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of the upstream's side, in seconds; None: no limit.

    Attributes:
        connect: to resolve, connect and shake hands.
        response: from the last byte of the request to the first of the answer.
        idle: between two bytes of an exchange, in either direction.
        pool_idle: that a connection is kept without an exchange, if the upstream says nothing.
        pool_age: after it was made, that a connection is given another exchange; so a name that
            leads elsewhere now is followed, also under load.
    """

    connect: float | None = 5.0
    response: float | None = 60.0
    idle: float | None = 300.0
    pool_idle: float | None = 4.0
    pool_age: float | None = 300.0


def ends_in_order(transport: asyncio.Transport) -> bool:
    """Tell whether the peer has ended TLS, where there is TLS, and not only TCP.

    Anybody on the way can send a FIN, and would so choose the end of an answer that is told by
    closing (RFC 9112 9.8).
    """
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return not tls.read(1)  # nothing: close_notify has come
    except ssl.SSLError:
        return False


class Owner(Protocol):
    """Who keeps count of a connection."""

    def lost(self, connection: Connection) -> None:
        """Forget the connection: it is closed."""
        ...


class Connection(asyncio.Protocol):
    """A transport and the answer that is coming in on it.

    Args:
        loop: the running loop.
        owner: told once when the connection is lost.
        sweep: watches `deadline`.
        timeouts: see there.
    """

    __slots__ = (
        "_drained", "_ends", "_loop", "_owner", "_poll", "_sweep", "_timeouts", "_transport",
        "_unsent", "_write_held", "deadline", "response", "used",
    )  # fmt: skip

    def __init__(
        self, loop: asyncio.AbstractEventLoop, owner: Owner, sweep: Sweep, timeouts: Timeouts
    ) -> None:
        self._loop = loop
        self._owner = owner
        self._sweep = sweep
        self._timeouts = timeouts
        self._transport: asyncio.Transport | None = None
        self._poll = select.poll()
        self._write_held = False
        self._unsent: int | None = None
        """Bytes of the request that waited for the upstream when it was last looked."""
        self._drained: asyncio.Future[None] | None = None
        age = timeouts.pool_age
        self._ends = None if age is None else loop.time() + age
        self.deadline: float | None = None
        self.response: Response | None = None
        self.used = False
        """An exchange has been made on it: the upstream may be closing it just now."""

    # The exchange.

    def begin(
        self, request: bytes, *, to_head: bool, whole: bool, upgrade: str | None = None
    ) -> Response:
        """Write the first bytes of a request, or the whole, and return its answer to be."""
        self.response = response = Response(self._loop, self, to_head=to_head, asked=upgrade)
        self._extend(self._timeouts.response if whole else self._timeouts.idle)
        if self._transport is not None:
            self._transport.write(request)
        else:
            # Nobody would ever end the wait.
            response.fail(Dropped("the upstream closed at once", unanswered=True))
        return response

    def write(self, data: bytes) -> None:
        """Write more of the request. Nothing is written to a connection that is lost."""
        if self._transport is not None:
            self._transport.write(data)

    def drain(self) -> asyncio.Future[None]:
        """Return the wait while the upstream takes the request more slowly than it comes.

        Raises (when awaited):
            Dropped: the connection is lost; the response says why.
        """
        self._extend(self._timeouts.idle)
        self._unsent = None
        self._drained = drained = self._loop.create_future()
        if not self._write_held or self._transport is None:
            self._wake_writer()
        return drained

    def request_sent(self) -> None:
        """Begin the wait for the answer: the request is complete."""
        if self.response is not None and not self.response.started:
            self._extend(self._timeouts.response)

    def end(self, *, sent: bool) -> bool:
        """End the exchange; True: the connection rests, fit for another one; else it is closed.

        It rests for as long as the upstream is likely to wait. The upstream's own word counts,
        less a second for the way there: a request must not meet the close.

        Args:
            sent: the whole request had been written.
        """
        response, self.response = self.response, None
        self.used = True
        if response is None:
            self.close()
            return False
        response.end()
        # A client may leave before it has taken the body: what is held then would stay so for ever.
        # Of a request that waits to be written nobody knows whether the upstream will take it.
        unfit = response.surplus or response.held or self._write_held
        fit = sent and response.complete and response.keep_alive and not unfit
        if not fit or self.closed:
            self.close()
            return False
        stated = response.keep_alive_s
        self._extend(self._timeouts.pool_idle if stated is None else max(stated - 1.0, 0.0))
        if self._ends is not None:
            if self._ends <= self._loop.time():
                self.close()
                return False
            self.deadline = min(self._ends, self.deadline or self._ends)
        return True

    def hand_over(self, heir: asyncio.Protocol) -> asyncio.Transport | None:
        """Give the transport to another protocol, for good; None: it is lost already.

        The heir has to call `connection_lost` at the end, for the owner keeps count.
        """
        self.deadline = None
        if self._transport is not None:
            self._transport.set_protocol(heir)
        return self._transport

    @property
    def closed(self) -> bool:
        """The connection is lost or about to be."""
        return self._transport is None or self._transport.is_closing()

    @property
    def quiet(self) -> bool:
        """Whether the connection is open, rested not too long, and nothing came on it unasked.

        The kernel is asked, for the loop may not have come round to telling: bytes that wait here
        would be taken for the answer to the next request, and they are somebody else's.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        if self.deadline is not None and self.deadline <= self._loop.time():
            return False
        return not self._poll.poll(0)

    def close(self) -> None:
        """Close at once; what is still to be written is dropped."""
        self.deadline = None
        if self._transport is not None:
            self._transport.abort()

    # The limits.

    def _extend(self, limit_s: float | None) -> None:
        self.deadline = None if limit_s is None else self._loop.time() + limit_s

    def expire(self) -> None:
        """Fail the exchange whose wait has lasted too long, or leave the pool.

        An upstream that takes an upload, however slowly, is not silent.
        """
        if self.response is not None and self._transport is not None:
            before, self._unsent = self._unsent, unsent_bytes(self._transport)
            if self._unsent and (before is None or self._unsent < before):
                self._extend(self._timeouts.idle)
                return
        if self.response is not None:
            self.response.fail(ResponseTimeout("no answer, or no more of it, within the limit"))
        self.close()

    def pause_reading(self) -> None:
        """Hold the upstream: the client is slower. Its silence is not its own now."""
        self.deadline = None
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self.response is None or not self.response.complete:
            self._extend(self._timeouts.idle)
        if self._transport is not None:
            self._transport.resume_reading()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._sweep.add(self)

    def data_received(self, data: bytes) -> None:
        """Feed the answer; bytes that no request asked for end the connection."""
        response = self.response
        if response is None:
            self.close()
            return
        self._extend(self._timeouts.idle)
        response.feed(data)
        if response.complete or response.failure is not None:
            self.deadline = None

    def eof_received(self) -> None:
        """Take the upstream's end; the transport closes by itself then."""
        if self.response is None or self._transport is None:
            return
        if ends_in_order(self._transport):
            self.response.feed_end()
        else:
            unanswered = not self.response.started
            self.response.lose(Dropped("TCP ended and TLS did not", unanswered=unanswered))

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        transport, self._transport = self._transport, None
        if isinstance(exc, _RESETS) and self.response is not None and transport is not None:
            _feed_rest(transport, self.response)
        self.deadline = None
        self._sweep.discard(self)
        response = self.response
        if response is not None:
            cause = "the upstream closed the connection" if exc is None else f"{exc!r}"
            response.lose(Dropped(cause, unanswered=not response.started))
        self._wake_writer()
        self._owner.lost(self)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._write_held = True

    def resume_writing(self) -> None:
        """The transport's buffer has room."""
        self._write_held = False
        self._wake_writer()

    def _wake_writer(self) -> None:
        drained, self._drained = self._drained, None
        if drained is None or drained.done():
            return
        if self._transport is None:
            drained.set_exception(Dropped("the upstream closed during the upload", unanswered=True))
        else:
            drained.set_result(None)


def _feed_rest(transport: asyncio.Transport, response: Response) -> None:
    """Feed what the kernel still holds of an answer.

    A server that refuses an upload answers and closes, which resets the connection. A loop that
    meets the reset when it writes reads no more. Below TLS nothing can be read here.
    """
    if transport.get_extra_info("ssl_object") is not None:
        return
    fd = transport.get_extra_info("socket").fileno()
    try:
        with socket.fromfd(fd, socket.AF_INET, socket.SOCK_STREAM) as rest:
            while data := rest.recv(_REST_SIZE, socket.MSG_DONTWAIT):
                response.feed(data)
    except OSError:
        pass  # all is read, and the reset is what is left; or there is no descriptor for it
