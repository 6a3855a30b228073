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
FILES_PATH = "/api/files"
EVENTS_PATH = "/api/projects/events"
# The name in the certificate of an upstream behind TLS; it is reached by address all the same.
UPSTREAM_NAME = "localhost"
# Upstream connections that a proxy may keep open while nobody uses them: more than are ever loaded.
KEPT_OPEN = 512
# Debian has servers there; a user's PATH need not.
SYSTEM_PROGRAMS = "/usr/sbin:/sbin"


class MissingToolError(Exception):
    """A program the benchmark needs is not installed; `source` says where it comes from."""

    def __init__(self, name: str, source: str) -> None:
        super().__init__(f"{name} is not installed: {source}")
        self.source = source


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a proxy stands before: a port, the CA if it speaks TLS, clients to be ready for."""

    port: int
    ca: Path | None = None
    clients: int = 500

    @property
    def origin(self) -> str:
        """Scheme, address and port."""
        return f"{'https' if self.ca else 'http'}://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Site:
    """Where a peer works: a directory of its own, the port to listen on, what is behind it."""

    directory: Path
    port: int
    upstream: Upstream


@dataclass(frozen=True, slots=True)
class Launch:
    """How a peer is started: its command line, and environment variables beside the bare ones."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


class Peer(Protocol):
    """One server of the rig: a proxy under test, or the upstream behind all of them."""

    name: str

    def launch(self, site: Site) -> Launch:
        """Writes its configuration into the site and says how to start it; MissingToolError."""
        ...


def tool(name: str, source: str) -> str:
    """A program's path, first beside the interpreter; MissingToolError says where it comes from."""
    beside = Path(sys.executable).with_name(name)
    if beside.exists():
        return str(beside)
    found = shutil.which(name) or shutil.which(name, path=SYSTEM_PROGRAMS)
    if found is None:
        raise MissingToolError(name, source)
    return found
