"""`keybearer keys`: make, list and revoke the keys of clients."""

from __future__ import annotations

import gc
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proxy.access import clientsfile
from proxy.access.clientsedit import MisfitError, entry
from proxy.access.clientstext import ROUTE
from proxy.access.editlock import GIVE_UP_S, BusyError, Patience
from proxy.access.keys import is_name, new_key, written
from proxy.access.yamltext import ClientsFileError
from proxy.cli.configuration import VARIABLE, chosen_file, config_option, load_file
from proxy.cli.fail import Failure, WrongConfiguration
from proxy.config.clients import check_shape, load_clients
from proxy.config.errors import ConfigError


if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.access.clientstext import Listed
    from proxy.config.schema import Config


def _file_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--file",
        "clients_file",
        type=click.Path(path_type=Path),
        help="The clients file; else the configuration's `clients_file`.",
    )(command)


def _client(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if not is_name(name):
        raise click.BadParameter("a client's name is a-z, then up to 62 of a-z, 0-9 and -")
    return name


def _routes(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if names != ("*",) and not all(map(ROUTE.fullmatch, names)):
        raise click.BadParameter("names of routes with commas between them, or * alone for all")
    return names


@click.group()
def keys() -> None:
    """Make, list and revoke the keys of clients."""
    gc.disable()  # 10,000 clients take half the time, and the process ends at once


@keys.command("new")
@click.argument("name", callback=_client)
@click.option(
    "--routes",
    metavar="A,B|*",
    callback=_routes,
    help="What a new client may use; * for every route.",
)
@config_option
@_file_option
def new(
    *, name: str, routes: tuple[str, ...] | None, file: Path | None, clients_file: Path | None
) -> None:
    """Make a key for a client, a new one or one more: both keys work until one is revoked.

    The key is all that is printed on stdout, this once; only its SHA-256 is stored. A running
    service takes it up from the clients file by itself.
    """
    config, clients_file = _chosen(file, clients_file)
    _check_routes(config, routes)
    key = new_key(name)
    if clients_file is None:
        _tell_lines(name, written(key), routes, present=name in getattr(config, "clients", {}))
    else:
        _check_place(config, name)
        client = _edited(clientsfile.add, clients_file, name, written(key), routes)
        _tell_client(client, clients_file)
    # Behind what is told of it: whoever reads it can rely on it. Flushed, so that a full disk is
    # told.
    click.echo(key)
    _check_taken_up(config, clients_file)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@config_option
@_file_option
def list_(*, as_json: bool, file: Path | None, clients_file: Path | None) -> None:
    """List the clients of the clients file; of each key, how its hash begins.

    Exits with 2 if a mistake in the file keeps a running service from taking it up.
    """
    config, chosen = _needed(file, clients_file)
    try:
        clients = clientsfile.listing(chosen)
    except ClientsFileError as error:
        raise WrongConfiguration(str(error)) from error
    if as_json:
        told = [
            {
                "name": client.name,
                "keys": client.keys,
                "routes": client.routes,
                "expires": client.expires,
            }
            for client in clients
        ]
        click.echo(json.dumps(told, indent=2))
    else:
        width = max((len(client.name) for client in clients), default=0)
        for client in clients:
            click.echo(f"{client.name:<{width}}  {_described(client)}")
    _check_taken_up(config, chosen)


@keys.command("revoke")
@click.argument("name", callback=_client)
@click.option("--key", "start", metavar="HASHSTART", help="One key, by how its hash begins.")
@config_option
@_file_option
def revoke(*, name: str, start: str | None, file: Path | None, clients_file: Path | None) -> None:
    """Take one key of a client away, or without --key the client with all it has."""
    config, chosen = _needed(file, clients_file)
    _check_place(config, name)
    gone = _edited(clientsfile.revoke, chosen, name, start)
    told = f"{name} with all its keys" if start is None else f"the key {gone.keys[0]}… of {name}"
    click.echo(f"{told} is revoked in {chosen}", err=True)
    _check_taken_up(config, chosen)


def _configuration(file: Path | None) -> Config | None:
    """Return the configuration, None if none is named and none is here."""
    if file is None and not os.environ.get(VARIABLE) and not chosen_file(None).exists():
        return None
    return load_file(file)


def _chosen(file: Path | None, clients_file: Path | None) -> tuple[Config | None, Path | None]:
    """Return the clients file, and the configuration if that is what names it."""
    if clients_file is not None:
        return None, clients_file
    config = _configuration(file)
    return config, None if config is None else config.clients_file


def _needed(file: Path | None, clients_file: Path | None) -> tuple[Config | None, Path]:
    config, chosen = _chosen(file, clients_file)
    if chosen is None:
        raise click.UsageError(
            "there is no clients file: name one with --file, or as `clients_file:` in the "
            "configuration; clients that stand in the configuration itself are edited there"
        )
    return config, chosen


def _check_routes(config: Config | None, routes: tuple[str, ...] | None) -> None:
    if config is None or routes is None or routes == ("*",):
        return
    unknown = [name for name in routes if name not in config.routes]
    if unknown:
        raise click.UsageError(
            f"--routes: there is no route {', '.join(unknown)}; there are "
            f"{', '.join(config.routes)}"
        )


def _check_place(config: Config | None, name: str) -> None:
    """Refuse a client that is none of the clients file's: in both it would be there twice."""
    if config is not None and name in config.clients:
        message = "stands in the configuration itself; edit it there, and start again"
        raise WrongConfiguration(str(config.problem_at(("clients", name), message)))


def _check_taken_up(config: Config | None, clients_file: Path | None) -> None:
    """Tell if nothing comes of an edit: of a file with a mistake anywhere nothing is taken up."""
    if clients_file is None:
        return
    try:
        if config is None:
            check_shape(clients_file)
        else:
            load_clients(clients_file, config)
    except ConfigError as error:
        raise WrongConfiguration(
            f"{error}\nuntil that is mended, a running service does not take the file up: the "
            "keys from before stay valid, and no others are"
        ) from error


def _edited(edit: Callable[..., Listed], path: Path, *what: object) -> Listed:
    def tell() -> None:
        click.echo(
            f"{path}: somebody else is editing it; waiting up to {GIVE_UP_S:.0f} s", err=True
        )

    try:
        return edit(path, *what, patience=Patience(tell))
    except BusyError as error:
        raise Failure(
            f"{path}: somebody else has been editing it for {GIVE_UP_S:.0f} s; nothing is changed, "
            "try again"
        ) from error
    except ClientsFileError as error:
        raise WrongConfiguration(str(error)) from error
    except MisfitError as error:
        raise Failure(f"{path}: {error}") from error
    except OSError as error:
        raise Failure(f"{path}: cannot be written: {error.strerror or error}") from error


def _tell_client(client: Listed, path: Path) -> None:
    start = client.keys[-1]
    click.echo(f"{client.name}: {_described(client)}", err=True)
    click.echo(f"added to {path} as sha256:{start}…; the key itself is shown this once:", err=True)
    if client.expires is not None and _is_past(client.expires):
        click.echo(f"warning: {client.name} expired on {client.expires}", err=True)


def _tell_lines(
    name: str, written_key: str, routes: tuple[str, ...] | None, *, present: bool
) -> None:
    if present:
        click.echo(
            f"add this to `key:` of {name} in the configuration, as a list of all its keys:",
            err=True,
        )
        click.echo(f"      - {written_key}", err=True)
    else:
        click.echo("put this into the configuration or into a clients file:", err=True)
        click.echo("clients:", err=True)
        granted = routes or ("ROUTE",)
        click.echo("\n".join(entry(name, written_key, granted, "  ")), err=True)
    click.echo("the key itself is shown this once:", err=True)


def _described(client: Listed) -> str:
    count = "1 key" if len(client.keys) == 1 else f"{len(client.keys) or 'no'} keys"
    starts = "".join(f" {start}" for start in client.keys)
    until = "never expires" if client.expires is None else f"expires {client.expires}"
    return f"{count}{starts}, {until}, routes {', '.join(client.routes) or 'none'}"


def _is_past(day: str) -> bool:
    try:
        return date.fromisoformat(day) < datetime.now(tz=UTC).date()
    except ValueError:
        return False
