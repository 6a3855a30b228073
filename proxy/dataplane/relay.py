"""Relay: the upstream's answer to the client, in the pieces it comes in."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final

from proxy.dataplane.answer import interim_bytes, switch_bytes
from proxy.dataplane.passage import Passage
from proxy.dataplane.tunnel import Tunnel
from proxy.upstream.errors import ProtocolViolation


if TYPE_CHECKING:
    from proxy.dataplane.ends import Client
    from proxy.dataplane.exchange import Exchange
    from proxy.dataplane.model import Head
    from proxy.dataplane.record import Record
    from proxy.dataplane.router import Mount
    from proxy.upstream.head import ResponseHead


_CONTINUE: Final = 100
_INTERIM: Final = 128
"""Informational heads that are passed on in one turn of the loop."""

_SWITCHING_PROTOCOLS: Final = 101
_FIRST_FINAL: Final = 200
_PROXY_AUTHENTICATION_REQUIRED: Final = 407


async def relay(
    exchange: Exchange, client: Client, head: Head, mount: Mount, record: Record
) -> None:
    """Write the answer to the client as it comes; nothing is held back.

    Nothing of the body is changed but a secret that comes back (`echo`).

    Args:
        exchange: whose answer has begun.
        client: to write to.
        head: the client's.
        mount: the route and where references lead.
        record: is told the status and the sizes; its `close` ends the connection behind the answer,
            its `extra` goes on it.

    Raises:
        UpstreamError: there is no final head (nothing has been written then), or the body broke
            off (the client's connection has been aborted then).
    """
    if (
        exchange.head.status < _FIRST_FINAL
        or exchange.head.status == _PROXY_AUTHENTICATION_REQUIRED
    ):
        exchange.head = await _final_head(exchange, client, head, mount, record)
    record.answered_at = perf_counter()
    if exchange.head.status == _SWITCHING_PROTOCOLS:
        await _switch(exchange, client, exchange.head, mount, record)
        return
    passage = Passage(exchange, head, mount, record)
    try:
        client.write(passage.begin())
        while not passage.ended:
            await client.drain()
            client.write(passage.next(await exchange.response.read()))
    except Exception:
        # Only a reset tells an HTTP/1.0 client that the end is not the end.
        client.abort(reset=passage.unmeasured)
        raise


async def _final_head(
    exchange: Exchange, client: Client, head: Head, mount: Mount, record: Record
) -> ResponseHead:
    answer, passed = exchange.head, 0
    while answer.status < _FIRST_FINAL and answer.status != _SWITCHING_PROTOCOLS:
        # An HTTP/1.0 client takes none, and a 100 that nobody asked for confuses some.
        asked = answer.status != _CONTINUE or "Expect" in head.named
        if asked and not head.http10:
            data, echo = interim_bytes(answer, mount, foreign=record.foreign), exchange.echo
            client.write(data if echo is None else echo.mask(data, record))
            passed += 1
            if not passed % _INTERIM:
                await client.drain()
                await asyncio.sleep(0)
        answer = await exchange.response.head()
    if answer.status == _PROXY_AUTHENTICATION_REQUIRED:
        raise ProtocolViolation("407: the upstream takes itself for a proxy")
    return answer


async def _switch(
    exchange: Exchange, client: Client, answer: ResponseHead, mount: Mount, record: Record
) -> None:
    """Pass the 101 on, and then whatever comes, both ways (RFC 9110 7.8)."""
    asked = exchange.response.asked or ""
    opening = switch_bytes(answer, mount, asked, record.extra, foreign=record.foreign)
    if exchange.echo is not None:
        opening = exchange.echo.mask(opening, record)
    # The tunnel is told of buffers that fill up, not of those that are full when it begins.
    await exchange.drain()
    await client.drain()
    pool = mount.route.pool
    tunnel = Tunnel(pool.sweep, pool.endpoint.timeouts.idle)
    record.close, record.status = True, answer.status
    try:
        await tunnel.carry(client, exchange, opening)
    finally:
        record.bytes_in, record.bytes_out = tunnel.client.received, tunnel.upstream.received
        record.cause = tunnel.cause
