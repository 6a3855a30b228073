"""A real nginx that serves files on loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from typing import IO, TYPE_CHECKING, Final, cast

import pytest

from tests.e2e.rig.tools import tool


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# One process, and notices on stderr: nginx tells its version when it has begun to listen.
CONFIG: Final = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  types {{ text/html html; text/plain txt; application/octet-stream bin; }}
  gzip on;
  gzip_types text/plain;
  gzip_vary on;
  server {{
    listen 127.0.0.1:{port};
    root {directory}/www;
    autoindex on;
    location /taken/ {{ proxy_pass http://127.0.0.1:{port}/; }}
  }}
}}
"""
_LISTENS: Final = "[notice]"


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def nginx(directory: Path) -> Iterator[str]:
    """Serve `directory`/www; yield the origin. Bodies sent to `/taken/` are read to their end."""
    port = free_port()
    config = directory / "nginx.conf"
    config.write_text(CONFIG.format(directory=directory, port=port))
    command = [tool("nginx"), "-p", str(directory), "-e", "stderr", "-c", str(config)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            _until_it_listens(process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _until_it_listens(process: subprocess.Popen[str]) -> None:
    said = ""
    for line in cast("IO[str]", process.stderr):
        said += line
        if _LISTENS in line and "nginx/" in line:
            return
    pytest.fail(f"nginx does not start: {said}", pytrace=False)
