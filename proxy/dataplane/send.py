"""Send: one attempt on a pooled connection, a second one only where that is safe."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from proxy.dataplane.carry import carry
from proxy.dataplane.exchange import Exchange
from proxy.upstream.errors import Dropped


if TYPE_CHECKING:
    from proxy.dataplane.outbound import Outbound
    from proxy.dataplane.upload import Upload
    from proxy.upstream.pool import Pool


IDEMPOTENT: Final = frozenset(
    {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH", "QUERY"}
)
"""RFC 9110 9.2.2, without TRACE, which is never sent; and the others that are registered as safe
(RFC 4918, 3253, 5323, QUERY)."""


async def send(pool: Pool, request: Outbound, upload: Upload) -> Exchange:
    """Write the request and return the exchange once a head has come; the caller ends it.

    A kept connection may be closed by the upstream just when the request is written. Then an
    idempotent request whose body is at hand is sent once more, on a new connection; any other
    might be carried out twice (RFC 9110 9.2.2).

    Raises:
        UpstreamError: no connection or no answer.
        Refusal: of the client's body.
    """
    opening = upload.behind(request.head)  # may refuse the body: no connection is held yet
    connection = pool.reuse()
    kept = connection is not None
    while True:
        if connection is None:
            connection = await pool.connect()
        exchange = Exchange(pool, connection, opening, request, upload)
        if upload.body is not None and not upload.complete:
            rest = carry(upload, upload.body, connection)
            exchange.carrying = asyncio.get_running_loop().create_task(rest)
        try:
            exchange.head = await exchange.response.head()
        except BaseException as error:
            await abandon(exchange)
            if not (kept and _may_repeat(error, request, upload)):
                raise
            connection, kept = None, False
            opening = upload.behind(request.head)
        else:
            exchange.echo = request.echo
            return exchange


async def abandon(exchange: Exchange) -> None:
    """End an exchange whose request is still on its way, once nothing of it reads the body."""
    carrying = exchange.carrying
    try:
        if carrying is not None and not carrying.done():
            carrying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await carrying
    finally:
        exchange.release()


def _may_repeat(error: BaseException, request: Outbound, upload: Upload) -> bool:
    unanswered = isinstance(error, Dropped) and error.unanswered
    return unanswered and request.method in IDEMPOTENT and upload.repeatable
