"""What a proxy takes that nobody uses: memory after its start, and Keybearer's time to start."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from benchmarks.figures import Figures, Spread, Verdict, table
from benchmarks.load import MIB
from benchmarks.measure import usage
from benchmarks.peers import Upstream
from benchmarks.report import OURS, Column, Part, failures, peers_table
from benchmarks.rounds import Game, play, start_all
from benchmarks.setup import PEERS
from benchmarks.start import START_ROUNDS, start_times


if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Running
    from benchmarks.setup import Setup


BAR_MIB = 70
SETTLE_S = 2
DISCARD_PORT = 9  # nobody connects to the upstream
RSS = Column("RSS MiB", "rss_mib", 1)
ROUTES = {"one route": 1, "100 routes": 100}


def take(peer: Running) -> dict[str, float]:
    """A peer's memory."""
    return {"rss_mib": usage(peer.group).rss / MIB}


def start_table(setup: Setup) -> str:
    """The time to start, with few and with many routes, beside an import of aiohttp's server."""
    rows = []
    for title, routes in ROUTES.items():
        ours, baseline = start_times(setup.directory / f"start-{routes}", START_ROUNDS, routes)
        rows.append([f"keybearer run, {title}, to `ready`", milliseconds(ours)])
        if routes == 1:
            rows.append(["import aiohttp.web", milliseconds(baseline)])
    return table(["start", "ms"], rows)


def milliseconds(values_s: list[float]) -> str:
    """Seconds as a spread of milliseconds."""
    return Spread.of([value * 1000 for value in values_s]).text(0)


def fresh(directory: Path) -> dict[str, Figures]:
    """Every peer's memory a while after its start."""
    with contextlib.ExitStack() as stack:
        started = start_all(stack, PEERS, directory, Upstream(DISCARD_PORT))
        time.sleep(SETTLE_S)
        return play(started, Game(1), take, lambda turns: turns[0])


def joined(rounds: list[dict[str, Figures]]) -> dict[str, Figures]:
    """The figures of several rounds that each had peers of their own."""
    figures = {name: Figures() for name in rounds[0]}
    for taken in rounds:
        for name, theirs in taken.items():
            figures[name].failure = figures[name].failure or theirs.failure
            figures[name].add({key: values[0] for key, values in theirs.rounds.items()})
    return figures


def idle(setup: Setup) -> Part:
    """The part of the report."""
    rounds = range(setup.few.rounds)
    figures = joined([fresh(setup.directory / f"idle-{number}") for number in rounds])
    bar = Verdict("idle memory, MiB", figures[OURS].spread(RSS.name), BAR_MIB, digits=1)
    text = "\n\n".join([peers_table(figures, [RSS]), start_table(setup)])
    return Part("Idle and start", text, [bar], failures=failures(figures))
