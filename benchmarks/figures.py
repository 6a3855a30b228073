"""Medians, intervals and Markdown for figures that were taken in rounds."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


TO = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over all rounds: median, least and greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int) -> str:
        """`median (low-high)` with so many digits after the point."""
        median, low, high = (f"{value:,.{digits}f}" for value in (self.median, self.low, self.high))
        return f"{median} ({low}{TO}{high})"


def paired(ours: list[float], theirs: list[float]) -> Spread:
    """The ratio ours / theirs, round by round: a slow moment of the machine hits both."""
    return Spread.of([our / their for our, their in zip(ours, theirs, strict=True)])


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A ratio against its bar: the median decides, and the interval is shown."""

    name: str
    ratio: Spread
    bar: float

    @property
    def passed(self) -> bool:
        """True if the median is at most the bar."""
        return self.ratio.median <= self.bar

    def text(self) -> str:
        """One line for people."""
        word = "pass" if self.passed else "FAIL"
        whole = "wholly" if self.ratio.high <= self.bar else "not wholly"
        return f"{word}: {self.name} {self.ratio.text(2)}, {whole} under the bar of {self.bar}"
