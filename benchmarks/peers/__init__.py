"""What every proxy under test is asked to do, and the interface the rig starts it through.

All do the same work: cut `PREFIX`, drop the client's `Authorization` and `Cookie`, put
`CREDENTIAL_HEADER` on, write an access log to a file, keep upstream connections open, use one core.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


PREFIX = "/microreact"
CREDENTIAL_HEADER = "Access-Token"
TOKEN = "made-up-token-0123456789abcdef"
UPSTREAM_PATH = "/api/projects/json"


class MissingToolError(Exception):
    """A program the benchmark needs is not installed; the text names it and where it comes from."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a peer works: a directory of its own, the port to listen on, the upstream's port."""

    directory: Path
    port: int
    upstream_port: int


@dataclass(frozen=True, slots=True)
class Launch:
    """How a peer is started: its command line, and environment variables beside the bare ones."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


class Peer(Protocol):
    """One proxy under test."""

    name: str

    def launch(self, site: Site) -> Launch:
        """Writes its configuration into the site and says how to start it; MissingToolError."""
        ...


def tool(name: str, package: str) -> str:
    """A program's path, first beside the interpreter; MissingToolError names its package."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise MissingToolError(f"{name} is not installed: {package}")
    return found
