"""What every part of the full benchmark is given: where, who, how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.peers.aiohttp_session import AiohttpSession
from benchmarks.peers.caddy import Caddy
from benchmarks.peers.envoy import Envoy
from benchmarks.peers.haproxy import HaProxy
from benchmarks.peers.keybearer import Keybearer
from benchmarks.peers.nginx import Nginx
from benchmarks.rounds import Game


if TYPE_CHECKING:
    from pathlib import Path


PEERS = (Nginx(), HaProxy(), Envoy(), Caddy(), AiohttpSession(), Keybearer())
# What a part other than the main one may take: seconds a peer and round, rounds.
MOST_SECONDS = 2
LATENCY_SECONDS = 3
FEW_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Setup:
    """A directory for all parts, rounds, and seconds of the main load per peer and round."""

    directory: Path
    rounds: int
    seconds: int

    @property
    def long(self) -> Game:
        """For the load that the bars are about."""
        return Game(self.rounds, self.seconds)

    @property
    def short(self) -> Game:
        """For the other loads."""
        return Game(self.rounds, min(self.seconds, MOST_SECONDS))

    def paced(self, turns_per_second: int) -> Game:
        """For the fixed rate."""
        return Game(self.rounds, min(self.seconds, LATENCY_SECONDS) * turns_per_second)

    @property
    def few(self) -> Game:
        """For what takes its own time: one turn a round."""
        return Game(min(self.rounds, FEW_ROUNDS))
