"""Draws where a small request's time goes in Keybearer under load, by py-spy."""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import table
from benchmarks.load import load
from benchmarks.measure import LOAD_CORE, PROXY_CORE, ROOT, StartError, running
from benchmarks.peers import MissingToolError, Upstream, tool
from benchmarks.peers.keybearer import Keybearer
from benchmarks.peers.nginx import NginxUpstream
from benchmarks.rounds import TurnError


if TYPE_CHECKING:
    from collections.abc import Iterable


PICTURE = ROOT / "benchmarks" / "results" / "profile.svg"
RATE = 500  # samples a second
SHOWN = 25
WARM_UP_S = 1
MARGIN_S = 4  # for py-spy to begin and end, twice
PATIENCE_S = 60  # for py-spy beyond the recording: with --native it reads symbols first
LINE = re.compile(r":\d+\)$")
LIBRARY = re.compile(r"\([0-9a-f]+__mypyc[^)]*\)$")


class ProfileError(Exception):
    """py-spy could not record; the text is what it says."""


@dataclass(frozen=True, slots=True)
class Share:
    """One function's part of all samples: itself on top, and anywhere on the stack."""

    name: str
    own: float
    whole: float


def shares(raw: Iterable[str]) -> list[Share]:
    """The functions of py-spy's raw format (`frame;frame count` lines), by their own part."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    samples = 0
    for line in raw:
        stack, _, number = line.rpartition(" ")
        frames = [LIBRARY.sub("(compiled)", LINE.sub(")", each)) for each in stack.split(";")]
        samples += int(number)
        own[frames[-1]] += int(number)
        whole.update(dict.fromkeys(frames, int(number)))
    return [Share(name, n / samples, whole[name] / samples) for name, n in own.most_common()]


def record(group: int, seconds: int, form: str, output: Path, *, native: bool) -> None:
    """Has py-spy watch a process; ProfileError, or MissingToolError."""
    command = [tool("py-spy", "pip install py-spy (the extra `bench`)"), "record"]
    command += ["--pid", str(group), "--duration", str(seconds), "--rate", str(RATE)]
    command += ["--format", form, "--output", str(output), *(["--native"] if native else [])]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds + PATIENCE_S
        )
    except subprocess.TimeoutExpired as error:
        raise ProfileError(f"py-spy: {error}") from error
    if done.returncode or not output.exists():
        raise ProfileError(f"py-spy: {done.stderr.strip()[-2000:] or done.stdout[-2000:]}")


def take(directory: Path, seconds: int, *, native: bool) -> list[Share]:
    """Loads Keybearer, writes the picture and returns the shares."""
    raw = directory / "raw.txt"
    with (
        running(NginxUpstream(), LOAD_CORE, directory) as upstream,
        running(Keybearer(), PROXY_CORE, directory, Upstream(upstream.port)) as proxy,
        ThreadPoolExecutor(1) as pool,
    ):
        load(proxy.port, WARM_UP_S)
        loaded = pool.submit(load, proxy.port, 2 * seconds + MARGIN_S)
        record(proxy.group, seconds, "raw", raw, native=native)
        record(proxy.group, seconds, "flamegraph", PICTURE, native=native)
        answered = loaded.result()
    print(f"{answered.requests:,} requests, {answered.per_second:,.0f} a second while watched\n")
    return shares(raw.read_text().splitlines())


def main() -> int:
    """Profiles; 0 if there is a picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="for each of two recordings")
    parser.add_argument(
        "--native", action="store_true", help="look into C as well, at half the speed"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    PICTURE.parent.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="keybearer-bench-") as name:
            found = take(Path(name), options.seconds, native=options.native)
    except (MissingToolError, ProfileError, StartError, TurnError) as error:
        print(f"profile: {error}", file=sys.stderr)
        return 1
    rows = [[each.name, f"{each.own:.1%}", f"{each.whole:.1%}"] for each in found[:SHOWN]]
    print(table(["function", "own", "with what it calls"], rows))
    if not options.native:
        print(
            "\nWhat C and the compiled modules do is their caller's own; --native tells it apart."
        )
    print(f"\n{PICTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
