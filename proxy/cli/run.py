"""`keybearer run`: serve until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from proxy.cli.configuration import DEFAULT_PORT, OptionRoute, config_option, load_file
from proxy.cli.fail import Failure, WrongConfiguration
from proxy.config.addresses import TcpAddress, serves
from proxy.config.client_warnings import NOBODY
from proxy.config.errors import ConfigError
from proxy.config.exposure import open_to_all
from proxy.observe.log import Log
from proxy.process.listeners import ListenError
from proxy.process.loop import calm_gc, new_loop, tell_faults
from proxy.process.service import Service
from proxy.process.signals import Stop, heed_no_more


if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from proxy.config.schema import Config


@click.command()
@config_option
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Instead of the configured port; 0: any."
)
@click.option("--preset", metavar="NAME", help="Without a file: an API that Keybearer knows.")
@click.option(
    "--upstream", metavar="URL", help="Without a file: an origin, https://api.example.org."
)
@click.option("--bearer-env", metavar="NAME", help="Authorization: Bearer, from a variable.")
@click.option("--bearer-file", metavar="FILE", help="Authorization: Bearer, from a file.")
@click.option("--access-token-env", metavar="NAME", help="Access-Token, from a variable.")
@click.option("--access-token-file", metavar="FILE", help="Access-Token, from a file.")
@click.pass_obj
def run(
    exposed: list[str],
    /,
    *,
    file: Path | None,
    port: int | None,
    preset: str | None,
    upstream: str | None,
    **secret: str | None,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    With a file, its routes; without one, a single API mounted at the root:

    \b
      keybearer run --preset microreact
      keybearer run --upstream https://api.example.org --bearer-env EXAMPLE_TOKEN
    """  # noqa: D301 -- the backspace is click's mark of a paragraph to leave as it is
    if preset is None and upstream is None and not any(secret.values()):
        config = load_file(file)
        if port is not None:
            config = _on_port(config, port)
    elif file is not None:
        raise click.UsageError("-c FILE and a route told by options exclude each other")
    else:
        config = _of_options(preset, upstream, DEFAULT_PORT if port is None else port, secret)
    sys.exit(serve(config, exposed))


def _of_options(
    preset: str | None, upstream: str | None, port: int, secret: dict[str, str | None]
) -> Config:
    given = {name: value for name, value in secret.items() if value is not None}
    if len(given) > 1:
        raise click.UsageError("give one of --bearer-… and --access-token-…")
    if preset is None and (upstream is None or not given):
        raise click.UsageError(
            "give --preset NAME, or --upstream URL with one of --bearer-env, --bearer-file, "
            "--access-token-env, --access-token-file"
        )
    scheme, source = None, None
    for option, value in given.items():
        name, _, kind = option.rpartition("_")
        scheme, source = name.replace("_", "-"), {kind: value}
    return OptionRoute(preset, upstream, scheme, source, port).config()


def _on_port(config: Config, port: int) -> Config:
    """Return the configuration with the port of its first TCP listener replaced."""
    listen = list(config.listen)
    for index, each in enumerate(listen):
        if isinstance(each.address, TcpAddress):
            address = replace(each.address, port=port)
            upstreams = [route.upstream for route in config.routes.values()]
            if any(serves(address, upstream.host, upstream.port) for upstream in upstreams):
                raise click.UsageError("--port: is an upstream's; requests would go round for ever")
            listen[index] = each.model_copy(update={"address": address})
            return config.model_copy(update={"listen": tuple(listen)})
    raise click.UsageError("--port: the configuration's `listen` has no TCP address to change")


def serve(config: Config, exposed: list[str]) -> int:
    """Run the service to its end and return the exit status.

    Args:
        config: settled.
        exposed: in which ways other processes can read this one.
    """
    form = config.log.format or ("console" if sys.stderr.isatty() else "json")
    log = Log(config.log.level, form)
    for way in exposed:
        log.events.warning("exposed", detail=way)
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_serve(config, log))
    except ConfigError as error:
        raise WrongConfiguration(str(error)) from error
    except ListenError as error:
        raise Failure(str(error)) from error
    finally:
        heed_no_more()
        log.flush()
    return 0


async def _serve(config: Config, log: Log) -> None:
    stop = Stop(log)
    tell_faults(asyncio.get_running_loop(), log)
    async with await Service.start(config, os.environ, log) as service:
        calm_gc()
        announce(service)
        from proxy.process.permissions import open_to_others  # noqa: PLC0415 -- not before `ready`

        for warning in (
            *open_to_others(config),
            *service.provisioned.warnings,
            *open_to_all(config),
            *_clients(service),
        ):
            log.events.warning("configuration", detail=warning)
        await asyncio.to_thread(_settle, log)
        await stop.asked.wait()
        log.events.info("draining", connections=service.connections)
        await _first(service.drain(), stop.now.wait())
    log.events.info("stopped")


def _settle(log: Log) -> None:
    """Do what nobody had to wait for until `ready`, and no request shall wait for later."""
    assert log.events is not None  # noqa: S101 # imported now, not when something happens
    # Without ctypes, or where nobody may make code, large bodies only cost more.
    with contextlib.suppress(ImportError, OSError, MemoryError):
        from proxy.process.allocator import keep_buffers  # noqa: PLC0415 -- as above: ctypes

        keep_buffers()


async def _first(*ways: Coroutine[object, object, object]) -> None:
    """Wait for the first of several to end, and end the others."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def announce(service: Service) -> None:
    """Tell on stdout, for people and for scripts, where the service listens and what it serves."""
    for listener in service.listeners:
        print(f"listening {listener.url}")
    for name, route in service.provisioned.snapshot.routes.items():
        credential = route.credential
        state = "no credential" if credential is None else f"credential {credential.state}"
        print(f"route {name} {service.base_url(name)} -> {route.pool.endpoint.origin} ({state})")
    print("ready", flush=True)


def _clients(service: Service) -> list[str]:
    gateway = service.provisioned.gateway
    if gateway is None:
        return []
    return gateway.warnings if len(gateway.registry) else [NOBODY]
