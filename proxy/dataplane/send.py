"""Send: one attempt on a pooled connection, a second one only where that is safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.upstream.errors import Dropped


if TYPE_CHECKING:
    from proxy.dataplane.outbound import Outbound
    from proxy.dataplane.upload import Upload
    from proxy.upstream.connection import Connection
    from proxy.upstream.pool import Pool
    from proxy.upstream.response import Response, ResponseHead


IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""RFC 9110 9.2.2, without TRACE, which is never sent."""


class Exchange:
    """A request that has been written and its answer, which has begun.

    Attributes:
        response: the answer.
        head: its first head, an informational one perhaps.
    """

    __slots__ = ("_connection", "_pool", "_upload", "head", "response")

    def __init__(
        self, pool: Pool, connection: Connection, request: Outbound, upload: Upload
    ) -> None:
        self._pool = pool
        self._connection = connection
        self._upload = upload
        self.head: ResponseHead
        self.response: Response = connection.begin(
            request.head + upload.at_hand(), to_head=request.method == "HEAD"
        )
        upload.start(connection)

    @property
    def sent(self) -> bool:
        """Whether the whole request has been written."""
        return self._upload.complete

    async def close(self) -> None:
        """End the exchange: the connection goes back to its pool if both messages are complete.

        Whatever else the reason, the upstream sees the connection close: it must neither go on
        working for a client that has left nor take half a request for a whole one.
        """
        try:
            if not self._upload.complete:
                await self._upload.stop()
        finally:
            self._pool.release(self._connection, self.response, sent=self._upload.complete)


async def send(pool: Pool, request: Outbound, upload: Upload) -> Exchange:
    """Write the request and return the exchange once a head has come; the caller closes it.

    A kept connection may be closed by the upstream just when the request is written. Then an
    idempotent request whose body is at hand is sent once more, on a new connection; any other
    might be carried out twice (RFC 9110 9.2.2).

    Raises:
        UpstreamError: no connection or no answer.
        Refusal: of the client's body.
    """
    connection = pool.reuse()
    if connection is not None:
        try:
            return await _attempt(pool, connection, request, upload)
        except Dropped as error:
            repeatable = request.method in IDEMPOTENT and upload.repeatable
            if not (error.unanswered and repeatable):
                raise
    return await _attempt(pool, await pool.connect(), request, upload)


async def _attempt(
    pool: Pool, connection: Connection, request: Outbound, upload: Upload
) -> Exchange:
    try:
        exchange = Exchange(pool, connection, request, upload)
    except BaseException:
        pool.release(connection, None, sent=False)
        raise
    try:
        exchange.head = await exchange.response.head()
    except BaseException:
        await exchange.close()
        raise
    return exchange
