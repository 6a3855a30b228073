"""`keybearer check`: is the configuration right, and do the upstreams take the credentials."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from proxy.cli.configuration import config_option, load_file
from proxy.cli.fail import WrongConfiguration
from proxy.cli.main import EXIT_FAILURE
from proxy.config.client_checks import unreadable
from proxy.config.client_warnings import NOBODY, doubtful
from proxy.config.clients import ClientsUnreadable, load_clients
from proxy.config.errors import ConfigError
from proxy.config.exposure import in_clear
from proxy.config.settle import binding, too_short
from proxy.config.together import attempt
from proxy.observe.log import Log
from proxy.process.accounts import limiter
from proxy.process.permissions import open_to_others


if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from proxy.config.client import ClientConfig
    from proxy.config.errors import Path as KeyPath, Problem
    from proxy.config.schema import Config
    from proxy.process.probe import Outcome
    from proxy.secret import Secret


@click.command()
@config_option
@click.option(
    "--probe", is_flag=True, help="Read the secrets and certificates, and ask each upstream once."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(*, file: Path | None, probe: bool, as_json: bool) -> None:
    """Validate the configuration; nothing is sent without --probe.

    Exits with 0, with 1 if a probe failed, with 2 if the configuration is wrong.
    """
    try:
        config = load_file(file)
        routes = [_route(config, name) for name in config.routes]
        clients = _refused_together(config)
        good, warnings = asyncio.run(_probe_all(config, routes)) if probe else _here(config)
        warnings = [
            *open_to_others(config),
            *warnings,
            *doubtful(clients, now=time.time()).sentences(),
        ]
        if config.has_clients and not clients:
            warnings.append(NOBODY)
    except (ConfigError, WrongConfiguration) as error:
        if not as_json:
            raise WrongConfiguration(str(error)) from error
        click.echo(json.dumps({"ok": False, "problems": str(error).splitlines()}, indent=2))
        sys.exit(WrongConfiguration.exit_code)
    if as_json:
        told = {
            "ok": good,
            "allow_origins": config.cors.allow_origins,
            "routes": routes,
            "clients": len(clients),
            "warnings": list(warnings),
        }
        click.echo(json.dumps(told, indent=2))
    else:
        _show(routes, config.cors.allow_origins, len(clients), warnings)
    sys.exit(0 if good else EXIT_FAILURE)


def _route(config: Config, name: str) -> dict[str, Any]:
    route = config.routes[name]
    bound = binding(config, name)
    sources = [] if bound is None else [_source(source) for _, source in bound.sources]
    return {
        "name": name,
        "upstream": str(route.upstream),
        "path": route.path,
        "hosts": list(route.hosts),
        "listen": [str(listen.address) for listen in route.listen],
        "credential": None if bound is None else {"scheme": bound.scheme.kind, "from": sources},
        "methods": None if route.methods is None else list(route.methods),
        "rules": len(route.rules),
    }


def _source(source: Any) -> str:
    match source.kind:
        case "env":
            return f"env {source.env}"
        case "file":
            return f"file {source.file}"
        case _:
            return "value"


def _refused_together(config: Config) -> dict[str, ClientConfig]:
    """Return the clients, or raise all that is wrong with them and with where is counted."""
    problems: list[Problem] = []
    clients = attempt(lambda: _clients(config), problems)
    attempt(lambda: limiter(config, Log("error")), problems)
    if clients is None or problems:
        raise ConfigError(*problems)
    return clients


def _clients(config: Config) -> dict[str, ClientConfig]:
    path = config.clients_file
    try:
        return {**config.clients, **({} if path is None else load_clients(path, config))}
    except ClientsUnreadable as error:
        raise ConfigError(unreadable(config, error)) from error


def _here(config: Config) -> tuple[bool, Sequence[str]]:
    """Return that all is well, and what `run` would warn about as far as the secrets are here.

    Raises:
        ConfigError: the service would refuse one of them.
    """
    from proxy.process.secrets import Secrets  # noqa: PLC0415 -- a probe reads them itself

    secrets = Secrets(config, os.environ)
    secrets.read_all()
    if secrets.problems:
        raise ConfigError(*secrets.problems)
    short = too_short(config, _written(config))
    return True, [*secrets.odd, *short, *in_clear(config)]


def _written(config: Config) -> dict[KeyPath, Secret]:
    """Return the secrets that are known without being looked for: those in the file."""
    bound = [binding(config, name) for name in config.routes]
    sources = [each for some in bound if some is not None for each in some.sources]
    return {path: source.value for path, source in sources if source.value is not None}


async def _probe_all(config: Config, routes: list[dict[str, Any]]) -> tuple[bool, Sequence[str]]:
    """Ask with each credential; return whether all is well, and what `run` would warn about."""
    from proxy.process.certificates import Certificates  # noqa: PLC0415 -- only a probe needs it
    from proxy.process.probe import probe_all  # noqa: PLC0415 -- the same
    from proxy.process.provision import provision  # noqa: PLC0415 -- the same
    from proxy.upstream.sweep import Sweep  # noqa: PLC0415 -- the same

    sweep = Sweep(asyncio.get_running_loop())
    provisioned = provision(config, os.environ, sweep, Log("error"))
    Certificates(config, Log("error"))  # our own listeners', which `run` could not do without
    outcomes = await probe_all(config, provisioned)
    for route in routes:
        route["probe"] = _said(outcomes[route["name"], None])
        route["client_probes"] = [
            {"credential": credential, **_said(outcome)}
            for (name, credential), outcome in outcomes.items()
            if name == route["name"] and credential is not None
        ]
    return all(outcome.good for outcome in outcomes.values()), provisioned.warnings


def _said(outcome: Outcome) -> dict[str, Any]:
    return {"ok": outcome.good, "status": outcome.status, "detail": outcome.detail}


def _show(
    routes: list[dict[str, Any]], origins: tuple[str, ...], clients: int, warnings: Sequence[str]
) -> None:
    for route in routes:
        click.echo(f"{route['name']} -> {route['upstream']}")
        ways = [way for way in (route["path"], *route["hosts"], *route["listen"]) if way]
        click.echo(f"  reached by  {', '.join(ways)}")
        click.echo(f"  credential  {_told(route['credential'])}")
        methods = "any" if route["methods"] is None else ", ".join(route["methods"])
        click.echo(f"  policy      methods {methods}; {route['rules']} rules")
        if "probe" in route:
            _show_probe(route["probe"], "")
            for answer in route["client_probes"]:
                _show_probe(answer, f" with {answer['credential']}, a client's own")
    if origins:
        click.echo(f"web pages of {', '.join(origins)} may use every route")
    if clients:
        click.echo(f"clients: {clients}; whoever is none of them is refused")
    for warning in warnings:
        click.echo(f"warning: {warning}")
    click.echo("the configuration is valid")


def _show_probe(answer: dict[str, Any], by: str) -> None:
    word = "ok" if answer["ok"] else "FAILED"
    status = "" if answer["status"] is None else f" (status {answer['status']})"
    click.echo(f"  probe       {word}{by}: {answer['detail']}{status}")


def _told(credential: dict[str, Any] | None) -> str:
    if credential is None:
        return "none"
    return f"{credential['scheme']} from {', '.join(credential['from'])}"
