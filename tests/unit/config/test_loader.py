"""From a file to a configuration: defaults, presets, what is filled in, and files that are none."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from proxy.config import presets
from proxy.config.addresses import TcpAddress, UnixAddress
from proxy.config.client_warnings import Doubtful, doubtful
from proxy.config.clients import CertificateConfig, ClientConfig, JwtConfig, RateConfig
from proxy.config.errors import ConfigError
from proxy.config.loader import MAX_FILE_SIZE, load
from proxy.config.rules import Rule
from proxy.config.schema import (
    AuditConfig,
    ClientLimits,
    Config,
    Drain,
    Limits,
    Listen,
    ListenTls,
    RouteConfig,
    Strip,
    Timeouts,
    Tls,
)
from proxy.config.scheme import HeaderScheme, NamedCredential, QueryScheme, Source
from proxy.config.settle import binding
from proxy.secret import Secret
from proxy.upstream.origin import Origin


if TYPE_CHECKING:
    from proxy.config.keys import Keys


TWO_LINES = """\
routes:
  microreact: {preset: microreact, token: {env: MICROREACT_ACCESS_TOKEN}}
  carbonregistry: {upstream: "https://api.carbonregistry.com", credential: {bearer: {file: t}}}
"""
ROOT = Path(__file__).parents[3]


def bound(config, name):
    """Return the binding of a route that has one."""
    found = binding(config, name)
    assert found is not None
    return found


def test_two_lines_are_enough(read):
    """The shortest routes of the documents have every default."""
    config = read(TWO_LINES)
    route = config.routes["carbonregistry"]

    assert (TcpAddress("localhost", 8484),) == tuple(entry.address for entry in config.listen)
    assert (False, (), (), {}) == (
        config.insecure_open,
        config.allow_hosts,
        config.trusted_proxies,
        config.credentials,
    )
    assert (0.0, 30.0, "info", None) == (
        config.drain.delay,
        config.drain.timeout,
        config.log.level,
        config.log.format,
    )
    assert Origin("https", "api.carbonregistry.com", 443) == route.upstream
    assert ("/carbonregistry", ("carbonregistry.localhost",), ()) == (
        route.path,
        route.hosts,
        route.listen,
    )
    assert (None, (), "strip", {}, False, True, 65536, None) == (
        route.methods,
        route.rules,
        route.cookies,
        route.set_headers,
        route.forwarded,
        route.echo_guard,
        route.replay_buffer,
        route.limits.body,
    )
    assert (5.0, 60.0, 300.0, 4.0, 300.0) == (
        route.timeouts.connect,
        route.timeouts.response,
        route.timeouts.idle,
        route.timeouts.pool_idle,
        route.timeouts.pool_age,
    )
    assert (None, None, None, None) == (
        route.tls.ca,
        route.tls.client_cert,
        route.tls.client_key,
        route.tls.server_name,
    )


def test_every_key_is_read(read):
    """What is written arrives, with paths beside the file and hosts in lower case."""
    config = read(
        """
listen:
  - localhost:1
  - {address: "unix:kb.sock", mode: 0660, group: staff}
  - {address: "127.0.0.1:2", reuse_port: on}
insecure_open: yes
allow_hosts: ["*.Example.org", keybearer]
trusted_proxies: [10.0.0.0/8]
drain: {delay: 2s, timeout: 1m}
log: {level: debug, format: console}
credentials:
  org: {origin: "https://x.org", header: {name: X-Key, format: "token {secret}", secret: {file: t}}}
routes:
  a:
    preset: none
    upstream: HTTPS://X.org:443/
    path: false
    hosts: [A.Example.org]
    listen: 127.0.0.1:3
    credential: org
    methods: [GET, POST]
    rules: [{methods: [GET], paths: [/a/*, /b/**], action: allow}]
    strip: {headers: [X-A], query: [q], keep: [Cookie]}
    cookies: pass
    set_headers: {X-Version: 2023-06-16}
    forwarded: true
    echo_guard: off
    upgrade: [WebSocket]
    replay_buffer: 1MiB
    limits: {body: 128MB}
    timeouts: {connect: 1s, response: none, idle: 90s, pool_idle: 0s, pool_age: none}
    tls: {ca: ca.pem, client_cert: /c.pem, client_key: k.pem, server_name: y.org}
"""
    )
    route = config.routes["a"]

    assert (0o660, "staff", UnixAddress(Path("/base/kb.sock"))) == (
        config.listen[1].mode,
        config.listen[1].group,
        config.listen[1].address,
    )
    assert [False, False, True] == [entry.reuse_port for entry in config.listen]
    assert config.insecure_open
    assert ("*.example.org", "keybearer") == config.allow_hosts
    assert (ip_network("10.0.0.0/8"),) == config.trusted_proxies
    assert (2.0, 60.0, "debug", "console") == (
        config.drain.delay,
        config.drain.timeout,
        config.log.level,
        config.log.format,
    )
    assert "header" == config.credentials["org"].kind
    assert (None, ("a.localhost", "a.example.org"), TcpAddress("127.0.0.1", 3)) == (
        route.path,
        route.hosts,
        route.listen[0].address,
    )
    assert (("GET", "POST"), ("/a/*", "/b/**"), ("X-A",), ("q",), ("Cookie",), "pass") == (
        route.methods,
        route.rules[0].paths,
        route.strip.headers,
        route.strip.query,
        route.strip.keep,
        route.cookies,
    )
    assert ({"X-Version": "2023-06-16"}, True, False, ("websocket",), 1024**2, 128_000_000) == (
        route.set_headers,
        route.forwarded,
        route.echo_guard,
        route.upgrade,
        route.replay_buffer,
        route.limits.body,
    )
    assert (1.0, None, 90.0, 0.0, None) == (
        route.timeouts.connect,
        route.timeouts.response,
        route.timeouts.idle,
        route.timeouts.pool_idle,
        route.timeouts.pool_age,
    )
    assert (Path("/base/ca.pem"), Path("/c.pem"), Path("/base/k.pem"), "y.org") == (
        route.tls.ca,
        route.tls.client_cert,
        route.tls.client_key,
        route.tls.server_name,
    )


SCHEMES = [
    ("{access-token: {env: N}}", "access-token", ("Access-Token",), [("access-token",)]),
    ("{bearer: {env: N}}", "bearer", ("Authorization",), [("bearer",)]),
    (
        "{basic: {username: u, password: {env: N}}}",
        "basic",
        ("Authorization",),
        [("basic", "password")],
    ),
    ("{header: {name: X-K, secret: {env: N}}}", "header", ("X-K",), [("header", "secret")]),
    ("{query: {name: k, secret: {env: N}}}", "query", (), [("query", "secret")]),
    (
        "{headers: [{name: X-A, secret: {env: N}}, {name: X-B, secret: {env: N}}]}",
        "headers",
        ("X-A", "X-B"),
        [("headers", 0, "secret"), ("headers", 1, "secret")],
    ),
]


@pytest.mark.parametrize(("text", "kind", "names", "below"), SCHEMES)
def test_a_scheme_knows_its_headers_and_sources(read, text, kind, names, below):
    """The binding of a route says where it may be sent and where each source is written."""
    config = read(f"routes: {{a: {{upstream: 'https://x.org', credential: {text}}}}}")
    actual = bound(config, "a")

    assert (kind, names) == (actual.scheme.kind, actual.scheme.header_names())
    assert (None, "https://x.org") == (actual.name, str(actual.origin))
    assert [("routes", "a", "credential", *path) for path in below] == [
        path for path, _ in actual.sources
    ]


def test_a_named_credential_is_bound_where_it_is_written(read):
    """Its sources are told at `credentials:`."""
    config = read(
        "credentials: {org: {origin: 'https://x.org', bearer: {value: '12345'}}}\n"
        "routes: {a: {upstream: 'https://x.org', credential: org}}"
    )
    actual = bound(config, "a")

    assert ("org", (("credentials", "org", "bearer"),)) == (
        actual.name,
        tuple(path for path, _ in actual.sources),
    )


def test_none_is_no_credential(read):
    """`credential: none`, written out, leaves requests without one."""
    config = read("routes: {a: {upstream: 'https://x.org', credential: none}}")

    assert binding(config, "a") is None


SOURCES = [
    ("{env: N}", "env", "N", True),
    ("{file: t, required: false}", "file", Path("/base/t"), False),
    ("{value: 12345}", "value", Secret("12345"), True),
    ("{value: '${V}', required: yes}", "value", Secret("from env"), True),
]


@pytest.mark.parametrize(("text", "kind", "expected", "required"), SOURCES)
def test_a_source_is_read(read, text, kind, expected, required):
    """A plain number stays the text it is; a file is found beside the configuration."""
    config = read(f"routes: {{microreact: {{preset: microreact, token: {text}}}}}", V="from env")
    _, source = bound(config, "microreact").sources[0]

    assert (kind, expected, required) == (source.kind, getattr(source, kind), source.required)


def test_a_preset_gives_upstream_scheme_and_minting_rules(read):
    """Two lines are a whole route, and what would answer a new token is denied first."""
    route = read(TWO_LINES).routes["microreact"]

    assert "https://microreact.org" == str(route.upstream)
    assert "access-token" == route.credential.kind
    assert ("/api/user/access-token", "/api/auth/**") == route.rules[0].paths
    assert "deny" == route.rules[0].action


def test_a_route_replaces_what_its_preset_allows_but_not_what_it_denies(read):
    """Own methods and rules take the preset's place; only `allow_minting` lifts minting rules."""
    text = (
        "routes: {{c: {{preset: carbonregistry, token: {{env: N}}, allow_minting: {0}, "
        "methods: any, rules: [{{paths: [/x], action: allow}}]}}}}"
    )
    kept = read(text.format("false")).routes["c"]
    lifted = read(text.format("true")).routes["c"]

    assert (None, ["deny", "allow"]) == (kept.methods, [rule.action for rule in kept.rules])
    assert ["allow"] == [rule.action for rule in lifted.rules]


def test_carbonregistry_is_read_only_by_default(read):
    """Transfers and retirements cannot be undone."""
    config = read("routes: {c: {preset: carbonregistry, token: {env: N}}}")

    assert ("GET", "HEAD") == config.routes["c"].methods


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_is_whole(name):
    """Each is https, names a variable and denies what mints tokens."""
    preset = presets.get(name)

    assert (name, "https") == (preset.name, preset.upstream.scheme)
    assert preset.token_env.isupper()
    assert {"deny"} == {rule.action for rule in preset.minting}


def test_the_presets_of_this_version():
    """Their names, and an unknown one."""
    with pytest.raises(KeyError):
        presets.get("../microreact")

    assert ("carbonregistry", "carbonregistry-sandbox", "microreact") == presets.names()


def test_a_preset_merges_headers_and_names_to_strip(read, monkeypatch):
    """A route's own header wins over the preset's of the same name, however it is spelled."""
    base = presets.get("microreact")
    more = base.model_copy(
        update={
            "set_headers": {"X-Version": "1", "X-Other": "2"},
            "strip": base.strip.model_copy(update={"query": ("a",)}),
        }
    )
    monkeypatch.setattr(presets, "get", lambda _: more)
    route = read(
        "routes: {m: {preset: microreact, token: {env: N}, set_headers: {x_version: 3}, "
        "strip: {query: [b]}}}"
    ).routes["m"]

    assert {"X-Other": "2", "x_version": "3"} == route.set_headers
    assert ("a", "b") == route.strip.query


def test_a_later_problem_has_its_place(read):
    """What starts up after loading can tell where the culprit is written."""
    config = read(TWO_LINES)
    actual = config.problem_at(("routes", "microreact", "token", "env"), "is not set")

    assert "f:2:49: routes.microreact.token.env: is not set" == str(actual)


def test_the_example_is_valid():
    """`config.example.yaml` loads as it stands and shows both presets."""
    config = load(ROOT / "config.example.yaml", {})

    assert {"microreact", "carbonregistry", None} == {
        route.preset for route in config.routes.values()
    }


def test_the_example_shows_every_key():
    """A key that the schema has is in the example, if only in a comment."""
    text = (ROOT / "config.example.yaml").read_text("utf-8")
    models: list[type[Keys]] = [Config, RouteConfig, NamedCredential, Source, Listen, ListenTls]
    models += [Rule, Strip, Limits, Timeouts, Tls, Drain, HeaderScheme, QueryScheme, AuditConfig]
    models += [ClientLimits]

    assert [] == [key for model in models for key in model.key_names() if f"{key}:" not in text]


def test_the_example_of_a_gateway_is_valid():
    """`config.gateway.yaml` loads as it stands; nothing in it is to be warned about."""
    config = load(ROOT / "config.gateway.yaml", {})
    ways = [
        (bool(client.key), client.jwt is not None, client.certificate is not None)
        for client in config.clients.values()
    ]

    assert {(True, False, False), (False, True, False), (False, False, True)} == set(ways)
    assert Doubtful() == doubtful(config.clients, now=0.0)


def test_the_example_of_a_gateway_shows_every_key():
    """Of what a gateway needs."""
    text = (ROOT / "config.gateway.yaml").read_text("utf-8")
    models: list[type[Keys]] = [ClientConfig, JwtConfig, CertificateConfig, ListenTls, AuditConfig]
    models += [Limits]
    more = ["clients", "clients_file", "storage", "on_storage_error"]
    keys = [*(key for model in models for key in model.key_names()), *more]

    assert [] == [key for key in keys if f"{key}:" not in text]


def test_what_a_gateway_needs_is_read(read):
    """Listeners with TLS, limits, the audit file: paths lie beside the file."""
    config = read(
        """
listen: {address: "0.0.0.0:1", tls: {cert: c.pem, key: /k.pem, client_ca: ca.pem}}
limits: {storage: "redis://:${PASSWORD}@r:6379/1", on_storage_error: allow}
audit: {file: a.jsonl, max_size: 1MiB, keep: 3, on_error: allow}
clients_file: clients.yaml
routes:
  a:
    upstream: https://x.org
    credential: none
    listen: {address: "127.0.0.1:2", tls: {cert: c.pem}}
    limits: {rate: 5/second, concurrency: 3}
""",
        PASSWORD="p",
    )
    tls, own = config.listen[0].tls, config.routes["a"].listen[0].tls
    limits = config.routes["a"].limits

    assert tls is not None
    assert own is not None
    assert config.audit is not None
    assert ([Path(f"/base/{name}") for name in ("c.pem", "ca.pem")], Path("/k.pem")) == (
        [tls.cert, tls.client_ca],
        tls.key,
    )
    assert (None, None) == (own.key, own.client_ca)
    assert (Secret("redis://:p@r:6379/1"), "allow") == (
        config.limits.storage,
        config.limits.on_storage_error,
    )
    assert (Path("/base/a.jsonl"), 1024**2, 3, "allow") == (
        config.audit.file,
        config.audit.max_size,
        config.audit.keep,
        config.audit.on_error,
    )
    assert Path("/base/clients.yaml") == config.clients_file
    assert (RateConfig(5, 1), 3) == (limits.rate, limits.concurrency)
    assert ":p@" not in repr(config)


def test_a_gateway_is_not_asked_for(read):
    """Without its keys nobody is asked who they are, and nothing is counted or kept."""
    config = read(TWO_LINES)
    limits = config.routes["microreact"].limits

    assert ({}, None, None, "memory", "deny") == (
        config.clients,
        config.clients_file,
        config.audit,
        config.limits.storage,
        config.limits.on_storage_error,
    )
    assert (None, None, None) == (limits.rate, limits.concurrency, config.listen[0].tls)


CONTENTS = {
    "binary": bytes(range(256)),
    "utf-16": "routes: {}".encode("utf-16"),
    "huge": b"#" * (MAX_FILE_SIZE + 1),
    "empty": b"",
}


def unreadable(tmp_path, kind):
    """Return a path that is no configuration file, in one of many ways."""
    path = tmp_path / "config.yaml"
    if kind in CONTENTS:
        path.write_bytes(CONTENTS[kind])
    elif kind == "directory":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "nul":
        path = Path(f"{path}\0")
    return path


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("missing", " cannot be read: No such file or directory"),
        ("directory", " cannot be read: Is a directory"),
        ("loop", " cannot be read"),
        ("nul", " cannot be read"),
        ("binary", "2:118: is not UTF-8 text (byte 0x80); save the file as UTF-8"),
        ("utf-16", " is not UTF-8 text but UTF-16; save it as UTF-8"),
        ("huge", " is over 4 MiB"),
        ("empty", " is empty"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_line(tmp_path, kind, expected):
    """Whatever the path leads to, the answer is one line that names it."""
    path = unreadable(tmp_path, kind)

    with pytest.raises(ConfigError) as caught:
        load(path, {})

    assert f"{path}:{expected}" in str(caught.value)
    assert 1 == len(str(caught.value).splitlines())


def test_relative_paths_begin_at_the_file(tmp_path, monkeypatch):
    """Not at the directory that the process was started in."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "c.yaml").write_text(TWO_LINES, "utf-8")
    monkeypatch.chdir(tmp_path)
    config = load(Path("conf/c.yaml"), {})

    assert tmp_path / "conf" / "t" == bound(config, "carbonregistry").sources[0][1].file
