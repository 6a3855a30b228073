"""By how much a proxy's memory grows while curl moves one body of 1 GiB through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.load import CLIENT_HEADERS, MIB, run
from benchmarks.measure import peak, reset_peak, usage
from benchmarks.peers import FILES_PATH, PREFIX, tool
from benchmarks.rounds import TurnError


if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.measure import Running


TIMEOUT_S = 120


@dataclass(slots=True)
class Transfer:
    """One body through each peer: curl's options, and each peer's memory before the first."""

    options: list[str]
    small: list[str]
    target: str
    size: int  # bytes that curl has to count
    rss: dict[str, int] = field(default_factory=dict)

    def curl(self, port: int, target: str, options: list[str]) -> int:
        """Bytes down and up; TurnError."""
        command = [tool("curl", "apt install curl"), "--silent", "--show-error", "--fail"]
        for header in CLIENT_HEADERS:
            command += ["-H", header]
        command += ["-o", "/dev/null", "-w", "%{size_download} %{size_upload}"]
        command += [*options, f"http://127.0.0.1:{port}{PREFIX}{target}"]
        return sum(int(size) for size in run(command, TIMEOUT_S).split())

    def warm_up(self, peer: Running) -> None:
        """A small body, so that what is loaded on the first request is there."""
        self.curl(peer.port, f"{FILES_PATH}/10k", self.small)
        self.rss[peer.name] = usage(peer.group).rss

    def take(self, peer: Running) -> dict[str, float]:
        """One body; growth is over what was resident before the first."""
        reset_peak(peer.group)
        size = self.curl(peer.port, self.target, self.options)
        if size < self.size:
            raise TurnError(f"curl counted {size} bytes of {self.size}")
        before = self.rss[peer.name]
        return {
            "growth_mib": (peak(peer.group) - before) / MIB,
            "before_mib": before / MIB,
        }


def upload(file: Path) -> list[str]:
    """curl's options to send a file by POST, without asking first."""
    return ["-X", "POST", "-T", str(file), "-H", "Expect:"]
