"""`keybearer healthcheck`: for Docker's HEALTHCHECK; no other tool is needed in the image."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.configuration import config_option, load_file
from proxy.cli.fail import Failure
from proxy.config.addresses import TcpAddress


if TYPE_CHECKING:
    from pathlib import Path

    from proxy.config.addresses import Address
    from proxy.config.schema import Config


_LOCAL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}  # noqa: S104 -- compared
_REQUEST: Final = b"GET /_keybearer/readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_OK: Final = b"HTTP/1.1 200 "


@click.command()
@config_option
@click.option(
    "--timeout",
    type=click.FloatRange(0.001, 3600.0),
    default=3.0,
    show_default=True,
    help="Seconds.",
)
def healthcheck(*, file: Path | None, timeout: float) -> None:
    """Ask the running service whether it is ready; exit 0 or 1."""
    address, shared = _address(load_file(file))
    try:
        with _connect(address, timeout) as connection:
            if not shared:
                click.echo("listening")  # a route's own listener has no path but the upstream's
                return
            connection.sendall(_REQUEST)
            answer = _read(connection)
    except (OSError, ValueError) as error:  # ValueError: a timeout that is no number
        raise Failure(f"{address}: {getattr(error, 'strerror', None) or error}") from error
    if not answer.startswith(_OK):
        raise Failure(f"{address}: not ready")
    click.echo("ready")


def _address(config: Config) -> tuple[Address, bool]:
    routes = config.routes.values()
    own = [listen.address for route in routes for listen in route.listen]
    for addresses, shared in (([listen.address for listen in config.listen], True), (own, False)):
        for address in addresses:
            if not (isinstance(address, TcpAddress) and address.port == 0):
                return address, shared
    raise Failure("the configuration listens on port 0 alone: nobody knows which one that is")


def _connect(address: Address, timeout: float) -> socket.socket:
    if isinstance(address, TcpAddress):
        host = _LOCAL.get(address.host, address.host)
        return socket.create_connection((host, address.port), timeout)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(str(address.path))
    except OSError:
        connection.close()
        raise
    return connection


def _read(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(4096):
        data += piece
        if len(data) >= len(_OK):
            break
    return data
