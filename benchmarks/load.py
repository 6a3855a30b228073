"""A bounded load from wrk, and its own count of what was answered."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from benchmarks.measure import LOAD_CORE, bare_environment, pinned
from benchmarks.peers import PREFIX, UPSTREAM_PATH, tool


CONNECTIONS = 32
TARGET = f"{PREFIX}{UPSTREAM_PATH}?project=abc"
# Sent so that every proxy has something to take off; the upstream refuses whoever leaves one on.
CLIENT_HEADERS = (
    "Authorization: Bearer made-up",
    "Cookie: session=made-up",
    "Accept: application/json",
)
GRACE_S = 15  # beyond the asked time, for wrk to connect and report
DONE = re.compile(r"^\s*(\d+) requests in ([\d.]+)(ms|s|m)", re.MULTILINE)
TROUBLE = re.compile(r"^\s*(Non-2xx or 3xx responses|Socket errors):.*$", re.MULTILINE)
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


class LoadError(Exception):
    """wrk met an error or an answer other than 2xx; the round is worth nothing."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Requests answered with 2xx, and the seconds that took."""

    requests: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Requests answered per second."""
        return self.requests / self.seconds


def parse(output: str) -> Answered:
    """What wrk reports; LoadError if it reports trouble or nothing was answered."""
    if trouble := TROUBLE.search(output):
        raise LoadError(trouble[0].strip())
    done = DONE.search(output)
    if done is None or int(done[1]) == 0:
        raise LoadError(f"wrk counted no request:\n{output}")
    return Answered(int(done[1]), float(done[2]) * SECONDS[done[3]])


def load(port: int, seconds: int) -> Answered:
    """Loads a port of this machine for some seconds; LoadError unless every answer was 2xx."""
    command = [tool("wrk", "apt install wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    for header in CLIENT_HEADERS:
        command += ["-H", header]
    command.append(f"http://127.0.0.1:{port}{TARGET}")
    try:
        done = subprocess.run(
            pinned(LOAD_CORE, command),
            env=bare_environment({}),
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + GRACE_S,
        )
    except subprocess.SubprocessError as error:
        raise LoadError(f"wrk: {error}") from error
    return parse(done.stdout)
