"""`keybearer check`: is the configuration right, and do the upstreams take the credentials."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from proxy.cli.configuration import config_option, load_file
from proxy.cli.fail import WrongConfiguration
from proxy.cli.main import EXIT_FAILURE
from proxy.config.errors import ConfigError
from proxy.config.settle import binding


if TYPE_CHECKING:
    from pathlib import Path

    from proxy.config.schema import Config


@click.command()
@config_option
@click.option("--probe", is_flag=True, help="Read the secrets and ask each upstream once.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(*, file: Path | None, probe: bool, as_json: bool) -> None:
    """Validate the configuration; nothing is sent without --probe.

    Exits with 0, with 1 if a probe failed, with 2 if the configuration is wrong.
    """
    try:
        config = load_file(file)
        routes = [_route(config, name) for name in config.routes]
        good = not probe or asyncio.run(_probe_all(config, routes))
    except (ConfigError, WrongConfiguration) as error:
        if not as_json:
            raise WrongConfiguration(str(error)) from error
        click.echo(json.dumps({"ok": False, "problems": str(error).splitlines()}, indent=2))
        sys.exit(WrongConfiguration.exit_code)
    if as_json:
        shown = {"ok": good, "allow_origins": config.cors.allow_origins, "routes": routes}
        click.echo(json.dumps(shown, indent=2))
    else:
        _show(routes, config.cors.allow_origins)
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


async def _probe_all(config: Config, routes: list[dict[str, Any]]) -> bool:
    from proxy.process.probe import probe  # noqa: PLC0415 -- only a probe needs the data plane
    from proxy.process.provision import provision  # noqa: PLC0415 -- the same
    from proxy.upstream.sweep import Sweep  # noqa: PLC0415 -- the same

    provisioned = provision(config, os.environ, Sweep(asyncio.get_running_loop()))
    made = provisioned.snapshot.routes
    outcomes = await asyncio.gather(*(probe(made[n], config.routes[n]) for n in config.routes))
    for route, outcome in zip(routes, outcomes, strict=True):
        route["probe"] = {
            "ok": outcome.good,
            "status": outcome.status,
            "detail": outcome.detail,
        }
    return all(outcome.good for outcome in outcomes)


def _show(routes: list[dict[str, Any]], origins: tuple[str, ...]) -> None:
    for route in routes:
        click.echo(f"{route['name']} -> {route['upstream']}")
        ways = [way for way in (route["path"], *route["hosts"], *route["listen"]) if way]
        click.echo(f"  reached by  {', '.join(ways)}")
        click.echo(f"  credential  {_told(route['credential'])}")
        methods = "any" if route["methods"] is None else ", ".join(route["methods"])
        click.echo(f"  policy      methods {methods}; {route['rules']} rules")
        if "probe" in route:
            answer = route["probe"]
            word = "ok" if answer["ok"] else "FAILED"
            status = "" if answer["status"] is None else f" (status {answer['status']})"
            click.echo(f"  probe       {word}: {answer['detail']}{status}")
    if origins:
        click.echo(f"web pages of {', '.join(origins)} may use every route")
    click.echo("the configuration is valid")


def _told(credential: dict[str, Any] | None) -> str:
    if credential is None:
        return "none"
    return f"{credential['scheme']} from {', '.join(credential['from'])}"
