"""nginx: as the upstream of every peer, and as a proxy of one process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.peers import CREDENTIAL_HEADER, PREFIX, TOKEN, UPSTREAM_PATH, Launch, tool


if TYPE_CHECKING:
    from benchmarks.peers import Site


ANSWER_SIZE = 113  # bytes: the small JSON answers that facts about proxies are usually given for
# One process, the worker itself: a master killed with the rig would leave its workers behind.
SHARED = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000000;
"""
# Who forwards a client's credential, forgets its own or keeps the prefix gets no 2xx.
UPSTREAM = """\
  access_log off;
  server {{
    listen 127.0.0.1:{port};
    default_type application/json;
    if ($http_{credential} != "{token}") {{ return 401; }}
    if ($http_authorization) {{ return 400; }}
    if ($http_cookie) {{ return 400; }}
    location = {path} {{ return 200 '{answer}'; }}
  }}
}}
"""
PROXY = """\
  access_log {directory}/access.log;
  upstream api {{
    server 127.0.0.1:{upstream_port};
    keepalive 64;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location {prefix}/ {{
      proxy_pass http://api/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "";
      proxy_set_header Cookie "";
      proxy_set_header {header} "{token}";
    }}
  }}
}}
"""


def answer() -> str:
    """A JSON object of exactly ANSWER_SIZE bytes."""
    empty = json.dumps({"id": "abc", "text": ""})
    return json.dumps({"id": "abc", "text": "x" * (ANSWER_SIZE - len(empty))})


def start_with(site: Site, configuration: str) -> Launch:
    """Writes an nginx configuration and says how to run it in the foreground."""
    file = site.directory / "nginx.conf"
    file.write_text(configuration)
    return Launch(
        [tool("nginx", "apt install nginx-light"), "-p", str(site.directory), "-c", str(file)]
    )


class NginxUpstream:
    """The API behind every peer: a fixed answer, only to a request that was proxied rightly."""

    name = "upstream"

    def launch(self, site: Site) -> Launch:
        """The upstream's configuration and command."""
        values = {
            "port": site.port,
            "credential": CREDENTIAL_HEADER.lower().replace("-", "_"),
            "token": TOKEN,
            "path": UPSTREAM_PATH,
            "answer": answer(),
        }
        head = SHARED.format(directory=site.directory)
        return start_with(site, head + UPSTREAM.format(**values))


class Nginx:
    """nginx as a proxy: one process, access log to a file."""

    name = "nginx"

    def launch(self, site: Site) -> Launch:
        """The proxy's configuration and command."""
        values = {
            "directory": site.directory,
            "port": site.port,
            "upstream_port": site.upstream_port,
            "prefix": PREFIX,
            "header": CREDENTIAL_HEADER,
            "token": TOKEN,
        }
        head = SHARED.format(directory=site.directory)
        return start_with(site, head + PROXY.format(**values))
