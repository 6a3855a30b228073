"""Counts the instructions of `benchmarks.counted` by valgrind's cachegrind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import ROOT, bare_environment
from benchmarks.peers import tool


PACKAGE = "apt install valgrind"
TIMEOUT_S = 600  # it takes 10 s of CPU time
TOTAL = re.compile(r"^summary: (\d+)$", re.MULTILINE)

Counts = dict[tuple[str, int], float]
"""Instructions of one request by its kind and the number of routes."""


class CountError(Exception):
    """valgrind or the counted work has failed; the text has the end of its output."""


def total(profile: str) -> int:
    """The instructions that a profile of cachegrind tells; CountError if it tells none."""
    found = TOTAL.search(profile)
    if found is None:
        raise CountError("cachegrind has written a profile without a total")
    return int(found[1])


class Child(NamedTuple):
    """A process that did a piece of work so many times."""

    pid: int
    kind: str
    routes: int
    times: int


def per_time(children: list[tuple[Child, int]]) -> Counts:
    """What one time of each piece takes: the difference between its two children.

    Args:
        children: with their totals; the two of a piece stand side by side.
    """
    counts: Counts = {}
    for (less, fewer), (more, greater) in pairwise(children):
        key = more.kind, more.routes
        if key == (less.kind, less.routes):
            counts[key] = (greater - fewer) / (more.times - less.times)
    return counts


def count() -> Counts:
    """Counts everything; CountError, or MissingToolError if there is no valgrind."""
    with tempfile.TemporaryDirectory(prefix="keybearer-count-") as name:
        # Without caches, and without the tree of calls that callgrind keeps: half the time.
        valgrind = [tool("valgrind", PACKAGE), "-q", "--tool=cachegrind", "--cache-sim=no"]
        valgrind.append(f"--cachegrind-out-file={name}/%p")
        done = subprocess.run(
            [*valgrind, sys.executable, "-m", "benchmarks.counted"],
            cwd=ROOT,
            # Without a seed the sets of names are laid out anew each time.
            env=bare_environment({"PYTHONHASHSEED": "0"}),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        if done.returncode:
            raise CountError(f"valgrind: status {done.returncode}\n{done.stderr[-2000:]}")
        children = [Child(**json.loads(line)) for line in done.stdout.splitlines()]
        profiles = [Path(name) / str(child.pid) for child in children]
        totals = [total(profile.read_text()) for profile in profiles]
    return per_time(list(zip(children, totals, strict=True)))
