"""Latency at a fixed rate of requests, beside that of the upstream without any proxy."""

from __future__ import annotations

import contextlib
import statistics
import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.figures import Verdict, ratio
from benchmarks.load import CLIENT_HEADERS, GRACE_S, SLICE_S, TARGET, run
from benchmarks.measure import LOAD_CORE, running
from benchmarks.peers import CREDENTIAL_HEADER, TOKEN, UPSTREAM_PATH, Upstream
from benchmarks.peers.nginx import Nginx, NginxUpstream
from benchmarks.report import OURS, Column, Part, failures, peers_table, series
from benchmarks.rounds import Started, play, start_all
from benchmarks.setup import PEERS


if TYPE_CHECKING:
    from benchmarks.measure import Running
    from benchmarks.setup import Setup


PER_SECOND = 1000
BAR = 2  # of nginx's latency, at most
BARRED = ("p50", "p90")
PERCENTILES = {"p50": 50, "p90": 90, "p99": 99}
COLUMNS = [Column(f"{name} µs", name, 0) for name in PERCENTILES]


def head(target: str, fields: tuple[str, ...]) -> str:
    """A GET request's head."""
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""])


def take(peer: Running) -> list[int]:
    """A turn: the microseconds of each request."""
    # The upstream itself takes a request that is as the proxies make it.
    direct = peer.name == NginxUpstream.name
    asked = (
        head(UPSTREAM_PATH, (f"{CREDENTIAL_HEADER}: {TOKEN}",))
        if direct
        else head(TARGET, CLIENT_HEADERS)
    )
    numbers = (str(each) for each in (peer.port, PER_SECOND, SLICE_S))
    command = [sys.executable, "-m", "benchmarks.pacer", *numbers, asked]
    return [int(each) for each in run(command, SLICE_S + GRACE_S).split()]


def total(turns: list[list[int]]) -> dict[str, float]:
    """The percentiles of a round."""
    cuts = statistics.quantiles([each for turn in turns for each in turn], n=100)
    return {name: cuts[percent - 1] for name, percent in PERCENTILES.items()}


def latency(setup: Setup) -> Part:
    """The part of the report."""
    directory = setup.directory / "latency"
    with contextlib.ExitStack() as stack:
        nginx = stack.enter_context(running(NginxUpstream(), LOAD_CORE, directory))
        started = start_all(stack, PEERS, directory, Upstream(nginx.port))
        figures = play(Started({nginx.name: nginx, **started.each}), setup.paced, take, total)
    of_nginx = partial(ratio, figures[OURS], figures[Nginx.name])
    verdicts = [
        Verdict(f"{name} at {PER_SECOND:,} requests/s / nginx's", of_nginx(name), BAR)
        for name in BARRED
    ]
    panel = f"Latency at {PER_SECOND:,} requests/s, µs"
    shown = {name: series(figures, name) for name in BARRED}
    title = f"Latency at {PER_SECOND:,} requests/s (the upstream itself: without a proxy)"
    table = peers_table(figures, COLUMNS, against=COLUMNS[0])
    return Part(title, table, verdicts, failures(figures), panel, shown)
