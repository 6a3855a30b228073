"""Bind what the configuration says to listen on; all of it, or nothing."""

from __future__ import annotations

import contextlib
import errno
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from proxy.config.addresses import TcpAddress, UnixAddress
from proxy.dataplane.model import Entrance


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from proxy.config.schema import Config, Listen, ListenTls


BACKLOG: Final = 1024
"""Connections that wait to be accepted."""
_TRIES: Final = 20
"""For a port that is free in both families, where any will do: the system chooses for one."""


class ListenError(Exception):
    """An address cannot be listened on; the message says which and what to do."""


@dataclass(slots=True)
class Listener:
    """A bound socket.

    Attributes:
        socket: listens once it is given to a server.
        url: what a client is pointed at, or `unix:/path`.
        entrance: what is the same for all requests that come by it.
        path: of a unix socket, removed at the end if it is still ours.
        tls: its certificate, if it has one.
    """

    socket: socket.socket
    url: str
    entrance: Entrance
    path: Path | None = None
    _identity: tuple[int, int] | None = field(default=None, repr=False)
    tls: ListenTls | None = None

    def withdraw(self) -> None:
        """Remove the file of the socket, unless somebody has put another one there.

        To be called while the socket is open: afterwards another file may be taken for it.
        """
        if self.path is not None and self._identity is not None:
            with contextlib.suppress(OSError):
                if identity(self.path) == self._identity:
                    self.path.unlink()
            self._identity = None

    def close(self) -> None:
        """Close the socket and remove its file."""
        self.withdraw()
        self.socket.close()


def bind_all(config: Config) -> list[Listener]:
    """Bind every address: those of all routes, then the routes' own.

    Raises:
        ListenError: one cannot be had; the others are closed again.
    """
    bound: list[Listener] = []
    try:
        for listen, entrance in _wanted(config):
            bound.extend(_bind(listen, entrance))
    except BaseException:
        for listener in bound:
            listener.close()
        raise
    return bound


def _wanted(config: Config) -> Iterator[tuple[Listen, Entrance]]:
    for listen in config.listen:
        yield listen, Entrance("shared", _scheme(listen), None, guarded=_is_tcp(listen))
    for name, route in config.routes.items():
        for listen in route.listen:
            guarded = _is_tcp(listen)
            yield listen, Entrance("own", _scheme(listen), None, guarded=guarded, route=name)


def _scheme(listen: Listen) -> str:
    return "http" if listen.tls is None else "https"


def _is_tcp(listen: Listen) -> bool:
    return isinstance(listen.address, TcpAddress)


def _bind(listen: Listen, entrance: Entrance) -> Iterable[Listener]:
    address = listen.address
    if isinstance(address, UnixAddress):
        return [_bind_unix(address.path, listen, entrance)]
    if address.host != "localhost":
        return [_bind_tcp(address.host, address.port, listen, entrance)]
    return _bind_localhost(address.port, listen, entrance)


def _bind_localhost(port: int, listen: Listen, entrance: Entrance) -> list[Listener]:
    """Bind both families to one port: clients try either first, and nobody else may have it."""
    for _ in range(_TRIES):
        first = _bind_tcp("127.0.0.1", port, listen, entrance)
        try:
            chosen = first.socket.getsockname()[1]
            return [first, _bind_tcp("::1", chosen, listen, entrance)]
        except ListenError as error:
            if _lacks_ipv6(error.__cause__):
                return [first]
            first.close()
            if port != 0:
                raise
    raise ListenError("cannot listen on localhost:0: no port is free in both families")


def _lacks_ipv6(error: BaseException | None) -> bool:
    absent = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return isinstance(error, OSError) and error.errno in absent


def _bind_tcp(host: str, port: int, listen: Listen, entrance: Entrance) -> Listener:
    shown = TcpAddress(host, port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ListenError(f"cannot listen on {shown}: {error.strerror}") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if listen.reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ListenError(f"cannot listen on {shown}: {_advice(error)}") from error
    chosen = TcpAddress(host, bound.getsockname()[1])
    return Listener(bound, f"{entrance.scheme}://{chosen}", entrance, tls=listen.tls)


def _advice(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use; stop its user, or choose another with --port or `listen`"
    if error.errno == errno.EACCES:
        return "not permitted; choose a port from 1024 up"
    return error.strerror or "the system refuses"


def identity(path: Path) -> tuple[int, int]:
    """Return what tells a file from every other one while it is open."""
    status = path.lstat()
    return status.st_dev, status.st_ino


def _bind_unix(path: Path, listen: Listen, entrance: Entrance) -> Listener:
    from proxy.process.unix_socket import (  # noqa: PLC0415 -- most starts have none
        SocketError,
        listen_at,
    )

    try:
        bound = listen_at(path, listen.mode, listen.group)
    except SocketError as error:
        raise ListenError(f"cannot listen on unix:{path}: {error}") from error
    return Listener(bound, f"unix:{path}", entrance, path, identity(path))
