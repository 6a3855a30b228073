"""Starts processes pinned to a core, ends them for certain, and reads what they used from /proc."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import Site, tool


if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.peers import Launch, Peer


PROXY_CORE = 0
LOAD_CORE = 1
START_TIMEOUT_S = 20
ROOT = Path(__file__).resolve().parent.parent
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the command's closing bracket, proc(5).
PGRP, UTIME, STIME, RSS_PAGES = 2, 11, 12, 21


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


def usage(group: int) -> Usage:
    """What all processes of a group have used; they must still run."""
    cpu_ticks = pages = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(") ")[2].split()
            if int(fields[PGRP]) == group:
                cpu_ticks += int(fields[UTIME]) + int(fields[STIME])
                pages += int(fields[RSS_PAGES])
    return Usage(cpu_ticks * TICK_S, pages * os.sysconf("SC_PAGE_SIZE"))


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
            tail = output.read_text(errors="replace")[-2000:]
            raise StartError(f"{process.args!r} does not listen (status {process.poll()}):\n{tail}")
        time.sleep(0.02)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and all it started, and waits for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def running(peer: Peer, core: int, directory: Path, upstream_port: int = 0) -> Iterator[Running]:
    """A peer that listens, pinned to a core, in a directory of its own; killed at the end."""
    site = Site(directory / peer.name.lower(), free_port(), upstream_port)
    site.directory.mkdir()
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
        yield Running(peer.name, site.port, process.pid)
    finally:
        end_group(process)


@dataclass(frozen=True, slots=True)
class Running:
    """A peer that listens: its name, port and process group."""

    name: str
    port: int
    group: int
