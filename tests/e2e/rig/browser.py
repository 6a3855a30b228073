"""A headless browser, and the server of its pages, which report to that server."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import pytest

from tests.e2e.rig.tools import tool


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


PATIENCE_S: Final = 30.0
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class PageServer(ThreadingHTTPServer):
    """Serves one page under any name that leads here, and takes what it reports.

    Attributes:
        page: its HTML.
    """

    def __init__(self, page: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.page = page
        self.reports: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def origin(self, name: str) -> str:
        """Return the origin of its page under a name."""
        return f"http://{name}:{self.server_port}"

    def report(self) -> Any:
        """Wait for what the page tells next."""
        try:
            return self.reports.get(timeout=PATIENCE_S)
        except queue.Empty:
            pytest.fail(f"the page did not report within {PATIENCE_S} s")


class _Handler(BaseHTTPRequestHandler):
    timeout: ClassVar[float | None] = 20.0

    @property
    def _pages(self) -> PageServer:
        return cast("PageServer", self.server)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        self._send("200 OK", self._pages.page.encode())

    def do_POST(self) -> None:
        told = self.rfile.read(int(self.headers["Content-Length"]))
        self._send("204 No Content", b"")
        self._pages.reports.put(json.loads(told))

    def _send(self, status: str, body: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def page_server(page: str) -> Iterator[PageServer]:
    """Serve a page on loopback until the block ends."""
    with PageServer(page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def command(directory: Path) -> list[str]:
    """Return the command of a headless Chromium.

    Args:
        directory: for its profile.
    """
    found = next(filter(None, map(shutil.which, _NAMES)), None) or tool("chromium")
    return [
        found,
        "--headless=new",
        "--no-sandbox",  # it refuses to run as root with one
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-extensions",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--no-proxy-server",
        "--remote-debugging-port=0",  # otherwise it may end when the page is loaded
        f"--user-data-dir={directory / 'profile'}",
    ]


def environment(directory: Path) -> dict[str, str]:
    """Return its environment."""
    return os.environ | {"HOME": str(directory)}


@contextlib.contextmanager
def ended(process: subprocess.Popen[Any]) -> Iterator[None]:
    """End a browser with the block."""
    with process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def browser(url: str, directory: Path) -> Iterator[None]:
    """Let a headless Chromium open a page; it ends with the block.

    Args:
        url: of the page.
        directory: for its profile and its log.
    """
    with (directory / "browser.log").open("w") as log:
        process = subprocess.Popen(
            [*command(directory), url],
            env=environment(directory),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    with ended(process):
        yield
