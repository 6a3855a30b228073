"""A bounded load from wrk, its own count of what was answered, and what that cost the proxy."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import LOAD_CORE, ROOT, bare_environment, pinned, usage
from benchmarks.peers import PREFIX, UPSTREAM_PATH, tool
from benchmarks.peers.keybearer import KEY
from benchmarks.rounds import TurnError, mean


if TYPE_CHECKING:
    from benchmarks.measure import Running


CONNECTIONS = 32
TARGET = f"{PREFIX}{UPSTREAM_PATH}?project=abc"
# Sent so that every proxy has something to take off; the upstream refuses whoever leaves one on.
CLIENT_HEADERS = (
    f"Authorization: Bearer {KEY}",
    "Cookie: session=made-up",
    "Accept: application/json",
)
POST_SCRIPT = Path(__file__).with_name("post.lua")
GRACE_S = 15  # beyond the asked time, for wrk to connect and report
SLICE_S = 1
MIB = 1024 * 1024
DONE = re.compile(r"^\s*(\d+) requests in ([\d.]+)(ms|s|m)", re.MULTILINE)
TROUBLE = re.compile(r"^\s*(Non-2xx or 3xx responses|Socket errors):.*$", re.MULTILINE)
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked over and over: the target, over how many connections, and how."""

    target: str = TARGET
    connections: int = CONNECTIONS
    posts: bool = False  # with a body of 2 KiB
    closes: bool = False  # a new connection for each request


SMALL = Load()


@dataclass(frozen=True, slots=True)
class Answered:
    """Requests answered with 2xx, and the seconds that took."""

    requests: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Requests answered per second."""
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Slice:
    """A peer's turn: what was answered, the CPU seconds it took, the resident bytes after it."""

    answered: Answered
    cpu_s: float
    rss: int


def parse(output: str) -> Answered:
    """What wrk reports; TurnError if it reports trouble or does not report."""
    if trouble := TROUBLE.search(output):
        raise TurnError(trouble[0].strip())
    done = DONE.search(output)
    if done is None:
        raise TurnError(f"wrk does not say what it counted: {output!r}")
    return Answered(int(done[1]), float(done[2]) * SECONDS[done[3]])


def command_line(kind: Load, port: int, seconds: int) -> list[str]:
    """wrk's command line for a load on a port of this machine."""
    wrk = tool("wrk", "apt install wrk")
    command = [wrk, "-t1", f"-c{kind.connections}", f"-d{seconds}s", f"--timeout={GRACE_S}s"]
    for header in (*CLIENT_HEADERS, *(["Connection: close"] if kind.closes else [])):
        command += ["-H", header]
    if kind.posts:
        command += ["-s", str(POST_SCRIPT)]
    return [*command, f"http://127.0.0.1:{port}{kind.target}"]


def run(command: list[str], timeout_s: float) -> str:
    """What a client on the load's core prints; TurnError if it fails or does not end in time."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            pinned(LOAD_CORE, command),
            cwd=ROOT,
            env=bare_environment({}),
            capture_output=True,
            text=True,
            check=True,
            timeout=timeout_s,
        )
    except subprocess.CalledProcessError as error:
        raise TurnError(f"{name}: status {error.returncode}, {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise TurnError(f"{name}: not done after {timeout_s} s") from error
    return done.stdout


def load(port: int, seconds: int, kind: Load = SMALL) -> Answered:
    """Loads a port of this machine for some seconds; TurnError unless every answer was 2xx."""
    return parse(run(command_line(kind, port, seconds), seconds + GRACE_S))


def take(peer: Running, kind: Load) -> Slice:
    """Loads a peer for a second; TurnError unless every answer was 2xx."""
    before = usage(peer.group)
    answered = load(peer.port, SLICE_S, kind)
    after = usage(peer.group)
    return Slice(answered, after.cpu_s - before.cpu_s, after.rss)


def total(slices: list[Slice]) -> dict[str, float]:
    """The figures of one round; TurnError if nothing was answered in any of its slices."""
    requests = sum(each.answered.requests for each in slices)
    if not requests:
        raise TurnError("wrk counted no request in a whole round")
    return {
        "cpu_us": sum(each.cpu_s for each in slices) * 1e6 / requests,
        "per_second": mean([each.answered.per_second for each in slices]),
        "rss_mib": slices[-1].rss / MIB,
    }
