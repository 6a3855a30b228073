"""Starts processes pinned to a core, ends them for certain, and reads what they used from /proc."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import Site, Upstream, tool


if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.peers import Launch, Peer


PROXY_CORE = 0
LOAD_CORE = 1
START_TIMEOUT_S = 20
TAIL_SIZE = 2000  # characters of a log that are shown with an error
ROOT = Path(__file__).resolve().parent.parent
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the command's closing bracket, proc(5).
PGRP, UTIME, STIME, RSS_PAGES = 2, 11, 12, 21
# What is written to clear_refs to begin the peak of the resident memory anew, proc(5).
RESET_PEAK = "5"
PEAK = re.compile(r"^VmHWM:\s*(\d+) kB$", re.MULTILINE)
NO_UPSTREAM = Upstream(0)


class StartError(Exception):
    """A process of the rig ended or did not listen in time; the text has the end of its output."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process group has used: CPU seconds so far, resident bytes now."""

    cpu_s: float
    rss: int


def bare_environment(extra: dict[str, str]) -> dict[str, str]:
    """An environment without PYTHONDEVMODE and the like, which `make` sets for tests."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", **extra}


def pinned(core: int, command: list[str]) -> list[str]:
    """The command bound to one core, and killed by the kernel if the rig dies."""
    bound = [tool("taskset", "apt install util-linux"), "-c", str(core)]
    return [*bound, tool("setpriv", "apt install util-linux"), "--pdeathsig", "KILL", *command]


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def members(group: int) -> dict[int, list[str]]:
    """The processes of a group: for each id the fields of its stat after the command."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(") ")[2].split()
            if int(fields[PGRP]) == group:
                found[int(stat.parent.name)] = fields
    return found


def usage(group: int) -> Usage:
    """What all processes of a group have used; they must still run."""
    found = members(group).values()
    cpu_ticks = sum(int(fields[UTIME]) + int(fields[STIME]) for fields in found)
    pages = sum(int(fields[RSS_PAGES]) for fields in found)
    return Usage(cpu_ticks * TICK_S, pages * os.sysconf("SC_PAGE_SIZE"))


def reset_peak(group: int) -> None:
    """Lets the peak of each process's resident memory begin anew."""
    for process in members(group):
        Path(f"/proc/{process}/clear_refs").write_text(RESET_PEAK)


def peak(group: int) -> int:
    """The most resident bytes that the processes of a group have had, each by itself."""
    statuses = [Path(f"/proc/{process}/status").read_text() for process in members(group)]
    return sum(int(size) * 1024 for status in statuses for size in PEAK.findall(status))


def tail(output: Path) -> str:
    """The end of what a process has written."""
    return output.read_text(errors="replace")[-TAIL_SIZE:].strip()


def listens(port: int) -> bool:
    """True if a connection to the port is accepted."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_listening(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    """Returns once the process listens; StartError with its output's end otherwise."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            status = process.poll()
            raise StartError(f"{process.args!r} does not listen (status {status}):\n{tail(output)}")
        time.sleep(0.02)


def end_group(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Kills the process and all it started, and waits for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def running(
    peer: Peer, core: int, directory: Path, upstream: Upstream = NO_UPSTREAM
) -> Iterator[Running]:
    """A peer that listens, pinned to a core, in a directory of its own; killed at the end."""
    site = Site(directory / peer.name.lower(), free_port(), upstream)
    site.directory.mkdir(parents=True)
    launch: Launch = peer.launch(site)
    output = site.directory / "output.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            pinned(core, launch.command),
            cwd=ROOT,
            env=bare_environment(launch.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_listening(process, site.port, output)
        yield Running(peer.name, site.port, process.pid, output)
    finally:
        end_group(process)


@dataclass(frozen=True, slots=True)
class Running:
    """A peer that listens: its name, port and process group, and where its output goes."""

    name: str
    port: int
    group: int
    output: Path
