"""Markdown: tables of peers' figures, what went wrong, and the parts of a whole report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.figures import ratio, table
from benchmarks.peers.keybearer import Keybearer


if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.figures import Figures, Spread, Verdict


OURS = Keybearer.name
NONE = "not measured"


@dataclass(frozen=True, slots=True)
class Column:
    """A figure as a column: what stands above it, its name, digits after the point."""

    title: str
    name: str
    digits: int


# The figures of a load.
CPU = Column("CPU µs per request", "cpu_us", 1)
RATE = Column("requests/s", "per_second", 0)
RSS = Column("RSS MiB", "rss_mib", 0)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the report; for the chart the title of a panel, and its series by name."""

    title: str
    text: str
    verdicts: list[Verdict] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    panel: str = ""
    series: dict[str, dict[str, Spread]] = field(default_factory=dict)

    def markdown(self) -> str:
        """The part with its heading and with what failed in it."""
        return "\n\n".join([f"## {self.title}", self.text, *self.failures])


def cell(spread: Spread | None, digits: int) -> str:
    """A figure in a table."""
    return NONE if spread is None else spread.text(digits)


def peers_table(
    figures: dict[str, Figures],
    columns: list[Column],
    against: Column | None = None,
    compare: Callable[[Figures, Figures, str], Spread | None] = ratio,
) -> str:
    """A row for each peer; if asked for, with the ratio of one figure, Keybearer's / the peer's."""
    rows = []
    for name, theirs in figures.items():
        row = [name, *(cell(theirs.spread(column.name), column.digits) for column in columns)]
        if against:
            ours = "" if name == OURS else cell(compare(figures[OURS], theirs, against.name), 2)
            row.append(ours)
        rows.append(row)
    head = ["proxy", *(column.title for column in columns)]
    return table([*head, f"{OURS} / it ({against.title})"] if against else head, rows)


def matrix(scenarios: dict[str, dict[str, Figures]], column: Column) -> str:
    """A row for each scenario, a column for each peer, of one figure."""
    peers = list(next(iter(scenarios.values())))
    rows = [
        [title, *(cell(figures[peer].spread(column.name), column.digits) for peer in peers)]
        for title, figures in scenarios.items()
    ]
    return table([column.title, *peers], rows)


def ratios(scenarios: dict[str, dict[str, Figures]], column: Column) -> str:
    """The same for the ratio of the figure, Keybearer's / the peer's."""
    peers = [name for name in next(iter(scenarios.values())) if name != OURS]
    rows = [
        [title, *(cell(ratio(figures[OURS], figures[peer], column.name), 2) for peer in peers)]
        for title, figures in scenarios.items()
    ]
    return table([column.title, *peers], rows)


def failures(figures: dict[str, Figures], where: str = "") -> list[str]:
    """A line for each peer that has no figures; what it printed last is indented below."""
    found = []
    for name, theirs in figures.items():
        if theirs.failure:
            first, *rest = theirs.failure.splitlines()
            found.append("\n    ".join([f"{name}{where}: {first}", *rest]))
    return found


def series(figures: dict[str, Figures], name: str) -> dict[str, Spread]:
    """One figure of every peer that has it."""
    spreads = {peer: theirs.spread(name) for peer, theirs in figures.items()}
    return {peer: spread for peer, spread in spreads.items() if spread is not None}
