"""Connections to a Redis, made as those to upstreams: resolver, happy eyeballs, certificates."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio.connection import Connection, SSLConnection

from proxy.upstream.resolver import Resolver, connect


if TYPE_CHECKING:
    import socket

    from redis.asyncio import ConnectionPool
    from redis.asyncio.connection import AbstractConnection


class _Resolved(Connection):
    """A connection that redis-py is given the socket of.

    Args:
        resolver: of the name.
        given: redis-py's own.
    """

    def __init__(self, *, resolver: Resolver, **given: Any) -> None:
        super().__init__(**given)
        self._resolver = resolver
        self._sock: socket.socket | None = None

    async def _connect(self) -> None:
        limit_s = self.socket_connect_timeout
        async with asyncio.timeout(limit_s):
            addresses = await self._resolver.resolve(self.host, int(self.port), limit_s)
            self._sock = await connect(addresses, limit_s)
        await super()._connect()  # type: ignore[no-untyped-call] # not annotated

    def _connection_arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = dict(super()._connection_arguments())
        host, _ = arguments.pop("host"), arguments.pop("port")
        if "ssl" in arguments:
            arguments["server_hostname"] = host
        return arguments | {"sock": self._sock}


class _ResolvedTls(_Resolved, SSLConnection):
    """The same with TLS; certificates are judged as those of upstreams, unless the URL says how."""

    def __init__(self, **given: Any) -> None:
        if not given.get("ssl_include_verify_flags"):
            given["ssl_include_verify_flags"] = [ssl.VERIFY_X509_PARTIAL_CHAIN]
            given.setdefault("ssl_exclude_verify_flags", [ssl.VERIFY_X509_STRICT])
        super().__init__(**given)


_OURS: Final[dict[type[AbstractConnection], type[Connection]]] = {
    Connection: _Resolved,
    SSLConnection: _ResolvedTls,
}


def link(pool: ConnectionPool) -> None:
    """Have a pool connect by TCP in this way; unix sockets stay as they are."""
    ours = _OURS.get(pool.connection_class)
    if ours is not None:
        pool.connection_class = ours
        pool.connection_kwargs["resolver"] = Resolver()
