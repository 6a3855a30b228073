"""Every proxy under test is told to do the same."""

from __future__ import annotations

import json

import pytest

from benchmarks.peers import (
    CREDENTIAL_HEADER,
    PREFIX,
    TOKEN,
    Site,
    Upstream,
    caddy,
    envoy,
    haproxy as haproxy_module,
    nginx as nginx_module,
)
from benchmarks.peers.keybearer import VARIABLE, Keybearer
from proxy.config.loader import load


@pytest.fixture(params=["plain", "tls"])
def site(request, tmp_path):
    ca = tmp_path / "ca.pem" if request.param == "tls" else None
    return Site(tmp_path, 8484, Upstream(9090, ca))


def nginx(site):
    nginx_module.Nginx().launch(site)
    return (site.directory / "nginx.conf").read_text()


def haproxy(site):
    haproxy_module.HaProxy().launch(site)
    return (site.directory / "haproxy.cfg").read_text()


CONFIGURATIONS = {
    "nginx": nginx,
    "HAProxy": haproxy,
    "Caddy": lambda site: json.dumps(caddy.configuration(site)),
    "Envoy": lambda site: json.dumps(envoy.bootstrap(site)),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_peer_drops_what_the_client_sends_and_sets_the_token(name, site, monkeypatch):
    for module in (nginx_module, haproxy_module):
        monkeypatch.setattr(module, "tool", lambda name, _: name)
    text = CONFIGURATIONS[name](site)

    for part in (PREFIX, CREDENTIAL_HEADER, TOKEN, "127.0.0.1"):
        assert part in text
    for dropped in ("authorization", "cookie"):
        assert dropped in text.lower()
    assert (str(site.upstream.ca) in text) == bool(site.upstream.ca)


def test_keybearer_has_a_hundred_routes(site):
    """And its configuration is a valid one."""
    Keybearer().launch(site)
    config = load(site.directory / "config.yaml", {VARIABLE: TOKEN})

    assert len(config.routes) == 100
