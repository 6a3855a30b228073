"""Keybearer as it is installed beside the interpreter that runs the benchmark."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import TOKEN, UPSTREAM_NAME, Launch


if TYPE_CHECKING:
    from benchmarks.peers import Site


# Of one client of a gateway. To all other proxies it is a credential to be taken off.
KEY = "kb_bench_01234567890123456789012345678901234567890123IFXhR"
VARIABLE = "BENCH_MICROREACT_TOKEN"
CONFIG = """\
listen: 127.0.0.1:{port}
routes:
  microreact:
    preset: microreact
    upstream: {origin}
    token: {{env: {variable}}}
    rules:
      - {{paths: [/api/admin/**], action: deny}}
      - {{methods: [GET, HEAD, POST], paths: ["/api/projects/**", "/api/files/*"], action: allow}}
{tls}"""
CLIENTS = """\
clients:
  bench:
    key: sha256:{digest}
    routes: [microreact]
    methods: [GET, HEAD, POST]
"""
TLS = "    tls: {{ca: {ca}, server_name: {name}}}\n"
OTHER = """\
  other-{number:02}:
    upstream: {origin}
    credential: {{bearer: {{env: {variable}}}}}
    rules: [{{paths: [/v1/admin/**], action: deny}}]
{tls}"""


class Keybearer:
    """Keybearer with a preset, policy rules, its JSON log, and routes that nobody calls beside."""

    name = "Keybearer"
    clients = False  # who asks need not have a key

    def __init__(self, routes: int = 100) -> None:
        self.routes = routes

    def launch(self, site: Site) -> Launch:
        """The proxy's configuration and command."""
        file = site.directory / "config.yaml"
        ca = site.upstream.ca
        values = {
            "port": site.port,
            "origin": site.upstream.origin,
            "variable": VARIABLE,
            "tls": TLS.format(ca=ca, name=UPSTREAM_NAME) if ca else "",
        }
        others = [OTHER.format(number=number, **values) for number in range(1, self.routes)]
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        clients = CLIENTS.format(digest=digest) if self.clients else ""
        file.write_text(clients + CONFIG.format(**values) + "".join(others))
        command = str(Path(sys.executable).parent / "keybearer")
        return Launch([command, "run", "-c", str(file)], {VARIABLE: TOKEN})


class Gateway(Keybearer):
    """The same, but a client needs a key."""

    name = "Keybearer with clients"
    clients = True
