"""One request as the handler sees its body and its client."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from aiohttp.web_protocol import RequestPayloadError

from proxy.dataplane.errors import BadRequest, Refusal
from proxy.dataplane.reading import BROKEN_BODY


if TYPE_CHECKING:
    import asyncio

    from aiohttp.streams import StreamReader

    from proxy.dataplane.client import ClientConnection
    from proxy.dataplane.tunnel import End


class ClientRequest:
    """A request as the handler sees its body and its client.

    Args:
        payload: the body.
        connection: where it came from.
    """

    __slots__ = ("_connection", "_payload")

    def __init__(self, payload: StreamReader, connection: ClientConnection) -> None:
        self._payload = payload
        self._connection = connection

    # The body.

    @property
    def ended(self) -> bool:
        """All of the body has come."""
        return self._payload.is_eof()

    async def read(self) -> bytes:
        """Return what has come of the body, waiting for some; empty at the end."""
        since = self._connection.body_awaited(self._payload)
        piece = b""
        try:
            piece = await self._payload.readany() + self._rest()
        except (RequestPayloadError, OSError, Refusal) as error:
            raise _instead_of(error) from None
        finally:
            self._connection.body_came(len(piece), since)
        return piece

    def take(self) -> bytes:
        """Return what has come of the body, without waiting."""
        return self._payload.read_nowait(-1) + self._rest()

    def _rest(self) -> bytes:
        """Return what came in while the rest was taken: aiohttp parses on in the middle of that.

        Else `ended` would be true of a body whose last pieces have not been taken.
        """
        rest = b""
        while self._payload.is_eof() and not self._payload.at_eof():
            rest += self._payload.read_nowait(-1)
        return rest

    # The client.

    @property
    def broken(self) -> Refusal | None:
        """Why we have broken the exchange off; None: the client has left."""
        return self._connection.broken

    def write(self, data: bytes) -> None:
        """Send bytes; a client that has left gets none."""
        transport = self._connection.transport
        if transport is not None:
            transport.write(data)

    async def drain(self) -> None:
        """Wait while the client reads more slowly than we write."""
        await self._connection.drain()

    def abort(self, *, reset: bool) -> None:
        """Break the connection: what has been written is sent, an end is not.

        Args:
            reset: with RST, for where FIN would be the end of the answer.
        """
        if reset:
            self._connection.reset_at_close()
            self._connection.abort()
        self._connection.force_close()

    def hand_over(self, heir: End) -> tuple[asyncio.Transport | None, bytes]:
        """Give the connection away, for good, with what has come behind the request."""
        return self._connection.hand_over(heir)

    # What aiohttp calls.

    def _cancel(self, exc: BaseException) -> None:
        """Fail the reader of the body: the client has left."""
        self._payload.set_exception(exc)


def _instead_of(error: Exception) -> Exception:
    """Return what to raise in the place of an error of a body.

    The body keeps its error, and the error what it passes through, which has the body: all that
    came of it would be left to the garbage collector.
    """
    error.__traceback__ = None
    return BadRequest(BROKEN_BODY) if isinstance(error, RequestPayloadError) else copy(error)
