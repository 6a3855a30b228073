"""A real Redis on loopback that can be killed, stopped and started again."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from typing import IO, TYPE_CHECKING, Final, cast

import pytest

from tests.e2e.rig.nginx import free_port
from tests.e2e.rig.tools import tool


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


PASSWORD: Final = "canary-4f1c77e2b0"
_READY: Final = "Ready to accept connections"


class RedisServer:
    """One server, empty whenever it starts.

    Attributes:
        url: with its password.
        socket_url: the same by its unix socket.
    """

    def __init__(self, directory: Path) -> None:
        port = free_port()
        path = directory / "redis.sock"
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        self.socket_url = f"unix://:{PASSWORD}@{path}?db=0"
        self._command = [
            *(tool("redis-server"), "--port", str(port), "--bind", "127.0.0.1"),
            *("--unixsocket", str(path), "--requirepass", PASSWORD),
            *("--save", "", "--appendonly", "no", "--dir", str(directory)),
        ]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = ""
        for line in cast("IO[str]", self._process.stdout):
            said += line
            if _READY in line:
                return
        pytest.fail(f"redis-server does not start: {said}", pytrace=False)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None

    def stop(self) -> None:
        """Let it stand still: it accepts connections, and never answers."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@contextlib.contextmanager
def redis_server(directory: Path) -> Iterator[RedisServer]:
    """Serve until the block ends."""
    server = RedisServer(directory)
    server.start()
    try:
        yield server
    finally:
        server.kill()
