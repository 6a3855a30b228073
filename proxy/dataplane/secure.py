"""TLS between the wire and a client's connection, on any event loop.

asyncio's own and uvloop's tell of a connection only once its handshake is over, so that one
without would be counted nowhere; they keep 256 KiB for each, and end it in different ways. Here the
client's connection begins with the wire, so that all its limits hold for the handshake too, and it
ends as one without TLS does.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING, Any, Final, cast

from proxy.dataplane.certificate import has_expired, subject_of
from proxy.dataplane.session import Session


if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dataplane.client import ClientConnection


MAX_UNREAD: Final = 4 * 1024
"""Bytes that TLS itself may have to say to a client that reads nothing. An honest one is told some
tens; OpenSSL answers each attempt at renegotiation, however many there are."""

_PLAIN: Final = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})
"""How OpenSSL calls a first record that is the beginning of a request."""


class Gate:
    """What the clients of a TLS listener are met with.

    Args:
        context: with our certificate.
        refused: is told of handshakes that fail: the client's address, and why.

    Attributes:
        context: for the handshakes to come; it may be replaced at any time.
    """

    __slots__ = ("context", "refused")

    def __init__(self, context: ssl.SSLContext, refused: Callable[[str, str], None]) -> None:
        self.context = context
        self.refused = refused

    def before(self, client: ClientConnection, loop: asyncio.AbstractEventLoop) -> Secure:
        """Return what stands between the wire and a client's connection."""
        return Secure(client, self, loop)


class Secure(asyncio.Transport, asyncio.Protocol):
    """The protocol of the wire, and the transport of a client's connection.

    TLS ends both directions at once (RFC 8446 6.1 would let one go on, hardly any client does), so
    there is no half-close: a refused client that still sends is read until it leaves, or for as
    long as a client lingers; it knows the end of the answer by its length. close_notify is sent,
    but not waited for.

    Args:
        connection: the client's.
        gate: of the listener.
        loop: the running loop.
    """

    __slots__ = (
        "_app", "_clear", "_client", "_closing", "_full", "_gate", "_left", "_loop", "_over",
        "_paused", "_session", "_turning", "_unread", "_wire",
    )  # fmt: skip

    _wire: asyncio.Transport

    def __init__(
        self, connection: ClientConnection, gate: Gate, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__()
        self._app: asyncio.Protocol | None = connection
        self._client: ClientConnection | None = connection
        self._gate = gate
        self._loop = loop
        self._session: Session | None = None
        self._paused = False
        self._closing = False
        self._clear = False
        """The client does not speak TLS: it is told so, and nothing that it sends is read."""
        self._over = False
        """FIN has come by the wire."""
        self._full = False
        """The client reads more slowly than we write."""
        self._unread = 0
        """Bytes that TLS itself has said meanwhile."""
        self._left = False
        """The client's connection has been told that the client will send no more."""
        self._turning = False
        """The next turn of the loop goes on."""

    # What the wire calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the client's connection: it counts, and its time runs."""
        self._wire = cast("asyncio.Transport", transport)
        if self._app is not None:
            self._app.connection_made(self)

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake, or pass on what the client says."""
        if self._clear or self._closing:
            return
        session = self._session
        if session is None:
            session = self._session = Session(self._gate.context)
        session.receive(data)
        if session.established or self._shake(session):
            self._deliver()

    def eof_received(self) -> bool:
        """Pass on what came before, then the end; return whether the wire stays open till then."""
        self._over = True
        if self._session is None or not self._session.established:
            return False
        self._deliver()
        return True

    def pause_writing(self) -> None:
        """Tell that the client reads more slowly than we write."""
        self._full = True
        if self._app is not None:
            self._app.pause_writing()

    def resume_writing(self) -> None:
        """Tell that the client has read."""
        self._full, self._unread = False, 0
        if self._app is not None:
            self._app.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whose transport this was, and let go of it: it holds this one too."""
        app, self._app = self._app, None
        self._closing = True
        self._session = self._client = None
        if app is not None:
            app.connection_lost(exc)

    # TLS.

    def _shake(self, session: Session) -> bool:
        try:
            established = session.shake()
            certificate = session.certificate() if established else None
        except (ssl.SSLError, ValueError) as error:  # ValueError: a subject that is no text
            self._refuse(getattr(error, "reason", None), _words(error))
            return False
        if certificate is not None and has_expired(certificate, time.time()):
            self._refuse(None, "certificate has expired")
            return False
        self._flush()
        if established and self._client is not None:
            self._client.verified(subject_of(certificate))
        return established

    def _refuse(self, reason: str | None, words: str) -> None:
        """End a handshake that has failed; the client may be told why."""
        if self._client is None:
            return
        if reason in _PLAIN:
            self._clear = True
            self._client.spoke_plainly()
            return
        self._flush()
        self._gate.refused(self._client.peer.address, words)
        self._closing = True
        self._wire.close()

    def _deliver(self) -> None:
        """Pass on what the client has said, and that it has left, unless it is not read now."""
        session = self._session
        if session is None or self._paused or self._closing:
            return
        try:
            data = session.read()
        except ssl.SSLError:
            self._flush()
            self.abort()
            return
        if not self._answered():
            return
        if data and self._app is not None:
            self._app.data_received(data)
        if session.full:
            self._wait_a_turn()
        elif (self._over or session.ended) and not self._paused:
            self._leave()

    def _wait_a_turn(self) -> None:
        """Go on with small records in the next turn of the loop, so that others have theirs."""
        if self._paused or self._turning:
            return
        self._turning = True
        if not self._over:
            self._wire.pause_reading()
        self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turning = False
        if self._paused or self._closing:
            return
        if not self._over:
            self._wire.resume_reading()
        self._deliver()

    def _answered(self) -> bool:
        """Send what TLS itself says to what has come; False: too much, to one who reads nothing."""
        size = self._flush()
        if size and self._full:
            self._unread += size
            if self._unread > MAX_UNREAD:
                self.abort()
                return False
        return True

    def _leave(self) -> None:
        if self._left or self._app is None:
            return
        self._left = True
        self._app.eof_received()
        self.close()

    def _flush(self) -> int:
        session = self._session
        data = b"" if session is None else session.outgoing()
        if data and not self._wire.is_closing():
            self._wire.write(data)
        return len(data)

    # What the client's connection calls.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, unless the connection is closing."""
        if not data or self._closing:
            return
        if self._clear:
            self._wire.write(data)
        elif self._session is not None and self._session.established:
            self._session.write(bytes(data))
            self._flush()

    def can_write_eof(self) -> bool:
        """Tell that one direction cannot be ended alone."""
        return False

    def close(self) -> None:
        """Send what is still to be sent, close_notify, and FIN."""
        if self._closing:
            return
        self._closing = True
        if self._session is not None and self._session.established:
            self._session.end()
            self._flush()
        self._wire.close()

    def abort(self) -> None:
        """Close at once; what is still to be sent is lost."""
        self._closing = True
        self._wire.abort()

    def is_closing(self) -> bool:
        """Tell whether it has been closed."""
        return self._closing or self._wire.is_closing()

    def is_reading(self) -> bool:
        """Tell whether what comes is passed on."""
        return not self._paused

    def pause_reading(self) -> None:
        """Let what comes wait."""
        self._paused = True
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        """Read again; first what has come already."""
        if not self._paused:
            return
        self._paused = False
        if not self._over:  # behind FIN uvloop must not read
            self._wire.resume_reading()
        self._loop.call_soon(self._deliver)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Pass on to somebody else from now on."""
        self._app = cast("asyncio.Protocol", protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who is passed on to."""
        return cast("asyncio.BaseProtocol", self._app)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the wire."""
        return self._wire.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes still wait to be sent, all of them on the wire."""
        return self._wire.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return at how many bytes that wait writing goes on, and pauses."""
        return self._wire.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set them."""
        self._wire.set_write_buffer_limits(high, low)


def _words(error: Exception) -> str:
    """Return why a handshake has failed, in OpenSSL's words; they quote nothing of the client's."""
    told = getattr(error, "verify_message", None) or getattr(error, "reason", None)
    return "unreadable" if told is None else str(told).lower().replace("_", " ")
