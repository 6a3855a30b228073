"""`keybearer healthcheck`: for Docker's HEALTHCHECK; no other tool is needed in the image."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.configuration import config_option, load_file
from proxy.cli.fail import Failure, WrongConfiguration
from proxy.config.addresses import TcpAddress


if TYPE_CHECKING:
    from pathlib import Path

    from proxy.config.addresses import Address
    from proxy.config.schema import Config, Listen


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
    listen, shared = _listener(load_file(file))
    address = listen.address
    try:
        with _secured(listen, _connect(address, timeout)) as connection:
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


def _listener(config: Config) -> tuple[Listen, bool]:
    own = tuple(listen for route in config.routes.values() for listen in route.listen)
    for listeners, shared in ((config.listen, True), (own, False)):
        for listen in listeners:
            if not (isinstance(listen.address, TcpAddress) and listen.address.port == 0):
                return listen, shared
    raise WrongConfiguration(
        "the configuration listens on port 0 alone: nobody knows which one that is"
    )


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


def _secured(listen: Listen, connection: socket.socket) -> socket.socket:
    """Return the connection with TLS on it, if the listener has it."""
    if listen.tls is None:
        return connection
    import ssl  # noqa: PLC0415 -- most listeners have none

    # The certificate is for the name that others call us by. Nothing secret is asked or told.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(connection)
    except OSError:
        connection.close()
        raise


def _read(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(4096):
        data += piece
        if len(data) >= len(_OK):
            break
    return data
