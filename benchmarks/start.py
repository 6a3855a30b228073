"""Time from exec to `ready`, beside what importing aiohttp's server alone takes."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.measure import (
    PROXY_CORE,
    ROOT,
    StartError,
    bare_environment,
    end_group,
    free_port,
    pinned,
)
from benchmarks.peers import Launch, Site, Upstream
from benchmarks.peers.keybearer import Keybearer


if TYPE_CHECKING:
    from pathlib import Path


READY = b"ready"
START_ROUNDS = 10
BASELINE = Launch([sys.executable, "-c", f"import aiohttp.web; print({READY.decode()!r})"])


def seconds_to_ready(launch: Launch) -> float:
    """Seconds from exec until the line `ready` on stdout; StartError if it ends without."""
    began = time.perf_counter()
    process = subprocess.Popen(
        pinned(PROXY_CORE, launch.command),
        cwd=ROOT,
        env=bare_environment(launch.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.strip() == READY:
                return time.perf_counter() - began
    finally:
        end_group(process)
        process.stdout.close()
    raise StartError(f"{launch.command} ended without `ready`")


def start_times(directory: Path, rounds: int, routes: int = 1) -> tuple[list[float], list[float]]:
    """Seconds to ready of Keybearer and the baseline, in turn, after one uncounted round."""
    site = Site(directory / "start", free_port(), Upstream(free_port()))
    site.directory.mkdir(parents=True)
    launch = Keybearer(routes).launch(site)
    ours: list[float] = []
    baseline: list[float] = []
    for _ in range(rounds + 1):
        ours.append(seconds_to_ready(launch))
        baseline.append(seconds_to_ready(BASELINE))
    return ours[1:], baseline[1:]
