"""The full benchmark: Keybearer beside five proxies that do the same work, against its bars."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import shlex
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.chart import draw
from benchmarks.idle import idle
from benchmarks.latency import latency
from benchmarks.machine import describe, system, versions
from benchmarks.measure import LOAD_CORE, PROXY_CORE, ROOT, StartError
from benchmarks.peers import MissingToolError
from benchmarks.report import NONE, Part
from benchmarks.scenarios import other_loads, small, tls
from benchmarks.setup import FEW_ROUNDS, Setup
from benchmarks.sse import sse
from benchmarks.streams import streams


if TYPE_CHECKING:
    from collections.abc import Callable


PARTS: dict[str, Callable[[Setup], Part]] = {
    "small": small,
    "load": other_loads,
    "tls": tls,
    "latency": latency,
    "streams": streams,
    "sse": sse,
    "idle": idle,
}
RESULTS = ROOT / "benchmarks" / "results"


def arguments() -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full", description=__doc__)
    parser.add_argument(
        "--rounds", type=positive, default=5, help="rounds of all peers (default 5)"
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        default=10,
        help="seconds of the main load per peer and round, and the most of any other (default 10)",
    )
    parser.add_argument(
        "--only",
        type=parts,
        default=list(PARTS),
        metavar="PART,…",
        help=f"of {', '.join(PARTS)}; then nothing is written to {RESULTS.relative_to(ROOT)}",
    )
    return parser.parse_args()


def positive(text: str) -> int:
    """A number of at least one."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def parts(text: str) -> list[str]:
    """Names of parts, in their order."""
    asked = text.split(",")
    if unknown := set(asked) - set(PARTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return [name for name in PARTS if name in asked]


def introduction(options: argparse.Namespace) -> str:
    """What was run where, when and how."""
    given = f" ARGS={shlex.quote(shlex.join(sys.argv[1:]))}" if sys.argv[1:] else ""
    today = dt.datetime.now(tz=dt.UTC).date()
    what = (
        f"Proxies on core {PROXY_CORE}; the load and the upstream on core {LOAD_CORE}. "
        f"Figures are the median (least to greatest) of rounds: {options.rounds}, but at most "
        f"{FEW_ROUNDS} for large bodies, event streams and idle memory; peers "
        "take turns by the second, ratios are paired by round. All of them cut the prefix, "
        "drop the client's credentials, set the token and write an access log to a file; "
        "Keybearer has 100 routes, its guard and its rules on."
    )
    ran = f"`make bench{given}`, {today}: {describe()}; {system()}. {versions()}."
    return f"# Benchmark\n\n{ran}\n\n{what}"


def run(name: str, setup: Setup) -> Part:
    """One part; if what all peers need is not there, the part says so."""
    try:
        return PARTS[name](setup)
    except (MissingToolError, StartError) as error:
        return Part(name, NONE, failures=[str(error)])


def verdicts(done: list[Part]) -> str:
    """All verdicts as a list."""
    lines = [f"- {verdict.text()}" for part in done for verdict in part.verdicts]
    return "\n".join(["## Bars", "", *lines])


def chart(done: list[Part], file: Path) -> None:
    """Draws what the parts have for it."""
    panels = {}
    for part in done:
        if any(part.series.values()):
            panels[part.panel] = list(part.series.items())
    if panels:
        draw(file, panels, f"{describe()}. Bars: median of rounds; whiskers: least to greatest.")


def write(text: str, done: list[Part]) -> None:
    """Writes the results' files."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "bench.md").write_text(text + "\n", "utf-8")
    chart(done, RESULTS / "bench.png")


def prepare() -> None:
    """What children inherit: room for many connections, and the core where the load is."""
    # A terminated rig unwinds like a finished one, so that every child is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.sched_setaffinity(0, {LOAD_CORE})


def main() -> int:
    """Runs the parts; 0 if all bars of theirs hold by the median and no peer failed, or else 1."""
    options = arguments()
    prepare()
    texts = [introduction(options)]
    print(texts[0], end="\n\n", flush=True)
    done: list[Part] = []
    with tempfile.TemporaryDirectory(prefix="keybearer-bench-") as name:
        setup = Setup(Path(name), options.rounds, options.seconds)
        for each in options.only:
            began = time.monotonic()
            done.append(run(each, setup))
            print(f"{each}: {time.monotonic() - began:.0f} s", file=sys.stderr)
            texts.append(done[-1].markdown())
            print(texts[-1], end="\n\n", flush=True)
    texts.append(verdicts(done))
    print(texts[-1], flush=True)
    if options.only == list(PARTS):
        write("\n\n".join(texts), done)
    else:
        print(f"\n{RESULTS.relative_to(ROOT)} is left as it is: not all parts ran")
    good = all(verdict.passed for part in done for verdict in part.verdicts)
    return 0 if good and not any(part.failures for part in done) else 1


if __name__ == "__main__":
    sys.exit(main())
