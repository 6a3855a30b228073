"""The machine in plain words, and the versions of what ran on it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import bare_environment
from benchmarks.peers import MissingToolError, tool


MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
NUMBER = re.compile(r"\d+(?:\.\d+)+")
ASKED = {
    "nginx": ["nginx", "-v"],
    "HAProxy": ["haproxy", "-v"],
    "Envoy": ["envoy", "--version"],
    "Caddy": ["caddy", "version"],
    "wrk": ["wrk", "-v"],
    "curl": ["curl", "--version"],
}
TIMEOUT_S = 20


def describe() -> str:
    """The machine in a few words."""
    return f"{os.cpu_count()} cores, {platform.machine()}, CPython {platform.python_version()}"


def system() -> str:
    """The processor's name, and the kernel."""
    model = MODEL.search(Path("/proc/cpuinfo").read_text())
    named = f"{model[1].strip()}, " if model else ""
    return f"{named}{platform.system()} {platform.release().partition('-')[0]}"


def asked(command: list[str]) -> str:
    """The first version number in what a program prints; `missing` if there is none."""
    name, *options = command
    try:
        done = subprocess.run(
            [tool(name, ""), *options],
            env=bare_environment({}),
            capture_output=True,
            text=True,
            check=False,  # wrk has its version in its usage, and fails
            timeout=TIMEOUT_S,
        )
    except (MissingToolError, OSError, subprocess.SubprocessError):
        return "missing"
    number = NUMBER.search(done.stdout + done.stderr)
    return number[0] if number else "unknown"


def versions() -> str:
    """Every program's name and version."""
    named = {name: asked(command) for name, command in ASKED.items()}
    named |= {"aiohttp": version("aiohttp"), "uvloop": version("uvloop")}
    named |= {"Keybearer": f"{version('keybearer')} ({build()})"}
    return ", ".join(f"{name} {number}" for name, number in named.items())


def build() -> str:
    """Whether the Keybearer beside this interpreter is compiled."""
    libraries = Path(sys.executable).parent.parent.glob(
        "lib/python*/site-packages/proxy/dataplane/*.so"
    )
    return "compiled" if any(libraries) else "not compiled"
