"""The splice: bytes of two connections, each way as they come, until both have ended."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Final

from proxy.upstream.unsent import unsent_bytes


if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dataplane.ends import Client
    from proxy.dataplane.exchange import Exchange
    from proxy.upstream.sweep import Sweep


FLUSH_S: Final = 10.0
"""How long an end that closes may take nothing of what is still to be sent to it."""

_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for zero seconds: close() sends RST


def reset_at_close(transport: asyncio.Transport) -> None:
    """Have the connection closed with RST: FIN would look like an end in order."""
    raw = transport.get_extra_info("socket")
    if raw is None:
        return  # gone from below TLS, which will tell in a moment
    # Or closed there: an OSError, or uvloop's ValueError.
    with contextlib.suppress(OSError, ValueError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class Tunnel:
    """Two ends and the silence between them.

    Args:
        sweep: watches the silence.
        idle_s: how long nothing may come from either end, or None.

    Attributes:
        client: one end.
        upstream: the other one.
        cause: why it ended, if not in order; for the log.
        deadline: see `proxy.upstream.sweep.Waiting`.
    """

    __slots__ = (
        "_closing", "_done", "_idle_s", "_loop", "_sweep", "_unsent",
        "cause", "client", "deadline", "upstream",
    )  # fmt: skip

    def __init__(self, sweep: Sweep, idle_s: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._sweep = sweep
        self._idle_s = idle_s
        self._closing = False
        self._unsent = -1
        """Bytes that waited for either end when it was last looked."""
        self.cause: str | None = None
        self.deadline: float | None = None
        self.client = End(self, "client")
        self.upstream = End(self, "upstream")
        self.client.peer, self.upstream.peer = self.upstream, self.client

    async def carry(self, client: Client, exchange: Exchange, opening: bytes) -> None:
        """Splice the two connections, and wait until both are lost.

        Args:
            client: gives its connection away.
            exchange: gives the upstream's away.
            opening: for the client, before all that the upstream sends.
        """
        try:
            behind = self.upstream.take(exchange.hand_over(self.upstream), lost=exchange.lost)
            self.upstream.ended = exchange.ended
            early = self.client.take(client.hand_over(self.client))
            self.extend()
            self._sweep.add(self)
            self.client.write(opening + behind)
            self.upstream.write(early)
            self.client.begin()
            self.upstream.begin()
            await self._done
        finally:
            self._sweep.discard(self)
            self.abort()

    def abort(self) -> None:
        """Break both ends off."""
        self.client.reset()
        self.upstream.reset()

    # What the ends call.

    def extend(self) -> None:
        """Begin the silence anew."""
        if not self._closing:
            self.deadline = None if self._idle_s is None else self._loop.time() + self._idle_s

    def ended(self, end: End, exc: Exception | None) -> None:
        """Take note that an end is lost; the other one leaves in the same way."""
        if end.peer.lost:
            if not self._done.done():
                self._done.set_result(None)
        elif exc is None and end.ended:
            end.peer.close()
            self._close_within()
        else:
            self.cause = self.cause or f"the {end.name} broke off"
            end.peer.reset()

    # What the sweep calls.

    def expire(self) -> None:
        """Close the ends that have been silent; break off those that do not take what is left."""
        before, self._unsent = self._unsent, self._left()
        if not self._closing and self._unsent and (before < 0 or self._unsent < before):
            self.extend()  # an end that takes what was sent, however slowly, is not silent
        elif not self._closing:
            self.cause = "silent for the idle time"
            self.client.close()
            self.upstream.close()
            self._close_within()
        elif self._unsent < before:
            self._close_within()
        else:
            self.abort()

    def _close_within(self) -> None:
        self._closing = True
        self._unsent = self._left()
        self.deadline = self._loop.time() + FLUSH_S

    def _left(self) -> int:
        return self.client.untaken + self.upstream.untaken


class End(asyncio.Protocol):
    """One connection of a tunnel: what comes in goes to its peer.

    Args:
        tunnel: whose end it is.
        name: for the log.

    Attributes:
        peer: the other end.
        received: bytes that have come in.
        ended: no more will come: FIN has come, or we have closed.
        held: its buffer is full: the peer is not read.
        lost: the connection is gone.
    """

    __slots__ = (
        "_told",
        "_transport",
        "_tunnel",
        "ended",
        "held",
        "lost",
        "name",
        "peer",
        "received",
    )

    peer: End

    def __init__(self, tunnel: Tunnel, name: str) -> None:
        self._tunnel = tunnel
        self._transport: asyncio.Transport | None = None
        self._told: Callable[[Exception | None], None] | None = None
        self.held = False
        self.name = name
        self.received = 0
        self.ended = False
        self.lost = False

    def take(
        self,
        handed: tuple[asyncio.Transport | None, bytes],
        *,
        lost: Callable[[Exception | None], None] | None = None,
    ) -> bytes:
        """Take a connection over; return what had come on it behind the handshake.

        Args:
            handed: its transport, None if it is gone already, and those bytes.
            lost: the former holder's, to be told of the end as well.
        """
        self._transport, early = handed
        self._told = lost
        self.received = len(early)
        return early

    def begin(self) -> None:
        """Read from now on, unless the peer is full already, or nothing more will come."""
        if self._transport is None:
            self.ended = self.lost = True
            self._tunnel.ended(self, None)
        elif self.ended:
            self.peer.close()
            self.close()
        elif not self.peer.held:
            self._transport.resume_reading()

    @property
    def unsent(self) -> int:
        """How many bytes still wait to be sent."""
        return (
            0 if self._transport is None or self.lost else self._transport.get_write_buffer_size()
        )

    @property
    def untaken(self) -> int:
        """How many bytes the peer has not taken, of those the kernel has, too."""
        return 0 if self._transport is None or self.lost else unsent_bytes(self._transport)

    def write(self, data: bytes) -> None:
        """Send bytes, unless the connection is closing."""
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def finish(self) -> None:
        """Send what is still to be sent, then FIN; read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """Send what is still to be sent, then FIN; read no more."""
        self.ended = True
        # A second close() of asyncio's TLS transport would break it.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()

    def reset(self) -> None:
        """Close at once, with RST."""
        if self._transport is not None and not self.lost:
            reset_at_close(self._transport)
            self._transport.abort()

    def abort(self) -> None:
        """Break the tunnel off, at both ends: the proxy stops."""
        self._tunnel.cause = self._tunnel.cause or "the proxy stopped"
        self._tunnel.abort()

    @property
    def can_half_close(self) -> bool:
        """One direction can be ended and the other go on: TCP can do that, TLS cannot."""
        return self._transport is not None and self._transport.can_write_eof()

    def read(self, *, on: bool) -> None:
        """Read, or let what comes wait."""
        # Behind FIN there is nothing to read but FIN again.
        if self._transport is None or self.ended:
            return
        if on:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    # What asyncio calls.

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self.received += len(data)
        self._tunnel.extend()
        self.peer.write(data)

    def eof_received(self) -> bool:
        """Pass FIN on; return whether this connection stays open for the other direction."""
        self.ended = True
        peer = self.peer
        if peer.ended or not (self.can_half_close and peer.can_half_close):
            peer.close()
            return False
        peer.finish()
        return True

    def pause_writing(self) -> None:
        """Hold the peer: this end is slower."""
        self.held = True
        self.peer.read(on=False)

    def resume_writing(self) -> None:
        """Let the peer go on. What was sent just now was no silence."""
        self.held = False
        self._tunnel.extend()
        self.peer.read(on=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the tunnel, and who held the connection before."""
        self.lost = True
        if self._told is not None:
            self._told(exc)
        self._tunnel.ended(self, exc)
