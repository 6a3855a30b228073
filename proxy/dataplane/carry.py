"""Carry what is left of a request's body to the upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.upstream.errors import Dropped


if TYPE_CHECKING:
    from proxy.dataplane.model import Body
    from proxy.dataplane.upload import Upload
    from proxy.upstream.connection import Connection


async def carry(upload: Upload, body: Body, connection: Connection) -> None:
    """Write the rest of a body to a connection that the head has been written to.

    A task of its own runs this while the answer is already awaited. What goes wrong fails the
    answer, so that whoever awaits it raises it.
    """
    try:
        while not upload.complete:
            piece = await body.read()
            connection.write(upload.framed(piece, ended=not piece or body.ended))
            await connection.drain()
        connection.request_sent()
    except Dropped:
        pass  # the connection has told the response
    except Exception as error:  # noqa: BLE001 -- the task that awaits the answer raises it
        # The request can never be completed now: the upstream must not take it for whole.
        if connection.response is not None:
            connection.response.fail(error)
        connection.close()
