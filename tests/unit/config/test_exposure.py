"""Listeners where keys travel in the clear: each is told, and no other."""

from __future__ import annotations

import pytest

from proxy.config.exposure import in_clear


ROUTES = """\
routes:
  a: {upstream: "https://x.org", credential: none}
"""
KEY = f"sha256:{'a' * 64}"
CLIENTS = f"clients: {{alice: {{key: {KEY}, routes: [a]}}}}\n"
IN_CLEAR = "keys and answers travel unencrypted on {}, so whoever reads along may use the routes; "


@pytest.mark.parametrize(
    "address", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[fd00::1]:1", "[::ffff:10.0.0.1]:1"]
)
def test_each_plain_listener_beyond_loopback_is_told(read, address):
    """With its place; a route's own listener as well."""
    own = ROUTES.replace("none}", 'none, listen: "192.0.2.1:2"}')
    config = read(f'listen: ["127.0.0.1:3", "{address}"]\n{CLIENTS}{own}')

    first, second = in_clear(config)

    assert first.startswith("f:1:25: listen[1]: " + IN_CLEAR.format(str(config.listen[1].address)))
    assert second.startswith("f:4:60: routes.a.listen: " + IN_CLEAR.format("192.0.2.1:2"))
    assert "`tls:`" in first


@pytest.mark.parametrize("clients", ["clients: {}\n", "clients_file: clients.yaml\n"])
def test_clients_that_will_come_count(read, clients):
    assert 1 == len(in_clear(read(f'listen: "0.0.0.0:1"\n{clients}{ROUTES}')))


@pytest.mark.parametrize(
    "listen",
    [
        "localhost:1",
        "127.0.0.1:1",
        "127.8.8.8:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
        "unix:kb.sock",
        '{address: "0.0.0.0:1", tls: {cert: c.pem}}',
    ],
)
def test_nobody_reads_along_elsewhere(read, listen):
    listen = listen if listen.startswith("{") else f'"{listen}"'
    assert [] == in_clear(read(f"listen: {listen}\n{CLIENTS}{ROUTES}"))


def test_without_clients_there_is_no_key(read):
    """It is open to everybody, which is told in other words."""
    assert [] == in_clear(read(f'listen: "0.0.0.0:1"\ninsecure_open: true\n{ROUTES}'))


HOSTS = {
    "a name of allow_hosts": ("allow_hosts: [localhost, kb.lan]\n", "none}", "kb.lan"),
    "names below a suffix": ('allow_hosts: ["*.lan"]\n', "none}", "*.lan"),
    "a virtual host": ("", "none, hosts: [a.lan]}", "a.lan"),
    "any name, with clients": (CLIENTS, "none}", "any name"),
}
NOT_NAMED = {
    "loopback's names": ("allow_hosts: [kb.localhost]\n", "none, hosts: [b.localhost]}"),
    "an address": ("allow_hosts: [192.0.2.7, fd00::/8]\n", "none}"),
}


@pytest.mark.parametrize(("keys", "route", "name"), HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("own", [False, True])
def test_plain_http_under_a_name_is_told(read, keys, route, name, own):
    """Browsers send no Sec-Fetch-Site there. With TLS they do, and towards loopback."""
    route = route.replace("}", ', listen: "192.0.2.1:2"}') if own else route
    rest = f"insecure_open: true\n{keys}{ROUTES.replace('none}', route)}"

    warnings = in_clear(read(f'listen: "10.0.0.1:1"\n{rest}'))

    assert 1 + own == len(warnings)
    assert all(f"no Sec-Fetch-Site to plain http under a name ({name})" in w for w in warnings)
    assert all("`tls:`" in each for each in warnings)
    assert own == len(in_clear(read(f'listen: "127.0.0.1:1"\n{rest}')))


@pytest.mark.parametrize(("keys", "route"), NOT_NAMED.values(), ids=NOT_NAMED)
def test_names_of_loopback_and_addresses_are_no_names(read, keys, route):
    routes = ROUTES.replace("none}", route)
    assert [] == in_clear(read(f'listen: "0.0.0.0:1"\ninsecure_open: true\n{keys}{routes}'))
