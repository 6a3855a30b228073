"""A git server on loopback: `git http-backend` behind a token, as GitHub asks for it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar, Final, cast

from tests.e2e.rig.tools import tool


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


USER: Final = "x-access-token"
TOKEN: Final = "FAKE-token-of-the-git-server"  # made up
_BASIC: Final = "Basic " + b64encode(f"{USER}:{TOKEN}".encode()).decode()


class GitServer(ThreadingHTTPServer):
    """Serves the bare repositories of a directory to whoever has the token.

    Attributes:
        root: the directory.
        heads: of each request: its first line and its fields, as they came.
        admitted: the first lines of those that had the token.
    """

    daemon_threads = False

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.heads: list[str] = []
        self.admitted: list[str] = []

    @property
    def origin(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    """One connection; git's own program does the work, by CGI (RFC 3875)."""

    protocol_version = "HTTP/1.1"
    timeout: ClassVar[float | None] = 20.0

    @property
    def _git(self) -> GitServer:
        return cast("GitServer", self.server)

    def log_message(self, *_: object) -> None:
        """Stay quiet; `heads` has it all."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self._body()
        self._git.heads.append(f"{self.requestline}\n{self.headers}")
        if self.headers.get_all("Authorization") != [_BASIC]:
            self._send("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="upstream"')], b"")
            return
        self._git.admitted.append(self.requestline)
        done = subprocess.run(
            [tool("git"), "http-backend"],
            input=body,
            env=self._environment(len(body)),
            stdout=subprocess.PIPE,
            check=True,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")]
        fields = [(name, value) for name, value in lines if name != "Status"]
        status = next((value for name, value in lines if name == "Status"), "200 OK")
        self._send(status, fields, content)

    def _environment(self, length: int) -> dict[str, str]:
        path, _, query = self.path.partition("?")
        return os.environ | {
            "GIT_PROJECT_ROOT": str(self._git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "REMOTE_USER": USER,  # without one it takes no push
            "REMOTE_ADDR": "127.0.0.1",
        }

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, status: str, fields: list[tuple[str, str]], content: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextlib.contextmanager
def git_server(root: Path) -> Iterator[GitServer]:
    """Serve a directory of bare repositories until the block ends."""
    with GitServer(root) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
