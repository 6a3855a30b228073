"""The command: in this process, or really in one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import proxy.cli.main
from proxy.process.signals import ENDING
from tests.integration.rig.patience import PATIENCE_S
from tests.integration.rig.raw import Client


if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def _environ(more: dict[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("KEYBEARER")}
    return inherited | {"PYTHONPATH": str(Path.cwd())} | more


async def finished(*args: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, while servers of the test go on."""
    return await _finished("-m", "proxy", *args, cwd=cwd, environ=environ)


async def python(
    program: str, *args: str, cwd: Path, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a program that calls a command itself."""
    return await _finished("-c", program, *args, cwd=cwd, environ=environ)


async def _finished(
    *args: str, cwd: Path, environ: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *args],
        cwd=cwd,
        env=_environ(environ),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def invoke(*args: str) -> tuple[int, str, str]:
    """Run a command in this process, as the script does; return exit status, stdout and stderr."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    status, pace = 0, gc.get_threshold()
    handlers = {number: signal.getsignal(number) for number in ENDING}
    with (
        mock.patch.object(sys, "argv", ["keybearer", *args]),
        mock.patch.object(proxy.cli.main, "own_process", list),  # the process is the tests'
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            proxy.cli.main.main()
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            gc.set_threshold(*pace)
            for number, handler in handlers.items():
                if signal.getsignal(number) != handler:
                    signal.signal(number, handler)
    texts = []
    for stream in (out, err):
        stream.seek(0)
        texts.append(stream.read())
    return status, texts[0], texts[1]


class Command:
    """A `keybearer run` that is ready.

    Attributes:
        out: what it has printed.
        ports: of its listeners, in their order.
    """

    def __init__(self, process: asyncio.subprocess.Process, out: str) -> None:
        self.process = process
        self.out = out
        self.ports = [
            int(port) for port in re.findall(r"^listening http.*:(\d+)$", out, re.MULTILINE)
        ]

    async def client(self) -> Client:
        """Connect to its first listener."""
        return await Client.connect(self.ports[0])

    async def end(self) -> tuple[int, str]:
        """Wait for its end; return the exit status and what it logged."""
        async with asyncio.timeout(PATIENCE_S):
            out, err = await self.process.communicate()
        self.out += out.decode()
        assert self.process.returncode is not None
        return self.process.returncode, err.decode()


@contextlib.asynccontextmanager
async def ready(*args: str, cwd: Path, **environ: str) -> AsyncIterator[Command]:
    """Start `keybearer run` and wait until it says that it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", "run", *args,
        cwd=cwd, env=_environ(environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    out = b""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not out.endswith(b"\nready\n"):
                line: Any = await process.stdout.readline()
                assert line, (await process.communicate())[1].decode()
                out += line
        yield Command(process, out.decode())
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        # Else the transport outlives the loop, and says so.
        process._transport.close()  # type: ignore[attr-defined]
