"""Latency at a fixed rate of requests, beside that of the upstream without any proxy."""

from __future__ import annotations

import contextlib
import statistics
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.figures import Verdict, ratio
from benchmarks.load import CLIENT_HEADERS, TARGET
from benchmarks.measure import LOAD_CORE, running
from benchmarks.pacer import CONNECTIONS, AnswerError, Pacer, connect, punctual
from benchmarks.peers import CREDENTIAL_HEADER, TOKEN, UPSTREAM_PATH, Upstream
from benchmarks.peers.nginx import Nginx, NginxUpstream
from benchmarks.report import OURS, Column, Part, failures, peers_table, series
from benchmarks.rounds import Started, TurnError, play, start_all
from benchmarks.setup import PEERS


if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.measure import Running
    from benchmarks.setup import Setup


PER_SECOND = 1000
# A turn is short, so that a slow moment of the machine meets all peers alike.
TURN_REQUESTS = 100
BAR = 2  # of nginx's latency, at most
MIDDLE = "p90 of the middle turn"
BARRED = ("p50", "p90", MIDDLE)
SHOWN = ("p50", MIDDLE)
PERCENTILES = {"p50": 50, "p90": 90, "p99": 99}
COLUMNS = [Column(f"{name} µs", name, 0) for name in (*PERCENTILES, MIDDLE)]
HOW = (
    f"Turns of {TURN_REQUESTS} requests; the percentiles are over all requests of a round. "
    "The row of the upstream, without a proxy, tells how quiet the machine was: where it stands "
    f"still for moments, they alone make the high percentiles. So the {MIDDLE} is shown too: the "
    "median of what each turn of a round had as its own p90."
)


def head(target: str, fields: tuple[str, ...], method: str = "GET") -> str:
    """A request's head."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""])


def request(peer: str) -> str:
    """What a peer is asked; the upstream itself takes a request that is as the proxies make it."""
    if peer == NginxUpstream.name:
        return head(UPSTREAM_PATH, (f"{CREDENTIAL_HEADER}: {TOKEN}",))
    return head(TARGET, CLIENT_HEADERS)


@dataclass(frozen=True, slots=True)
class Pacers:
    """A pacer for each peer by name, connected all the while."""

    each: dict[str, Pacer]

    @classmethod
    def connected(cls, stack: contextlib.ExitStack, peers: Iterable[Running]) -> Pacers:
        """Pacers for these peers; their connections end with the stack."""
        each = {}
        for peer in peers:
            lines = [stack.enter_context(connect(peer.port)) for _ in range(CONNECTIONS)]
            each[peer.name] = Pacer(lines, request(peer.name).encode(), PER_SECOND)
        return cls(each)

    def take(self, peer: Running) -> list[int]:
        """A turn: the microseconds of each request; TurnError if one was not answered as due."""
        try:
            took_s = self.each[peer.name].ask(TURN_REQUESTS)
        except (AnswerError, OSError) as error:
            raise TurnError(f"pacer: {error}") from error
        return [round(each * 1e6) for each in took_s]


def total(turns: list[list[int]]) -> dict[str, float]:
    """The percentiles of a round."""
    cuts = statistics.quantiles([each for turn in turns for each in turn], n=100)
    over_all = {name: cuts[percent - 1] for name, percent in PERCENTILES.items()}
    own = [statistics.quantiles(turn, n=10)[-1] for turn in turns]
    return {**over_all, MIDDLE: statistics.median(own)}


def latency(setup: Setup) -> Part:
    """The part of the report."""
    directory = setup.directory / "latency"
    with contextlib.ExitStack() as stack:
        nginx = stack.enter_context(running(NginxUpstream(), LOAD_CORE, directory))
        started = start_all(stack, PEERS, directory, Upstream(nginx.port))
        all_of_them = Started({nginx.name: nginx, **started.each})
        pacers = Pacers.connected(stack, all_of_them.peers)
        game = setup.paced(PER_SECOND // TURN_REQUESTS)
        with punctual():
            figures = play(all_of_them, game, pacers.take, total)
    of_nginx = partial(ratio, figures[OURS], figures[Nginx.name])
    verdicts = [
        Verdict(f"{name} at {PER_SECOND:,} requests/s / nginx's", of_nginx(name), BAR)
        for name in BARRED
    ]
    panel = f"Latency at {PER_SECOND:,} requests/s, µs"
    shown = {name: series(figures, name) for name in SHOWN}
    title = f"Latency at {PER_SECOND:,} requests/s (the upstream itself: without a proxy)"
    table = peers_table(figures, COLUMNS, against=COLUMNS[0])
    return Part(title, f"{HOW}\n\n{table}", verdicts, failures(figures), panel, shown)
