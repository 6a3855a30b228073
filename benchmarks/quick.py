"""The quick benchmark: CPU time per small request beside nginx and Envoy, and time to start."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Spread, Verdict, paired, table
from benchmarks.load import LoadError, load
from benchmarks.measure import LOAD_CORE, PROXY_CORE, StartError, running, usage
from benchmarks.peers import MissingToolError
from benchmarks.peers.envoy import Envoy
from benchmarks.peers.keybearer import Keybearer
from benchmarks.peers.nginx import Nginx, NginxUpstream
from benchmarks.start import start_times


if TYPE_CHECKING:
    from benchmarks.measure import Running
    from benchmarks.peers import Peer


ENVOY_BAR = 1.2  # CPU time per request, of Envoy's
START_BAR = 1.8  # time to ready, of `import aiohttp.web`
START_ROUNDS = 10
SLICE_S = 1
MIB = 1024 * 1024


@dataclass(slots=True)
class Taken:
    """One peer's sums over one round."""

    cpu_s: float = 0
    requests: int = 0
    per_second: list[float] = field(default_factory=list)
    rss: int = 0


@dataclass(slots=True)
class Rounds:
    """One peer's figures, a value per round."""

    cpu_us: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)

    def add(self, taken: Taken) -> None:
        """Adds a round."""
        self.cpu_us.append(taken.cpu_s * 1e6 / taken.requests)
        self.per_second.append(sum(taken.per_second) / len(taken.per_second))
        self.rss_mib.append(taken.rss / MIB)


def describe_machine() -> str:
    """The machine in a few words."""
    return f"{os.cpu_count()} cores, {platform.machine()}, CPython {platform.python_version()}"


def take(peer: Running, taken: Taken) -> None:
    """Loads one peer for a second and adds its figures; LoadError names the peer."""
    before = usage(peer.group)
    try:
        answered = load(peer.port, SLICE_S)
    except LoadError as error:
        raise LoadError(f"{peer.name}: {error}") from error
    after = usage(peer.group)
    taken.cpu_s += after.cpu_s - before.cpu_s
    taken.requests += answered.requests
    taken.per_second.append(answered.per_second)
    taken.rss = after.rss


def interleave(peers: list[Peer], directory: Path, rounds: int, seconds: int) -> dict[str, Rounds]:
    """Every peer's figures by round, all warmed up before."""
    figures = {peer.name: Rounds() for peer in peers}
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(running(NginxUpstream(), LOAD_CORE, directory))
        started = [
            stack.enter_context(running(peer, PROXY_CORE, directory, upstream.port))
            for peer in peers
        ]
        for peer in started:
            take(peer, Taken())  # warms up
        for _ in range(rounds):
            sums = {peer.name: Taken() for peer in started}
            # The machine's speed changes within seconds, so peers take turns by the second.
            for _ in range(seconds):
                for peer in started:
                    take(peer, sums[peer.name])
            for name, taken in sums.items():
                figures[name].add(taken)
    return figures


def report_requests(figures: dict[str, Rounds]) -> list[Verdict]:
    """Prints the table of requests; returns the verdict on the ratio to Envoy."""
    ours = figures[Keybearer.name].cpu_us
    ratios = {name: paired(ours, theirs.cpu_us) for name, theirs in figures.items()}
    head = ["proxy", "CPU µs per request", "requests/s", "RSS MiB", "Keybearer / it"]
    rows = [
        [
            name,
            Spread.of(taken.cpu_us).text(1),
            Spread.of(taken.per_second).text(0),
            Spread.of(taken.rss_mib).text(0),
            "" if name == Keybearer.name else ratios[name].text(2),
        ]
        for name, taken in figures.items()
    ]
    print(table(head, rows), end="\n\n", flush=True)
    return [Verdict("CPU time per request / Envoy's", ratios[Envoy.name], ENVOY_BAR)]


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
    peers: list[Peer] = [Nginx(), Envoy(), Keybearer()]
    print(f"{options.rounds} rounds of {options.seconds} s, {describe_machine()}; ", end="")
    print("median (least to greatest), ratios paired by round\n", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="keybearer-bench-") as name:
            directory = Path(name)
            figures = interleave(peers, directory, options.rounds, options.seconds)
            verdicts = [*report_requests(figures), *report_start(directory)]
    except (LoadError, MissingToolError, StartError) as error:
        print(f"bench-quick: {error}", file=sys.stderr)
        return 1
    for verdict in verdicts:
        print(verdict.text())
    return 0 if all(verdict.passed for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
