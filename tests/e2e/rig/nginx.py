"""A real nginx that serves files on loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from typing import IO, TYPE_CHECKING, Final, cast

import pytest

from tests.e2e.rig.tools import tool
from tests.e2e.rig.watched import watching


if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.rig.watched import Watched


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
  log_format seen escape=json '{{"line":"$request_method $request_uri","status":"$status",'
    '"authorization":"$http_authorization","fields":"$http_access_token $http_cookie '
    '$http_x_api_key $http_proxy_authorization $http_transfer_encoding $content_length"}}';
  {http}
  server {{
    listen 127.0.0.1:{port};
    root {directory}/www;
    {server}
  }}
}}
"""
FILES: Final = """\
autoindex on;
    location /taken/ {
      rewrite ^/taken(/.*)$ $1 break;
      proxy_pass http://127.0.0.1:$server_port;  # so that a body is read to its end
    }
"""
_LISTENS: Final = "[notice]"


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def nginx(directory: Path, server: str = FILES, http: str = "") -> Iterator[str]:
    """Serve `directory`/www; yield the origin.

    Args:
        directory: where it writes what it must.
        server: directives of its one server.
        http: those around it.
    """
    with watched_nginx(directory, server, http) as watched:
        yield f"http://127.0.0.1:{watched.port}"


@contextlib.contextmanager
def watched_nginx(directory: Path, server: str, http: str = "") -> Iterator[Watched]:
    """Do the same, but yield the server with its log.

    It tells requests where `access_log /dev/stderr seen;` is said.
    """
    port = free_port()
    config = directory / "nginx.conf"
    config.write_text(CONFIG.format(directory=directory, port=port, server=server, http=http))
    command = [tool("nginx"), "-p", str(directory), "-e", "stderr", "-c", str(config)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def ready(log: IO[str]) -> int:
        _until_it_listens(log)
        return port

    with watching(process, cast("IO[str]", process.stderr), ready) as watched:
        yield watched


def _until_it_listens(log: IO[str]) -> None:
    said = ""
    for line in log:
        said += line
        if _LISTENS in line and "nginx/" in line:
            return
    pytest.fail(f"nginx does not start: {said}", pytrace=False)
