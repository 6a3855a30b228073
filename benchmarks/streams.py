"""Large bodies down and up: throughput and CPU time in turns, and by how much memory grows."""

from __future__ import annotations

import contextlib
import statistics
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bodies import Client, Exchange
from benchmarks.figures import Figures, Verdict, ratio_by_turn
from benchmarks.growth import Transfer, upload
from benchmarks.latency import head
from benchmarks.load import CLIENT_HEADERS, MIB
from benchmarks.measure import LOAD_CORE, running, usage
from benchmarks.pacer import AnswerError, connect
from benchmarks.peers import FILES_PATH, PREFIX, Upstream
from benchmarks.peers.nginx import FILES, Nginx, NginxUpstream
from benchmarks.peers.standin import StandIn
from benchmarks.report import OURS, Column, Part, failures, peers_table
from benchmarks.rounds import Game, TurnError, play, start_all
from benchmarks.setup import PEERS


if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from benchmarks.measure import Running
    from benchmarks.peers import Peer
    from benchmarks.rounds import Started
    from benchmarks.setup import Setup


SIZE = FILES["1g"]
TURN_SIZE = FILES["64m"]
TURNS = SIZE // TURN_SIZE  # of a round
TIMEOUT_S = 30  # without a byte moved
GROWTH_BAR_MIB = 16
DOWN, JSON, UP = "1 GiB down", "1 GiB of JSON down", "1 GiB up"
RATE = Column("MiB/s", "mib_per_s", 0)
CPU = Column("CPU s per GiB", "cpu_s", 2)
GROWTH = Column("RSS grows by MiB", "growth_mib", 1)
BEFORE = Column("RSS before, MiB", "before_mib", 0)
# A value for each turn.
TURN_RATE = Column("MiB/s by turn", "turn_mib_per_s", 0)
HOW = (
    f"A round is {TURNS} turns of {TURN_SIZE // MIB} MiB: a request each, on a connection that is "
    "kept; before a round all peers are started anew. MiB/s and CPU time are of all turns of a "
    "round together. Ratios are paired by turn, and a round's is the median of its turns'. By how "
    "much memory grows is of one body of 1 GiB, by itself."
)


@dataclass(frozen=True, slots=True)
class Direction:
    """Bodies that go one way: what is behind the proxies, and what is asked in a turn, and once."""

    upstream: Peer
    exchange: Exchange
    transfer: Transfer


@dataclass(frozen=True, slots=True)
class Clients:
    """A client of each peer by name, connected all the while."""

    stack: ExitStack
    exchange: Exchange
    each: dict[str, Client] = field(default_factory=dict)

    def warm_up(self, peer: Running) -> None:
        """Connects, and has a turn that does not count; TurnError."""
        try:
            line = self.stack.enter_context(connect(peer.port, TIMEOUT_S))
        except OSError as error:
            raise TurnError(f"client: {error}") from error
        self.each[peer.name] = Client(line, self.exchange)
        self.take(peer)

    def take(self, peer: Running) -> dict[str, float]:
        """A turn; TurnError if it was not answered as it should be."""
        before = usage(peer.group)
        try:
            seconds = self.each[peer.name].ask()
        except (AnswerError, OSError) as error:
            raise TurnError(f"client: {error}") from error
        return {
            TURN_RATE.name: TURN_SIZE / MIB / seconds,
            CPU.name: usage(peer.group).cpu_s - before.cpu_s,
        }


def joined(rounds: list[dict[str, Figures]]) -> dict[str, Figures]:
    """The figures of several rounds behind one another; a peer has failed if it did in one."""
    gathered: dict[str, Figures] = {}
    for figures in rounds:
        for name, taken in figures.items():
            into = gathered.setdefault(name, Figures())
            into.failure = into.failure or taken.failure
            for figure, values in taken.rounds.items():
                into.rounds.setdefault(figure, []).extend(values)
    return gathered


def by_round(figures: Figures, turns: int) -> Figures:
    """Adds up what each turn had; the rates of the turns stay beside that."""
    rates = figures.rounds.get(TURN_RATE.name, [])
    cpu_s = figures.rounds.get(CPU.name, [])
    gib = turns * TURN_SIZE / SIZE
    rounds = range(0, len(rates), turns)
    values = {
        # Each turn moves as much, so that the rate over their time is the harmonic mean.
        RATE.name: [statistics.harmonic_mean(rates[at : at + turns]) for at in rounds],
        CPU.name: [sum(cpu_s[at : at + turns]) / gib for at in rounds],
        TURN_RATE.name: rates,
    }
    return Figures(values, figures.failure)


@contextlib.contextmanager
def all_running(direction: Direction, directory: Path) -> Iterator[tuple[ExitStack, Started]]:
    """Every peer before its upstream, just started; what is put on the stack ends before them."""
    with contextlib.ExitStack() as stack:
        behind = stack.enter_context(running(direction.upstream, LOAD_CORE, directory))
        yield stack, start_all(stack, PEERS, directory, Upstream(behind.port))


def growth(direction: Direction, directory: Path) -> dict[str, Figures]:
    """How every peer's memory grows; once, for it does not hang on how busy the machine is."""
    with all_running(direction, directory) as (_, started):
        transfer = direction.transfer
        return play(started, Game(1), transfer.take, first, warm_up=transfer.warm_up)


def throughput(direction: Direction, directory: Path) -> dict[str, Figures]:
    """Every peer's figures by turn, of one round."""
    with all_running(direction, directory) as (stack, started):
        clients = Clients(stack, direction.exchange)
        return play(started, Game(TURNS), clients.take, first, warm_up=clients.warm_up)


def measure(setup: Setup, directory: Path, direction: Direction) -> dict[str, Figures]:
    """Every peer's figures for one direction."""
    grown = growth(direction, directory / "whole")
    # How its heap lies, and what windows its connections have come to, sets a process's pace for as
    # long as it runs: rounds of the same processes would agree, and the next run would not.
    rounds = [
        throughput(direction, directory / f"round-{number}") for number in range(setup.few.rounds)
    ]
    turns = {name: by_round(taken, TURNS) for name, taken in joined(rounds).items()}
    return {name: beside(taken, grown[name]) for name, taken in turns.items()}


def first(turns: list[dict[str, float]]) -> dict[str, float]:
    """What the only turn had."""
    return turns[0]


def beside(one: Figures, other: Figures) -> Figures:
    """Different figures of one peer."""
    return Figures(one.rounds | other.rounds, one.failure or other.failure)


def verdicts(title: str, figures: dict[str, Figures]) -> list[Verdict]:
    """The bars of one direction."""
    ours = figures[OURS]
    faster = ratio_by_turn(ours, figures[Nginx.name], TURN_RATE.name, TURNS)
    growth = ours.spread(GROWTH.name)
    return [
        Verdict(f"throughput, {title} / nginx's", faster, 1, at_least=True),
        Verdict(f"growth of memory, {title}, MiB", growth, GROWTH_BAR_MIB, digits=1),
    ]


def download(suffix: str) -> Direction:
    """A file of that suffix, from nginx."""
    request = head(f"{PREFIX}{FILES_PATH}/64m{suffix}", CLIENT_HEADERS)
    transfer = Transfer([], [], f"{FILES_PATH}/1g{suffix}", SIZE)
    return Direction(NginxUpstream(), Exchange(request.encode(), received=TURN_SIZE), transfer)


def to_stand_in(www: Path) -> Direction:
    """A body that is read to its end; for curl it is a file."""
    fields = (*CLIENT_HEADERS, f"Content-Length: {TURN_SIZE}")
    target = f"{FILES_PATH}/upload"
    request = head(f"{PREFIX}{target}", fields, method="POST")
    transfer = Transfer(upload(www / "1g"), upload(www / "10k"), target, SIZE)
    return Direction(StandIn(), Exchange(request.encode(), sent=TURN_SIZE), transfer)


def streams(setup: Setup) -> Part:
    """The part of the report, both directions."""
    directory = setup.directory / "streams"
    www = directory / "down" / "whole" / NginxUpstream.name / "www" / FILES_PATH.strip("/")
    taken = {
        DOWN: measure(setup, directory / "down", download(".bin")),
        JSON: measure(setup, directory / "json", download("")),
        UP: measure(setup, directory / "up", to_stand_in(www)),
    }
    columns = [RATE, CPU, GROWTH, BEFORE]
    compare = partial(ratio_by_turn, turns=TURNS)
    texts = [
        f"{title}:\n\n{peers_table(figures, columns, TURN_RATE, compare)}"
        for title, figures in taken.items()
    ]
    return Part(
        "Large bodies",
        "\n\n".join([HOW, *texts]),
        [verdict for title in (DOWN, UP) for verdict in verdicts(title, taken[title])],
        failures=[line for title, each in taken.items() for line in failures(each, f", {title}")],
    )
