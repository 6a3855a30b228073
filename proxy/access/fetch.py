"""Get a small document from a fixed address: bounded in size and time, no redirect, no proxy."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy import __version__
from proxy.upstream.connection import Timeouts
from proxy.upstream.errors import UpstreamError
from proxy.upstream.origin import Origin
from proxy.upstream.pool import Endpoint, Pool
from proxy.upstream.resolver import Resolver
from proxy.upstream.tls import TlsSettings, client_context


if TYPE_CHECKING:
    import ssl

    from proxy.upstream.connection import Connection
    from proxy.upstream.head import ResponseHead
    from proxy.upstream.response import Response
    from proxy.upstream.sweep import Sweep


MAX_DOCUMENT_SIZE: Final = 256 * 1024
"""Bytes; a JWK Set with its certificates has 2 to 20 KiB."""

FETCH_LIMIT_S: Final = 5.0
"""From the name to the last byte: requests wait for it."""

_CONNECT: Final = 0.8
"""The part of the limit for name, connection and TLS, so that the error says which it was."""

_FINAL: Final = 200
_ADDRESS: Final = re.compile(r"([A-Za-z]+://[^/?#]+)([/?][!-\"$-~]*)?")
_MAX_AGE: Final = re.compile(r'(?:^|[,\s])max-age="?([0-9]{1,9})(?![0-9])', re.IGNORECASE)
_NO_CACHE: Final = re.compile(r"(?:^|[,\s])no-(?:cache|store)(?:$|[,\s=])", re.IGNORECASE)


class FetchFailed(Exception):
    """No document. The text is for the log."""


@dataclass(frozen=True, slots=True)
class Document:
    """What was got.

    Attributes:
        body: as it came.
        fresh_s: seconds that it says it stays as it is; 0 if it says nothing.
    """

    body: bytes
    fresh_s: float


class Fetcher:
    """Gets documents, each on a connection of its own: it is done once in minutes.

    Args:
        sweep: watches the connection's limits.
        resolver: of servers' names; one of its own by default.
        tls: verifies https servers; the system's certificates by default.
        limit_s: seconds for all of it.
    """

    def __init__(
        self,
        sweep: Sweep,
        resolver: Resolver | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        limit_s: float = FETCH_LIMIT_S,
    ) -> None:
        self._sweep = sweep
        self._resolver = Resolver() if resolver is None else resolver
        self._tls = tls
        self._limit_s = limit_s

    async def __call__(self, url: str) -> Document:
        """Return the document at an https address (or http on loopback).

        Raises:
            FetchFailed: the only error.
        """
        origin, target = _split(url)
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._get(origin, target)
        except TimeoutError:
            raise FetchFailed(f"not all of it came within {self._limit_s:g} s") from None
        except UpstreamError as error:
            raise FetchFailed(f"{error.error}: {error}") from error
        except OSError as error:
            raise FetchFailed(f"the system's certificates: {error.strerror}") from error

    async def _get(self, origin: Origin, target: str) -> Document:
        tls = await self._context() if origin.scheme == "https" else None
        limit_s = self._limit_s
        timeouts = Timeouts(connect=limit_s * _CONNECT, response=limit_s, idle=limit_s, pool_idle=0)
        pool = Pool(Endpoint(origin, tls, timeouts=timeouts), self._sweep, self._resolver)
        connection: Connection | None = None
        try:
            connection = await pool.connect()
            return await _exchange(connection, origin, target)
        finally:
            if connection is not None:
                pool.release(connection, sent=False)
            pool.close()

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            # A file of some hundred certificates: too long for the loop.
            self._tls = await asyncio.to_thread(client_context, TlsSettings())
        return self._tls


def _split(url: str) -> tuple[Origin, str]:
    """Return origin and request target."""
    match = _ADDRESS.fullmatch(url)
    try:
        origin = Origin.parse("" if match is None else match[1])
    except ValueError:
        raise FetchFailed("its address is no https URL") from None
    if origin.scheme != "https" and not origin.is_loopback:
        raise FetchFailed("its address must be https")
    target = "" if match is None else match[2] or ""
    return origin, target if target.startswith("/") else f"/{target}"


async def _exchange(connection: Connection, origin: Origin, target: str) -> Document:
    request = (
        f"GET {target} HTTP/1.1\r\nHost: {origin.authority}\r\n"
        f"User-Agent: keybearer/{__version__}\r\nAccept: application/json\r\n"
        "Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
    response = connection.begin(request.encode("ascii"), to_head=False, whole=True)
    head = await response.head()
    while head.status < _FINAL:
        head = await response.head()
    if head.status != _FINAL:
        raise FetchFailed(f"the answer is {head.status}; redirects are not followed")
    if _field(head, b"content-encoding").lower() not in {"", "identity"}:
        raise FetchFailed("the answer is compressed, which was not asked for")
    return Document(await _body(response), _fresh_s(head))


async def _body(response: Response) -> bytes:
    body = bytearray()
    while piece := await response.read():
        body += piece
        if len(body) > MAX_DOCUMENT_SIZE:
            raise FetchFailed(f"the answer has more than {MAX_DOCUMENT_SIZE} bytes")
    return bytes(body)


def _fresh_s(head: ResponseHead) -> float:
    """RFC 9111 4.2.1 and 5.1: what is left of `max-age` when caches on the way had it before."""
    control, age = _field(head, b"cache-control"), _field(head, b"age")
    told = _MAX_AGE.search(control)
    if told is None or _NO_CACHE.search(control) is not None:
        return 0.0
    passed = int(age[:9]) if age.isascii() and age.isdigit() else 0
    return float(max(int(told[1]) - passed, 0))


def _field(head: ResponseHead, name: bytes) -> str:
    """Return the values of a field, as one."""
    lines = [line for each, line in head.fields if each.lower() == name]
    return ", ".join(line.partition(b":")[2].strip().decode("latin-1") for line in lines)
