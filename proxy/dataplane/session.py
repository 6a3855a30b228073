"""One TLS session of a server, without I/O: bytes of the wire in, bytes for the wire out."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Any, Final


if TYPE_CHECKING:
    from collections.abc import Mapping


_PIECE: Final = 16 * 1024
"""No record holds more (RFC 8446 5.1)."""

RECORDS: Final = 256
"""Records that are read at once: each costs the same, however small it is."""


class Session:
    """A session that begins with the client's first byte.

    Args:
        context: with our certificate.

    Attributes:
        established: the handshake is over.
        ended: the client has said that no more will come (close_notify).
        full: `RECORDS` were read, and there may be more.
    """

    __slots__ = ("_incoming", "_outgoing", "_tls", "ended", "established", "full")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.established = False
        self.ended = False
        self.full = False

    def receive(self, data: bytes) -> None:
        """Take what has come by the wire."""
        self._incoming.write(data)

    def outgoing(self) -> bytes:
        """Return what is to be sent by the wire, once."""
        return self._outgoing.read()

    def shake(self) -> bool:
        """Go on with the handshake; return whether it is over.

        Raises:
            ssl.SSLError: it has failed; what is outgoing tells the client.
        """
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
            self.established = True
        return self.established

    def certificate(self) -> Mapping[str, Any] | None:
        """Return the client's certificate as `getpeercert` does; None: it has shown none."""
        return self._tls.getpeercert() or None

    def read(self) -> bytes:
        """Return what the client has said, as far as it has come whole, or `RECORDS` of it.

        Raises:
            ssl.SSLError: what has come is not from the client, or no TLS.
        """
        pieces: list[bytes] = []
        # Asking for more than there is costs an exception, as much as reading a small request.
        with contextlib.suppress(ssl.SSLWantReadError):
            while (self._incoming.pending or self._tls.pending()) and len(pieces) < RECORDS:
                piece = self._tls.read(_PIECE)
                if not piece:
                    self.ended = True
                    break
                pieces.append(piece)
        self.full = len(pieces) == RECORDS
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def write(self, data: bytes) -> None:
        """Say something."""
        sent = self._tls.write(data)
        while sent < len(data):
            sent += self._tls.write(memoryview(data)[sent:])

    def end(self) -> None:
        """Say that no more will come (close_notify)."""
        # What it raises is about the client's half, which is not waited for.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
