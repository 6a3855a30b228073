"""Real servers as processes of their own, and the proxy on a thread, for clients that block."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Final, cast

import pytest

from tests.integration.fidelity.rig.contract import TOKEN
from tests.integration.rig.proxy import running


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.rig.proxy import Proxy


_LISTENING: Final = re.compile(r"Listening at: http://127\.0\.0\.1:([0-9]+)")


def start_gunicorn(application: str, *options: str) -> subprocess.Popen[str]:
    """Begin to serve a WSGI application; its log is on stderr."""
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", "127.0.0.1:0"]
    return subprocess.Popen(
        [*command, *options, application],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def gunicorn_port(log: IO[str]) -> int:
    """Read gunicorn's log until it listens; return the port."""
    said = ""
    for line in log:
        said += line
        if found := _LISTENING.search(line):
            return int(found[1])
    pytest.fail(f"gunicorn does not start: {said}", pytrace=False)


@contextlib.contextmanager
def gunicorn(application: str, *options: str) -> Iterator[int]:
    """Serve a WSGI application; yield the port."""
    with start_gunicorn(application, *options) as process:
        try:
            yield gunicorn_port(cast("IO[str]", process.stderr))
        finally:
            process.terminate()
            process.communicate(timeout=20)


@contextlib.contextmanager
def proxy_to(port: int, loop_of: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[Proxy]:
    """Run the proxy with the route `up` to a port, on a thread and an event loop of its own."""
    credential = {"bearer": {"value": TOKEN}}
    route = {"upstream": f"http://127.0.0.1:{port}", "credential": credential}
    config = {"listen": "127.0.0.1:0", "routes": {"up": route}}
    loop = loop_of()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        service = running(config)
        proxy = asyncio.run_coroutine_threadsafe(service.__aenter__(), loop).result(20)
        try:
            yield proxy
        finally:
            end = service.__aexit__(None, None, None)
            asyncio.run_coroutine_threadsafe(end, loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
