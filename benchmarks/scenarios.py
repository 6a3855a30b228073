"""The loads by wrk: what a request costs each proxy, as fast as it will go."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.certificates import certify
from benchmarks.figures import Verdict, ratio
from benchmarks.load import SMALL, Load, take, total
from benchmarks.measure import LOAD_CORE, running
from benchmarks.peers import FILES_PATH, PREFIX, Upstream
from benchmarks.peers.aiohttp_session import AiohttpSession
from benchmarks.peers.caddy import Caddy
from benchmarks.peers.envoy import Envoy
from benchmarks.peers.nginx import Nginx, NginxUpstream
from benchmarks.report import (
    CPU,
    OURS,
    RATE,
    RSS,
    Column,
    Part,
    failures,
    matrix,
    peers_table,
    ratios,
    series,
)
from benchmarks.rounds import play, start_all
from benchmarks.setup import PEERS


if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.figures import Figures
    from benchmarks.rounds import Game
    from benchmarks.setup import Setup


TITLE = "GET 113 B, 32 connections"
LOADS = {
    "GET 113 B, 1 connection": Load(connections=1),
    "GET 113 B, 256 connections": Load(connections=256),
    "POST 2 KiB, 1 connection": Load(connections=1, posts=True),
    "POST 2 KiB, 32 connections": Load(posts=True),
    "POST 2 KiB, 256 connections": Load(connections=256, posts=True),
    "GET 10 KiB, 32 connections": Load(f"{PREFIX}{FILES_PATH}/10k"),
    "GET 1 MiB, 32 connections": Load(f"{PREFIX}{FILES_PATH}/1m"),
    "GET 113 B, 32 connections, each for one request": Load(closes=True),
}
TLS = {"GET 113 B, 32 connections, upstream over TLS": SMALL}
# CPU time per small request, of the peer's, at most.
BARS = {Envoy.name: 0.9, Caddy.name: 0.5, Nginx.name: 2.5, AiohttpSession.name: 1 / 3}


def measure(
    directory: Path, loads: dict[str, Load], game: Game, certified: tuple[Path, Path] | None = None
) -> dict[str, dict[str, Figures]]:
    """Every peer's figures in every scenario; over TLS if there are a CA and a certificate."""
    ca, certificate = certified or (None, None)
    with contextlib.ExitStack() as stack:
        nginx = stack.enter_context(running(NginxUpstream(certificate), LOAD_CORE, directory))
        started = start_all(stack, PEERS, directory, Upstream(nginx.port, ca))
        return {
            title: play(started, game, partial(take, kind=kind), total)
            for title, kind in loads.items()
        }


def verdicts(figures: dict[str, Figures]) -> list[Verdict]:
    """The bars on CPU time per small request."""
    ours = figures[OURS]
    return [
        Verdict(f"CPU time per small request / {name}'s", ratio(ours, figures[name], CPU.name), bar)
        for name, bar in BARS.items()
    ]


def small(setup: Setup) -> Part:
    """The load that the bars are about."""
    figures = measure(setup.directory / "small", {TITLE: SMALL}, setup.long)[TITLE]
    text = peers_table(figures, [CPU, RATE, RSS], against=CPU)
    panel = f"CPU time per request, µs ({TITLE})"
    shown = {"": series(figures, CPU.name)}
    return Part(TITLE, text, verdicts(figures), failures(figures), panel, shown)


def several(title: str, scenarios: dict[str, dict[str, Figures]]) -> Part:
    """A part with a row for each scenario."""
    ratio_column = Column(f"CPU time, {OURS} / it", CPU.name, 2)
    tables = [matrix(scenarios, CPU), ratios(scenarios, ratio_column), matrix(scenarios, RATE)]
    failed = [line for name, each in scenarios.items() for line in failures(each, f", {name}")]
    return Part(title, "\n\n".join(tables), failures=failed)


def other_loads(setup: Setup) -> Part:
    """The other loads before the plain upstream."""
    return several("Other loads", measure(setup.directory / "load", LOADS, setup.short))


def tls(setup: Setup) -> Part:
    """The small request with an upstream whose certificate is verified."""
    directory = setup.directory / "tls"
    certified = certify(directory / "certificates")
    return several("Upstream over TLS", measure(directory, TLS, setup.short, certified))
