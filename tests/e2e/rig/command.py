"""The real command `keybearer`, as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import pytest


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


PATIENCE_S: Final = 20.0
"""How long a command may take on a busy machine; what hangs longer is killed."""
ERRORS: Final = "stderr"
"""The file that its log goes to."""


def keybearer() -> str:
    """Return the command that was installed beside this Python."""
    command = Path(sys.executable).with_name("keybearer")
    if not command.exists():
        pytest.fail(f"{command} is missing; `make e2e` installs it", pytrace=False)
    return str(command)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this environment with what a test adds."""
    return dict(os.environ) | dict(extra or {})


def call(
    *arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [keybearer(), *map(str, arguments)],
        cwd=cwd,
        env=environment(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


class Running:
    """`keybearer run`, ready.

    Attributes:
        directory: where it runs.
        process: itself.
        said: what it has printed so far.
    """

    def __init__(self, process: subprocess.Popen[str], directory: Path) -> None:
        self.process = process
        self.directory = directory
        self.said: list[str] = []

    def until(self, line: str) -> None:
        """Read what it prints up to a line; it failing instead fails the test."""
        for each in cast("IO[str]", self.process.stdout):
            self.said.append(each.rstrip("\n"))
            if self.said[-1] == line:
                return
        pytest.fail(f"it ended with {self.process.wait(PATIENCE_S)}: {self.errors}")

    @property
    def errors(self) -> str:
        """What it has written to stderr: its log."""
        return (self.directory / ERRORS).read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.errors.splitlines()]

    @property
    def listening(self) -> list[str]:
        """The addresses, in the order it told them."""
        return [line.split(" ", 1)[1] for line in self.said if line.startswith("listening ")]

    def route(self, name: str) -> str:
        """Return the base URL that it tells for a route."""
        [line] = [line for line in self.said if line.startswith(f"route {name} ")]
        return line.split(" ")[2]

    @property
    def port(self) -> int:
        """The port of the first address."""
        return int(self.listening[0].rpartition(":")[2])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Return its status once it has ended."""
        return self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        """End it as a supervisor does; return its status."""
        self.signal(signal.SIGTERM)
        return self.wait()


@contextlib.contextmanager
def running(
    directory: Path,
    config: str | Mapping[str, Any] | None,
    *options: str,
    environ: Mapping[str, str] | None = None,
    wrapper: Sequence[str] = (),
) -> Iterator[Running]:
    """Start `keybearer run` and wait for its `ready`; whatever still runs at the end is ended.

    Args:
        directory: where it runs; the configuration is written there.
        config: YAML, or what becomes it (JSON is YAML); None: the options say it all.
        options: further ones.
        environ: variables for it.
        wrapper: the command that starts it.
    """
    if config is not None:
        file = directory / "keybearer.yaml"
        file.write_text(config if isinstance(config, str) else json.dumps(config))
        options = ("-c", file.name, *options)
    with (directory / ERRORS).open("w") as log:
        process = subprocess.Popen(
            [*wrapper, keybearer(), "run", *options],
            cwd=directory,
            env=environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with process:
        try:
            started = Running(process, directory)
            started.until("ready")
            yield started
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
