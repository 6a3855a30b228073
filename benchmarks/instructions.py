"""Guards the pure path by instructions: against what is stored, and 100 routes against one."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cachegrind import CountError, count
from benchmarks.counted import ASKED, REFERENCE, ROUTES, UNASKED
from benchmarks.figures import table
from benchmarks.peers import MissingToolError
from benchmarks.pure_path import HEADS


if TYPE_CHECKING:
    from benchmarks.cachegrind import Counts


STORED = Path(__file__).with_suffix(".json")
REGRESSION_BAR = 1.15  # of the stored ratio
ROUTES_BAR = 1.05  # many routes, of one
KEY_BAR = 1.10  # with a key that is checked, of without
UPDATE = "make instructions ARGS=--update"
ONE, MANY = ROUTES


@dataclass(frozen=True, slots=True)
class Counted:
    """One kind of request.

    Attributes:
        kind: what it is.
        instructions: with one route.
        ratio: of the reference's, counted in the same run: builds of CPython differ by a tenth,
            these ratios by a fiftieth.
        stored: the same when it was last stored; None: it is new.
        routes: with many routes, of that with one.
    """

    kind: str
    instructions: float
    ratio: float
    stored: float | None
    routes: float

    @property
    def change(self) -> float | None:
        """The ratio of the stored one."""
        return None if self.stored is None else self.ratio / self.stored

    def failures(self) -> list[str]:
        """What is wrong with it, a line each."""
        found = []
        if self.change is None:
            found.append(f"{self.kind}: nothing is stored; {UPDATE}")
        elif self.change > REGRESSION_BAR:
            found.append(
                f"{self.kind}: {self.change - 1:+.1%} instructions, more than "
                f"{REGRESSION_BAR - 1:.0%} over what is stored; if it must be so: {UPDATE}"
            )
        if self.routes > ROUTES_BAR:
            found.append(
                f"{self.kind}: {self.routes - 1:+.1%} instructions with {MANY} routes, more than "
                f"{ROUTES_BAR - 1:.0%} over those with one"
            )
        return found


def counted(counts: Counts, stored: dict[str, float]) -> list[Counted]:
    """Every kind of request beside what is stored of it."""
    reference = counts[REFERENCE, 0]
    return [
        Counted(
            kind,
            counts[kind, ONE],
            counts[kind, ONE] / reference,
            stored.get(kind),
            counts[kind, MANY] / counts[kind, ONE],
        )
        for kind in HEADS
    ]


def key_check(counts: Counts) -> float:
    """What a request takes where its client's key is checked, of what it takes where it is not."""
    return counts[ASKED, ONE] / counts[UNASKED, ONE]


def load_stored() -> dict[str, float]:
    """The stored ratios by kind."""
    ratios: dict[str, float] = json.loads(STORED.read_text())["ratios"]
    return ratios


def store(rows: list[Counted]) -> None:
    """Stores the ratios, and what they were counted with."""
    ratios = {row.kind: round(row.ratio, 3) for row in rows}
    python = f"{platform.python_implementation()} {platform.python_version()}"
    told = {"counted_with": f"{python}, {platform.machine()}", "ratios": ratios}
    STORED.write_text(json.dumps(told, indent=2) + "\n")


def markdown(rows: list[Counted]) -> str:
    """The table for people."""
    head = ["request", "instructions", "of the reference", "since stored", f"{MANY} routes"]
    return table(
        head,
        [
            [
                row.kind,
                f"{row.instructions:,.0f}",
                f"{row.ratio:.3f}",
                "" if row.change is None else f"{row.change - 1:+.1%}",
                f"{row.routes - 1:+.1%}",
            ]
            for row in rows
        ],
    )


def main() -> int:
    """Counts, prints, stores if asked; 0 if nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--update", action="store_true", help="store what is counted now")
    options = parser.parse_args()
    try:
        counts = count()
    except (CountError, MissingToolError) as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 1
    if options.update:
        store(counted(counts, {}))
    rows = counted(counts, load_stored())
    print(f"CPython {platform.python_version()}, the plain build, by cachegrind\n")
    print(markdown(rows))
    key = key_check(counts)
    print(f"\nwith a client's key that is checked: {key - 1:+.1%}")
    failures = [line for row in rows for line in row.failures()]
    if key > KEY_BAR:
        failures.append(f"a client's key takes more than {KEY_BAR - 1:.0%} of a request")
    for line in failures:
        print(f"FAIL: {line}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
