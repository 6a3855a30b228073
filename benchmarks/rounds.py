"""Peers side by side: started together, then measured in turns, round after round."""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from benchmarks.figures import Figures
from benchmarks.measure import PROXY_CORE, StartError, running, tail
from benchmarks.peers import MissingToolError


if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.measure import Running
    from benchmarks.peers import Peer, Upstream


T = TypeVar("T")
R = TypeVar("R")
# Of a log, with an error.
SHOWN_LINES, SHOWN_WIDTH = 6, 200
SEED = 1  # of the order of turns: the same in every run


class TurnError(Exception):
    """A peer did not do what was asked of it; its figures are worth nothing."""


@dataclass(frozen=True, slots=True)
class Started:
    """Every peer by name: as it runs, or why it does not."""

    each: dict[str, Running | str]

    @property
    def peers(self) -> list[Running]:
        """Those that run."""
        return [it for it in self.each.values() if not isinstance(it, str)]

    def figures(self) -> dict[str, Figures]:
        """No figures yet; those of a peer that does not run say why."""
        return {
            name: Figures(failure=it if isinstance(it, str) else "")
            for name, it in self.each.items()
        }


@dataclass(frozen=True, slots=True)
class Game:
    """How often peers take turns: so many rounds, in each of them so many turns for a peer."""

    rounds: int
    turns: int = 1


def start_all(
    stack: contextlib.ExitStack, peers: Sequence[Peer], directory: Path, upstream: Upstream
) -> Started:
    """Starts all peers on one core before an upstream; they end with the stack."""
    each: dict[str, Running | str] = {}
    for peer in peers:
        try:
            each[peer.name] = stack.enter_context(running(peer, PROXY_CORE, directory, upstream))
        except MissingToolError as error:
            each[peer.name] = f"missing, {error.source}"
        except StartError as error:
            each[peer.name] = str(error)
    return Started(each)


def play(
    started: Started,
    game: Game,
    turn: Callable[[Running], T],
    total: Callable[[list[T]], dict[str, float]],
    warm_up: Callable[[Running], object] | None = None,
) -> dict[str, Figures]:
    """Every peer's figures by round, all warmed up before.

    All take a turn before any takes its next, in an order that is drawn anew each time. A peer that
    fails is left out from then on, and its figures say why.
    """
    figures = started.figures()
    order = random.Random(SEED)
    for peer in started.peers:
        attempt(peer, figures, partial(warm_up or turn, peer))
    for _ in range(game.rounds):
        turns: dict[str, list[T]] = {peer.name: [] for peer in started.peers}
        # The machine's speed changes within seconds, so peers take turns by the second.
        for _ in range(game.turns):
            for peer in order.sample(started.peers, len(started.peers)):
                turns[peer.name] += attempt(peer, figures, partial(turn, peer))
        for peer in started.peers:
            for values in attempt(peer, figures, partial(total, turns[peer.name])):
                figures[peer.name].add(values)
    return figures


def attempt(peer: Running, figures: dict[str, Figures], action: Callable[[], R]) -> list[R]:
    """What comes of an action for a peer; nothing if the peer has failed before, or does so now."""
    if figures[peer.name].failure:
        return []
    try:
        return [action()]
    except TurnError as error:
        last = [line[:SHOWN_WIDTH] for line in tail(peer.output).splitlines()[-SHOWN_LINES:]]
        figures[peer.name].failure = "\n".join([str(error), *last])
        return []


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value."""
    return statistics.fmean(values)
