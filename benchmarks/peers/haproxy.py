"""HAProxy, one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers import (
    CREDENTIAL_HEADER,
    KEPT_OPEN,
    PREFIX,
    TOKEN,
    UPSTREAM_NAME,
    Launch,
    tool,
)


if TYPE_CHECKING:
    from benchmarks.peers import Site


# Its log goes to its output, and the rig writes that into a file.
CONFIG = """\
global
  nbthread 1
  maxconn {clients}
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  http-reuse always
  timeout connect 5s
  timeout client 10m
  timeout server 10m
frontend main
  bind 127.0.0.1:{port}
  http-request deny deny_status 404 unless {{ path_beg {prefix}/ }}
  http-request replace-path {prefix}(/.*) \\1
  http-request del-header Authorization
  http-request del-header Cookie
  http-request set-header {header} {token}
  default_backend api
backend api
  server api 127.0.0.1:{upstream_port} pool-max-conn {kept_open}{tls}
"""
TLS = " ssl verify required ca-file {ca} sni str({name}) verifyhost {name}"


class HaProxy:
    """HAProxy in the foreground, httplog to a file."""

    name = "HAProxy"

    def launch(self, site: Site) -> Launch:
        """The proxy's configuration and command."""
        file = site.directory / "haproxy.cfg"
        ca = site.upstream.ca
        values = {
            "clients": site.upstream.clients,
            "port": site.port,
            "prefix": PREFIX,
            "header": CREDENTIAL_HEADER,
            "token": TOKEN,
            "upstream_port": site.upstream.port,
            "kept_open": KEPT_OPEN,
            "tls": TLS.format(ca=ca, name=UPSTREAM_NAME) if ca else "",
        }
        file.write_text(CONFIG.format(**values))
        return Launch([tool("haproxy", "apt install haproxy"), "-db", "-f", str(file)])
