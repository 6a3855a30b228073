"""Caddy on one core (GOMAXPROCS=1), without its admin interface."""

from __future__ import annotations

import json
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


def transport(site: Site) -> dict[str, object]:
    """How it speaks to the upstream."""
    kept = {"enabled": True, "max_idle_conns": KEPT_OPEN, "max_idle_conns_per_host": KEPT_OPEN}
    settings: dict[str, object] = {"protocol": "http", "keep_alive": kept}
    if site.upstream.ca:
        pems = [str(site.upstream.ca)]
        settings["tls"] = {"root_ca_pem_files": pems, "server_name": UPSTREAM_NAME}
        # The others speak HTTP/1.1 there.
        settings["versions"] = ["1.1"]
    return settings


def route(site: Site) -> dict[str, object]:
    """The one route: cut, drop, set, proxy."""
    proxy = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{site.upstream.port}"}],
        "transport": transport(site),
        "headers": {
            "request": {
                "delete": ["Authorization", "Cookie"],
                "set": {CREDENTIAL_HEADER: [TOKEN]},
            }
        },
    }
    cut = {"handler": "rewrite", "strip_path_prefix": PREFIX}
    return {"match": [{"path": [f"{PREFIX}/*"]}], "handle": [cut, proxy]}


def configuration(site: Site) -> dict[str, object]:
    """Caddy's whole configuration."""
    server = {
        "listen": [f"127.0.0.1:{site.port}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "routes": [route(site)],
        "logs": {"default_logger_name": "access"},
    }
    access = {
        "writer": {"output": "file", "filename": str(site.directory / "access.log"), "roll": False},
        "encoder": {"format": "json"},
        "include": ["http.log.access.access"],
    }
    main = {"level": "WARN", "exclude": ["http.log.access.access"]}
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"access": access, "default": main}},
        "apps": {"http": {"servers": {"main": server}}},
    }


class Caddy:
    """Caddy with a JSON access log to a file."""

    name = "Caddy"

    def launch(self, site: Site) -> Launch:
        """The proxy's configuration and command."""
        file = site.directory / "caddy.json"
        file.write_text(json.dumps(configuration(site)))
        home = str(site.directory)
        environment = {"GOMAXPROCS": "1", "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}
        program = tool("caddy", "apt install caddy")
        return Launch([program, "run", "--config", str(file)], environment)
