"""The quick benchmark: CPU time per small request beside nginx and Envoy, and time to start."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Spread, Verdict, paired, ratio, table
from benchmarks.load import SMALL, take, total
from benchmarks.machine import describe
from benchmarks.measure import LOAD_CORE, StartError, running
from benchmarks.peers import MissingToolError, Upstream
from benchmarks.peers.envoy import Envoy
from benchmarks.peers.keybearer import Gateway, Keybearer
from benchmarks.peers.nginx import Nginx, NginxUpstream
from benchmarks.report import CPU, RATE, RSS, peers_table
from benchmarks.rounds import Game, TurnError, play, start_all
from benchmarks.scenarios import BARS
from benchmarks.start import START_ROUNDS, start_times


if TYPE_CHECKING:
    from benchmarks.figures import Figures


PEERS = (Nginx(), Envoy(), Keybearer(), Gateway())
# CPU time per request, of Envoy's, which checks no key.
ENVOY_BARS = {Keybearer.name: BARS[Envoy.name], Gateway.name: 1.0}
START_BAR = 1.8  # time to ready, of `import aiohttp.web`


def interleave(directory: Path, rounds: int, seconds: int) -> dict[str, Figures]:
    """Every peer's figures; TurnError or StartError if one of them failed."""
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(running(NginxUpstream(), LOAD_CORE, directory))
        started = start_all(stack, PEERS, directory, Upstream(upstream.port))
        figures = play(started, Game(rounds, seconds), partial(take, kind=SMALL), total)
    for name, taken in figures.items():
        if taken.failure:
            raise TurnError(f"{name}: {taken.failure}")
    return figures


def report_requests(figures: dict[str, Figures]) -> list[Verdict]:
    """Prints the table of requests; returns the verdicts on the ratios to Envoy."""
    print(peers_table(figures, [CPU, RATE, RSS], against=CPU), end="\n\n", flush=True)
    return [
        Verdict(
            f"CPU time per request, {name} / Envoy",
            ratio(figures[name], figures[Envoy.name], CPU.name),
            bar,
        )
        for name, bar in ENVOY_BARS.items()
    ]


def report_start(directory: Path) -> list[Verdict]:
    """Takes and prints the times to start; returns the verdict on their ratio."""
    ours, baseline = start_times(directory, START_ROUNDS)
    rows = [
        ["keybearer run, to `ready`", Spread.of([value * 1000 for value in ours]).text(0)],
        ["import aiohttp.web", Spread.of([value * 1000 for value in baseline]).text(0)],
    ]
    print(table(["start", "ms"], rows), end="\n\n", flush=True)
    return [Verdict("start to ready / import aiohttp.web", paired(ours, baseline), START_BAR)]


def arguments() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all peers (default 5)")
    parser.add_argument(
        "--seconds", type=int, default=10, help="load per peer and round (default 10)"
    )
    return parser.parse_args()


def main() -> int:
    """Runs everything; 0 if both bars hold by the median, 1 if not or if the rig failed."""
    options = arguments()
    # A terminated rig unwinds like a finished one, so that every child is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"{options.rounds} rounds of {options.seconds} s, {describe()}; ", end="")
    print("median (least to greatest), ratios paired by round\n", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="keybearer-bench-") as name:
            directory = Path(name)
            figures = interleave(directory, options.rounds, options.seconds)
            verdicts = [*report_requests(figures), *report_start(directory)]
    except (TurnError, MissingToolError, StartError) as error:
        print(f"bench-quick: {error}", file=sys.stderr)
        return 1
    for verdict in verdicts:
        print(verdict.text())
    return 0 if all(verdict.passed for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
