"""One body of 1 GiB down and one up: throughput, CPU time, and by how much memory grows."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.figures import Verdict, ratio
from benchmarks.load import CLIENT_HEADERS, MIB, run
from benchmarks.measure import LOAD_CORE, peak, reset_peak, running, usage
from benchmarks.peers import FILES_PATH, PREFIX, Upstream, tool
from benchmarks.peers.nginx import BINARY, FILES, Nginx, NginxUpstream
from benchmarks.peers.standin import StandIn
from benchmarks.report import OURS, Column, Part, failures, peers_table
from benchmarks.rounds import TurnError, play, start_all
from benchmarks.setup import PEERS


if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.figures import Figures
    from benchmarks.measure import Running
    from benchmarks.peers import Peer
    from benchmarks.setup import Setup


SIZE = FILES["1g"]
TIMEOUT_S = 120
GROWTH_BAR_MIB = 16
DOWN, JSON, UP = "1 GiB down", "1 GiB of JSON down", "1 GiB up"
RATE = Column("MiB/s", "mib_per_s", 0)
CPU = Column("CPU s per GiB", "cpu_s", 2)
GROWTH = Column("RSS grows by MiB", "growth_mib", 1)
BEFORE = Column("RSS before, MiB", "before_mib", 0)


@dataclass(slots=True)
class Transfer:
    """One body through each peer: curl's options, and each peer's memory before the first."""

    options: list[str]
    small: list[str]
    target: str
    size: int  # bytes that curl has to count
    rss: dict[str, int] = field(default_factory=dict)

    def curl(self, port: int, target: str, options: list[str]) -> tuple[int, float]:
        """Bytes down and up, and seconds; TurnError."""
        command = [tool("curl", "apt install curl"), "--silent", "--show-error", "--fail"]
        for header in CLIENT_HEADERS:
            command += ["-H", header]
        command += ["-o", "/dev/null", "-w", "%{size_download} %{size_upload} %{time_total}"]
        command += [*options, f"http://127.0.0.1:{port}{PREFIX}{target}"]
        down, up, seconds = run(command, TIMEOUT_S).split()
        return int(down) + int(up), float(seconds)

    def warm_up(self, peer: Running) -> None:
        """A small body, so that what is loaded on the first request is there."""
        self.curl(peer.port, f"{FILES_PATH}/10k", self.small)
        self.rss[peer.name] = usage(peer.group).rss

    def take(self, peer: Running) -> dict[str, float]:
        """One body; growth is over what was resident before the first."""
        reset_peak(peer.group)
        before = usage(peer.group)
        size, seconds = self.curl(peer.port, self.target, self.options)
        if size < self.size:
            raise TurnError(f"curl counted {size} bytes of {self.size}")
        return {
            "mib_per_s": size / MIB / seconds,
            "cpu_s": (usage(peer.group).cpu_s - before.cpu_s) * SIZE / size,
            "growth_mib": (peak(peer.group) - self.rss[peer.name]) / MIB,
            "before_mib": self.rss[peer.name] / MIB,
        }


def upload(file: Path) -> list[str]:
    """curl's options to send a file by POST, without asking first."""
    return ["-X", "POST", "-T", str(file), "-H", "Expect:"]


def measure(
    setup: Setup, directory: Path, upstream: Peer, transfer: Transfer
) -> dict[str, Figures]:
    """Every peer's figures for one direction."""
    with contextlib.ExitStack() as stack:
        behind = stack.enter_context(running(upstream, LOAD_CORE, directory))
        started = start_all(stack, PEERS, directory, Upstream(behind.port))
        return play(
            started, setup.few, transfer.take, lambda turns: turns[0], warm_up=transfer.warm_up
        )


def verdicts(title: str, figures: dict[str, Figures]) -> list[Verdict]:
    """The bars of one direction."""
    ours = figures[OURS]
    faster = ratio(ours, figures[Nginx.name], RATE.name)
    growth = ours.spread(GROWTH.name)
    return [
        Verdict(f"throughput, {title} / nginx's", faster, 1, at_least=True),
        Verdict(f"growth of memory, {title}, MiB", growth, GROWTH_BAR_MIB, digits=1),
    ]


def streams(setup: Setup) -> Part:
    """The part of the report, both directions."""
    directory = setup.directory / "streams"
    www = directory / "down" / NginxUpstream.name / "www" / FILES_PATH.strip("/")
    down = Transfer([], [], f"{FILES_PATH}/{BINARY}", SIZE)
    json = Transfer([], [], f"{FILES_PATH}/1g", SIZE)
    up = Transfer(upload(www / "1g"), upload(www / "10k"), f"{FILES_PATH}/upload", SIZE)
    taken = {
        DOWN: measure(setup, directory / "down", NginxUpstream(), down),
        JSON: measure(setup, directory / "json", NginxUpstream(), json),
        UP: measure(setup, directory / "up", StandIn(), up),
    }
    columns = [RATE, CPU, GROWTH, BEFORE]
    texts = [
        f"{title}:\n\n{peers_table(figures, columns, against=RATE)}"
        for title, figures in taken.items()
    ]
    return Part(
        "Large bodies",
        "\n\n".join(texts),
        [verdict for title in (DOWN, UP) for verdict in verdicts(title, taken[title])],
        failures=[line for title, each in taken.items() for line in failures(each, f", {title}")],
    )
