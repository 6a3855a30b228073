"""DNS: resolve the names of upstreams, and connect to the first of their addresses that accepts."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohappyeyeballs import start_connection

from proxy.upstream.errors import Unreachable
from proxy.upstream.origin import is_local_name, parse_address


if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohappyeyeballs import AddrInfoType


STALE_S: Final = 600.0
"""How long the last answer for a name serves while the system's resolver gives none (RFC 8767)."""

PATIENCE_S: Final = 1.0
"""How long a look-up may take, or half of what the caller waits; then the last answer serves, or
IPv4 is asked for alone."""

MAX_ANSWERS: Final = 1024
"""Last answers kept; more displace the oldest. Names come from the configuration alone."""

OVERTAKE_S: Final = 0.25
"""How long an address may be silent before the next one is tried beside it (RFC 8305 8)."""

_SHORTEST_S: Final = 0.01  # RFC 8305 8
_LOOPBACK: Final = ("::1", "127.0.0.1")
# macOS says the same where there is no network, so there it is no answer.
_NO_SUCH_NAME: Final = frozenset(
    ()
    if sys.platform == "darwin"
    else (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
)

_Host = tuple[int, str]
"""Family and address, with its zone if it has one (RFC 4007 11)."""


class _Answer(NamedTuple):
    """The end of a look-up.

    Attributes:
        hosts: the addresses; none: it has failed.
        cause: of the failure.
        denied: the name does not exist, which is an answer, too.
        at: the loop's time.
    """

    hosts: tuple[_Host, ...] = ()
    cause: str = ""
    denied: bool = False
    at: float = 0.0


class _Flight(NamedTuple):
    """A look-up under way, which all who need the name wait for."""

    answer: asyncio.Future[_Answer]
    began: float


class Resolver:
    """Looks names up with the system's resolver; of one loop.

    Each name is looked up once at a time, in a thread of its own: names that nobody answers for
    hold up no others, however many they are. The threads are daemons, for the end of the process
    does not wait for them. An answer is not kept for the next look-up (the system may do that), but
    for when that fails. Of both families together, which the system asks for, one answer may be
    lost, or never come (a name server that is silent about IPv6): then IPv4 is asked for alone.

    Attributes:
        own: addresses and ports that this proxy listens on.
    """

    def __init__(self) -> None:
        self.own: set[tuple[str, int]] = set()
        self._flights: dict[str, _Flight] = {}
        self._last: dict[str, _Answer] = {}

    async def resolve(
        self, host: str, port: int, limit_s: float | None = None
    ) -> list[AddrInfoType]:
        """Return where to connect, the preferred address first.

        Args:
            host: a name, or an address without brackets.
            port: where to connect to.
            limit_s: how long the caller waits for the connection; the last answer serves while
                there is time left to use it.

        Raises:
            Unreachable: the name does not exist or cannot be looked up (`dns_error`).
        """
        hosts = _known(host) or await self._look_up(host, limit_s)
        return [
            (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
            for family, address in hosts
        ]

    def leads_back(self, sock: socket.socket) -> bool:
        """Return whether a connection leads to one of this proxy's own listeners."""
        try:
            address, port = sock.getpeername()[:2]
        except OSError:  # reset already
            return False
        if (address, port) in self.own:
            return True
        # Only a connection within one machine has one address at both ends, or one of loopback.
        local = address == sock.getsockname()[0] or parse_address(address).is_loopback
        return local and ("::" if ":" in address else "0.0.0.0", port) in self.own  # noqa: S104 -- compared

    async def _look_up(self, host: str, limit_s: float | None) -> tuple[_Host, ...]:
        loop = asyncio.get_running_loop()
        patience_s = PATIENCE_S if limit_s is None else min(PATIENCE_S, limit_s / 2)
        flight = self._flights.get(host) or self._begin(host, patience_s)
        last = self._last.get(host)
        if last is not None and last.at + STALE_S < loop.time():
            last = None
        left_s = None if last is None else max(flight.began + patience_s - loop.time(), 0.0)
        # Unlike awaiting it: a request that leaves lets the look-up go on for the others.
        await asyncio.wait((flight.answer,), timeout=left_s)
        answer = flight.answer.result() if flight.answer.done() else None
        if answer is not None and (answer.hosts or answer.denied or last is None):
            if not answer.hosts:
                raise Unreachable(f"{host}: {answer.cause}", error="dns_error")
            return answer.hosts
        return () if last is None else last.hosts

    def _begin(self, host: str, patience_s: float) -> _Flight:
        loop = asyncio.get_running_loop()
        flight = self._flights[host] = _Flight(loop.create_future(), loop.time())
        self._start(host, flight, socket.AF_UNSPEC)
        if not flight.answer.done():
            loop.call_later(patience_s, self._ask_for_less, host, flight)
        return flight

    def _ask_for_less(self, host: str, flight: _Flight) -> None:
        if not flight.answer.done():
            self._start(host, flight, socket.AF_INET)

    def _start(self, host: str, flight: _Flight, family: int) -> None:
        loop = flight.answer.get_loop()

        def ask() -> None:
            answer = _ask(host, family)
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(self._end, host, flight, family, answer)

        try:
            threading.Thread(target=ask, name=f"look-up of {host}", daemon=True).start()
        except RuntimeError:
            self._end(host, flight, family, _Answer(cause="no thread could be started for it"))

    def _end(self, host: str, flight: _Flight, family: int, answer: _Answer) -> None:
        whole = family == socket.AF_UNSPEC
        if whole:
            del self._flights[host]
        elif flight.answer.done() or not answer.hosts:
            return  # there is more to go by
        if answer.hosts or answer.denied:
            self._last.pop(host, None)  # what is put back comes last
        if answer.hosts:
            self._last[host] = answer._replace(at=flight.answer.get_loop().time())
        if len(self._last) > MAX_ANSWERS:
            del self._last[next(iter(self._last))]
        if not flight.answer.done():
            flight.answer.set_result(answer)


async def connect(addresses: Sequence[AddrInfoType], limit_s: float | None) -> socket.socket:
    """Return a connection to the address that accepts first (RFC 8305, "happy eyeballs").

    Both families take turns, and silent addresses are overtaken soon enough that every one is
    tried within the limit, which is the caller's to set.

    Args:
        addresses: as `Resolver.resolve` returns them.
        limit_s: how long the caller waits.

    Raises:
        OSError: none accepts.
    """
    share = OVERTAKE_S if limit_s is None else limit_s / 2 / len(addresses)
    delay_s = max(min(share, OVERTAKE_S), _SHORTEST_S)
    return await start_connection(addresses, happy_eyeballs_delay=delay_s)


def shown(address: Sequence[object]) -> str:
    """Return a socket's address as people write it."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def _known(host: str) -> tuple[_Host, ...]:
    """Return what needs no look-up: an address, and the names of loopback (RFC 6761 6.3)."""
    if is_local_name(host):
        return tuple(_host(address) for address in _LOOPBACK)
    try:
        parse_address(host)
    except ValueError:
        return ()
    return (_host(host),)


def _host(address: str, zone: int = 0) -> _Host:
    parsed = parse_address(address)
    if isinstance(parsed, IPv4Address):
        return socket.AF_INET, str(parsed)
    return socket.AF_INET6, f"{address}%{zone}" if zone else address


def _ask(host: str, family: int) -> _Answer:
    """Ask the system's resolver for addresses, for as long as it takes.

    Not with AI_ADDRCONFIG: glibc would leave out `::1` of a machine without any other address of
    IPv6, and an address that cannot be reached fails at once anyway.
    """
    try:
        # As bytes, which are not put through IDNA: the name is ASCII already.
        found = socket.getaddrinfo(host.encode("ascii"), None, family, socket.SOCK_STREAM)
        hosts = [_host(str(each[0]), int((*each, 0, 0)[3])) for *_, each in found]
    except socket.gaierror as error:
        return _Answer(cause=str(error.strerror), denied=error.errno in _NO_SUCH_NAME)
    except Exception as error:  # noqa: BLE001 -- whatever it is, those who wait must learn of it
        return _Answer(cause=f"{error!r}")
    return _Answer(tuple(dict.fromkeys(hosts)))
