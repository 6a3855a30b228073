"""nginx: as the upstream of every peer, and as a proxy of one process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.peers import (
    CREDENTIAL_HEADER,
    FILES_PATH,
    KEPT_OPEN,
    PREFIX,
    TOKEN,
    UPSTREAM_NAME,
    UPSTREAM_PATH,
    Launch,
    tool,
)


if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.peers import Site


ANSWER_SIZE = 113  # bytes: the small JSON answers that facts about proxies are usually given for
KIB = 1024
# Served under FILES_PATH, bytes. All are JSON, as the API's answers, but for the binary ones: in
# text Keybearer looks for its own secret.
FILES = {
    "10k": 10 * KIB,
    "1m": KIB**2,
    "64m": 64 * KIB**2,
    "64m.bin": 64 * KIB**2,
    "1g": KIB**3,
    "1g.bin": KIB**3,
}
# One process, the worker itself: a master killed with the rig would leave its workers behind.
SHARED = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections {connections}; }}
http {{
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000000;
  client_max_body_size 0;
"""
# Who forwards a client's credential, forgets its own or keeps the prefix gets no 2xx.
UPSTREAM = """\
  access_log off;
  sendfile on;
  server {{
    listen 127.0.0.1:{port}{tls};
    types {{ application/octet-stream bin; }}
    default_type application/json;
    if ($http_{credential} != "{token}") {{ return 401; }}
    if ($http_authorization) {{ return 400; }}
    if ($http_cookie) {{ return 400; }}
    location = {path} {{ return 200 '{answer}'; }}
    location {files}/ {{ root {directory}/www; }}
  }}
}}
"""
# Files are streamed as they come, and never go to a disk, as with the others.
PROXY = """\
  access_log {directory}/access.log;
  upstream api {{
    server 127.0.0.1:{upstream_port};
    keepalive {kept_open};
    keepalive_requests 1000000000;
  }}
  proxy_http_version 1.1;
  proxy_max_temp_file_size 0;
  proxy_read_timeout 10m;
  proxy_set_header Connection "";
  proxy_set_header Authorization "";
  proxy_set_header Cookie "";
  proxy_set_header {header} "{token}";
  {tls}
  server {{
    listen 127.0.0.1:{port};
    location {prefix}/ {{ proxy_pass {scheme}://api/; }}
    location {prefix}{files}/ {{
      proxy_request_buffering off;
      proxy_pass {scheme}://api{files}/;
    }}
  }}
}}
"""
UPSTREAM_TLS = """\
 ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate}"""
PROXY_TLS = """\
proxy_ssl_verify on;
  proxy_ssl_trusted_certificate {ca};
  proxy_ssl_server_name on;
  proxy_ssl_name {name};"""


def answer() -> str:
    """A JSON object of exactly ANSWER_SIZE bytes."""
    empty = json.dumps({"id": "abc", "text": ""})
    return json.dumps({"id": "abc", "text": "x" * (ANSWER_SIZE - len(empty))})


def start_with(site: Site, configuration: str) -> Launch:
    """Writes an nginx configuration and says how to run it in the foreground."""
    file = site.directory / "nginx.conf"
    # A proxy has two connections for each client.
    connections = 2 * site.upstream.clients + 100
    head = SHARED.format(directory=site.directory, connections=connections)
    file.write_text(head + configuration)
    return Launch(
        [tool("nginx", "apt install nginx-light"), "-p", str(site.directory), "-c", str(file)]
    )


def sparse_files(directory: Path) -> None:
    """Makes the files to download; they are holes, so none of them takes room on the disk."""
    directory.mkdir(parents=True)
    for name, size in FILES.items():
        with (directory / name).open("wb") as file:
            file.truncate(size)


class NginxUpstream:
    """The API behind every peer: a fixed answer, or files, only to what was proxied rightly.

    The certificate, with its key in one PEM file, is what makes it speak TLS.
    """

    name = "upstream"

    def __init__(self, certificate: Path | None = None) -> None:
        self.certificate = certificate

    def launch(self, site: Site) -> Launch:
        """The upstream's configuration and command."""
        sparse_files(site.directory / "www" / FILES_PATH.strip("/"))
        tls = UPSTREAM_TLS.format(certificate=self.certificate) if self.certificate else ""
        values = {
            "directory": site.directory,
            "port": site.port,
            "tls": tls,
            "credential": CREDENTIAL_HEADER.lower().replace("-", "_"),
            "token": TOKEN,
            "path": UPSTREAM_PATH,
            "files": FILES_PATH,
            "answer": answer(),
        }
        return start_with(site, UPSTREAM.format(**values))


class Nginx:
    """nginx as a proxy: one process, access log to a file."""

    name = "nginx"

    def launch(self, site: Site) -> Launch:
        """The proxy's configuration and command."""
        ca = site.upstream.ca
        values = {
            "directory": site.directory,
            "port": site.port,
            "upstream_port": site.upstream.port,
            "kept_open": KEPT_OPEN,
            "scheme": "https" if ca else "http",
            "tls": PROXY_TLS.format(ca=ca, name=UPSTREAM_NAME) if ca else "",
            "prefix": PREFIX,
            "files": FILES_PATH,
            "header": CREDENTIAL_HEADER,
            "token": TOKEN,
        }
        return start_with(site, PROXY.format(**values))
