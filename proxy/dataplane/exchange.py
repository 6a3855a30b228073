"""A request that has been written to a connection, and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    import asyncio

    from proxy.dataplane.echo import Echo
    from proxy.dataplane.outbound import Outbound
    from proxy.dataplane.upload import Upload
    from proxy.upstream.connection import Connection
    from proxy.upstream.head import ResponseHead
    from proxy.upstream.pool import Pool
    from proxy.upstream.response import Response


class Exchange:
    """A request that has been written, and its answer.

    Args:
        pool: where the connection is from.
        connection: free for one exchange.
        opening: the request's head, with what of the body goes with it.
        request: whose it is.
        upload: carries the rest of the body.

    Attributes:
        carrying: brings what is left of the body; set by `send`.
        connection: as given.
        echo: masks in the answer what this request has shown the upstream; set by `send`.
        response: the answer.
        head: its first head, an informational one perhaps; set by `send`.
        upload: the request's body.
    """

    __slots__ = ("_pool", "carrying", "connection", "echo", "head", "response", "upload")

    echo: Echo | None
    head: ResponseHead

    def __init__(
        self, pool: Pool, connection: Connection, opening: bytes, request: Outbound, upload: Upload
    ) -> None:
        self._pool = pool
        self.connection = connection
        self.upload = upload
        self.carrying: asyncio.Task[None] | None = None
        self.response: Response = connection.begin(
            opening,
            to_head=request.method == "HEAD",
            whole=upload.complete,
            upgrade=request.upgrade,
        )
        request.written = True

    @property
    def sent(self) -> bool:
        """Whether the whole request has been written."""
        return self.upload.complete

    def drain(self) -> asyncio.Future[None]:
        """Wait while the upstream reads more slowly than we write."""
        return self.connection.drain()

    def hand_over(self, heir: asyncio.Protocol) -> tuple[asyncio.Transport | None, bytes]:
        """Give the connection away behind a 101; `lost` is to be told when it is gone.

        Args:
            heir: is told of all that happens on it from now on.

        Returns:
            its transport, None if it is gone, and what has come behind the 101.
        """
        return self.connection.hand_over(heir), self.response.behind()

    @property
    def ended(self) -> bool:
        """The upstream has closed before the connection was given away: over TLS it can."""
        return self.response.failure is not None

    def lost(self, exc: Exception | None) -> None:
        """Have the pool forget the connection that was given away."""
        self.connection.connection_lost(exc)

    def release(self) -> None:
        """End the exchange: the connection goes back to its pool if both messages are complete.

        Whatever else the reason, the upstream sees the connection close: it must neither go on
        working for a client that has left nor take half a request for a whole one.
        """
        self._pool.release(self.connection, sent=self.upload.complete)
