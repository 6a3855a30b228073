"""A real server whose log is read as it is written."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import pytest

from tests.e2e.rig.tools import tool
from tests.integration.fidelity.rig.servers import gunicorn_port, start_gunicorn


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


PATIENCE_S: Final = 15.0
SCRIPT: Final = Path(__file__).with_name("server.js")


class Watched:
    """A server that tells each request as a line of JSON.

    Attributes:
        port: where it listens.
    """

    def __init__(self, port: int, log: IO[str]) -> None:
        self.port = port
        # Always read: a server whose pipe is full stands still.
        self._told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, args=(log,))
        self.reader.start()

    def _read(self, log: IO[str]) -> None:
        for line in log:
            if line.startswith("{"):  # else a notice of its own
                self._told.put(json.loads(line))

    def until(self, key: str, value: str) -> list[dict[str, Any]]:
        """Return what it tells, up to and with the line where `key` begins with `value`."""
        told = []
        while True:
            try:
                told.append(self._told.get(timeout=PATIENCE_S))
            except queue.Empty:
                pytest.fail(f"waited in vain for {key} {value}; it told {told}")
            if str(told[-1].get(key)).startswith(value):
                return told


@contextlib.contextmanager
def watching(
    process: subprocess.Popen[str], log: IO[str], ready: Callable[[IO[str]], int]
) -> Iterator[Watched]:
    """Read the log of a process that has been started; end the process with the block.

    Args:
        process: the server.
        log: where it tells, its stdout or stderr.
        ready: reads on until it listens, and returns the port.
    """
    with process:
        watched = None
        try:
            watched = Watched(ready(log), log)
            yield watched
        finally:
            process.terminate()
            if watched is not None:
                watched.reader.join()


@contextlib.contextmanager
def node(*arguments: str) -> Iterator[Watched]:
    """Run the server on Node's http; its argument is its `keepAliveTimeout`."""
    process = subprocess.Popen(
        [tool("node"), str(SCRIPT), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with watching(process, cast("IO[str]", process.stdout), _told_port) as watched:
        yield watched


@contextlib.contextmanager
def watched_gunicorn(*options: str) -> Iterator[Watched]:
    """Run `application.py` under gunicorn."""
    process = start_gunicorn("tests.e2e.rig.application:application", *options)
    with watching(process, cast("IO[str]", process.stderr), gunicorn_port) as watched:
        yield watched


def _told_port(log: IO[str]) -> int:
    line = log.readline()
    if not line:
        pytest.fail("node does not start: its words are on stderr", pytrace=False)
    return int(json.loads(line)["port"])
