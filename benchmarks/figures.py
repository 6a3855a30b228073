"""Medians, intervals, verdicts and Markdown for figures that were taken in rounds."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


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


@dataclass(slots=True)
class Figures:
    """One peer's figures by name, a value per round of each; or why there are none."""

    rounds: dict[str, list[float]] = field(default_factory=dict)
    failure: str = ""

    def add(self, values: dict[str, float]) -> None:
        """Adds a round."""
        for name, value in values.items():
            self.rounds.setdefault(name, []).append(value)

    def spread(self, name: str) -> Spread | None:
        """One figure over all rounds; None if the peer failed."""
        return None if self.failure else Spread.of(self.rounds[name])


def paired(ours: list[float], theirs: list[float]) -> Spread:
    """The ratio ours / theirs, round by round: a slow moment of the machine hits both."""
    return Spread.of([our / their for our, their in zip(ours, theirs, strict=True)])


def ratio(ours: Figures, theirs: Figures, name: str) -> Spread | None:
    """The ratio of one figure, paired by round; None if either of them failed."""
    if ours.failure or theirs.failure:
        return None
    return paired(ours.rounds[name], theirs.rounds[name])


def ratio_by_turn(ours: Figures, theirs: Figures, name: str, turns: int) -> Spread | None:
    """The ratio of a figure that has a value for each turn, of so many in a round.

    It is paired by turn, and a round's is the median of its turns': one in which the machine stood
    still for one of the two does not count for more than any other. None if either of them failed.
    """
    if ours.failure or theirs.failure:
        return None
    pairs = zip(ours.rounds[name], theirs.rounds[name], strict=True)
    by_turn = [our / their for our, their in pairs]
    return Spread.of(
        [statistics.median(by_turn[at : at + turns]) for at in range(0, len(by_turn), turns)]
    )


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure against its bar: the median decides, and the interval is shown."""

    name: str
    figure: Spread | None
    bar: float
    at_least: bool = False  # or else: at most
    digits: int = 2

    @property
    def passed(self) -> bool:
        """True if it was measured and the median keeps to the bar."""
        return self.figure is not None and self.keeps(self.figure.median)

    def keeps(self, value: float) -> bool:
        """True if a value is on the right side of the bar."""
        return value >= self.bar if self.at_least else value <= self.bar

    def text(self) -> str:
        """One line for people."""
        side = "over" if self.at_least else "under"
        if self.figure is None:
            return f"not measured: {self.name}, the bar is {self.bar:.3g}"
        kept = [self.keeps(value) for value in (self.figure.low, self.figure.high)]
        if all(kept):
            how = f"wholly {side} the bar of {self.bar:.3g}"
        elif any(kept):
            how = f"too wide to tell: the bar of {self.bar:.3g} lies within"
        else:
            how = f"wholly on the wrong side of the bar of {self.bar:.3g}"
        word = "pass" if self.passed else "FAIL"
        return f"{word}: {self.name} {self.figure.text(self.digits)}, {how}"
