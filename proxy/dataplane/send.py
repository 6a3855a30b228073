"""Send: one attempt on a pooled connection, a second one only where that is safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.upstream.errors import Dropped


if TYPE_CHECKING:
    import asyncio

    from proxy.dataplane.echo import Echo
    from proxy.dataplane.outbound import Outbound
    from proxy.dataplane.upload import Upload
    from proxy.upstream.connection import Connection
    from proxy.upstream.pool import Pool
    from proxy.upstream.response import Response, ResponseHead


IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110 9.2.2, without TRACE, which is never sent."""


class Exchange:
    """A request that has been written, and its answer.

    Args:
        pool: where the connection is from.
        connection: free for one exchange.
        opening: the request's head, with what of the body goes with it.
        request: whose it is.
        upload: carries the rest of the body.

    Attributes:
        echo: masks in the answer what this request has shown the upstream; set by `send`.
        response: the answer.
        head: its first head, an informational one perhaps; set by `send`.
    """

    __slots__ = ("_connection", "_pool", "_upload", "echo", "head", "response")

    echo: Echo | None
    head: ResponseHead

    def __init__(
        self, pool: Pool, connection: Connection, opening: bytes, request: Outbound, upload: Upload
    ) -> None:
        self._pool = pool
        self._connection = connection
        self._upload = upload
        self.response: Response = connection.begin(
            opening,
            to_head=request.method == "HEAD",
            whole=upload.complete,
            upgrade=request.upgrade,
        )
        if not upload.complete:
            upload.start(connection)

    @property
    def sent(self) -> bool:
        """Whether the whole request has been written."""
        return self._upload.complete

    def drain(self) -> asyncio.Future[None]:
        """Wait while the upstream reads more slowly than we write."""
        return self._connection.drain()

    def hand_over(self, heir: asyncio.Protocol) -> tuple[asyncio.Transport | None, bytes]:
        """Give the connection away behind a 101; `lost` is to be told when it is gone.

        Args:
            heir: is told of all that happens on it from now on.

        Returns:
            its transport, None if it is gone, and what has come behind the 101.
        """
        return self._connection.hand_over(heir), self.response.behind()

    @property
    def ended(self) -> bool:
        """The upstream has closed before the connection was given away: over TLS it can."""
        return self.response.failure is not None

    def lost(self, exc: Exception | None) -> None:
        """Have the pool forget the connection that was given away."""
        self._connection.connection_lost(exc)

    def release(self) -> None:
        """End the exchange: the connection goes back to its pool if both messages are complete.

        Whatever else the reason, the upstream sees the connection close: it must neither go on
        working for a client that has left nor take half a request for a whole one.
        """
        self._pool.release(self._connection, sent=self._upload.complete)

    async def abandon(self) -> None:
        """End an exchange whose request is still on its way."""
        try:
            await self._upload.stop()
        finally:
            self.release()


async def send(pool: Pool, request: Outbound, upload: Upload) -> Exchange:
    """Write the request and return the exchange once a head has come; the caller ends it.

    A kept connection may be closed by the upstream just when the request is written. Then an
    idempotent request whose body is at hand is sent once more, on a new connection; any other
    might be carried out twice (RFC 9110 9.2.2).

    Raises:
        UpstreamError: no connection or no answer.
        Refusal: of the client's body.
    """
    opening = request.head + upload.at_hand()  # may refuse the body: no connection is held yet
    connection = pool.reuse()
    kept = connection is not None
    while True:
        if connection is None:
            connection = await pool.connect()
        exchange = Exchange(pool, connection, opening, request, upload)
        try:
            exchange.head = await exchange.response.head()
        except BaseException as error:
            await exchange.abandon()
            if not (kept and _may_repeat(error, request, upload)):
                raise
            connection, kept = None, False
            opening = request.head + upload.at_hand()
        else:
            exchange.echo = request.echo
            return exchange


def _may_repeat(error: BaseException, request: Outbound, upload: Upload) -> bool:
    unanswered = isinstance(error, Dropped) and error.unanswered
    return unanswered and request.method in IDEMPOTENT and upload.repeatable
