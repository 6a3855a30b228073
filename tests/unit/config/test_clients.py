"""Clients, in the configuration and in a file of their own: what is read, and what is refused."""
# ruff: noqa: E501 # a rule is read best in one row

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from proxy.access import clientsfile, keys
from proxy.access.yamltext import ClientsFileError
from proxy.config import source
from proxy.config.clients import RateConfig, load_clients
from proxy.config.errors import ConfigError
from proxy.config.source import MAX_ALIASED, MAX_NODES
from tests.unit.config.test_source import PARSERS


HASHES = [f"sha256:{digit * 64}" for digit in "0123456789abcdef"]
DIGESTS = [bytes.fromhex(text.partition(":")[2]) for text in HASHES]
KEY = f"kb_alice_{'Ab3' * 16}x"
MAIN = """\
listen: {address: "127.0.0.1:1", tls: {cert: c.pem, client_ca: ca.pem}}
credentials:
  x: {origin: "https://x.org", bearer: {env: N}}
  y: {origin: "https://y.org", bearer: {env: N}}
  key: {origin: "https://x.org", header: {name: X-Own, secret: {env: N}}}
  kept: {origin: "https://x.org", header: {name: X-Kept, secret: {env: N}}}
routes:
  a: {upstream: "https://x.org", credential: x, set_headers: {X-Own: a}, strip: {keep: [x_kept]}}
  b: {upstream: "https://y.org", credential: y}
"""
JWT = "{issuer: i, audience: j, claims: {c: d}, jwks_url: 'https://i/k'}"
EVERY_KEY = f"""\
alice:
  key: [{HASHES[0]}, {HASHES[1]}]
  jwt: {{issuer: https://i.org, audience: kb, claims: {{sub: "1", ref: main}}, jwks_url: https://i.org/k, leeway: 1m}}
  certificate: {{subject: "cn = build01, o = Example"}}
  routes: [a, b]
  methods: [GET]
  rules: [{{paths: [/x/**], action: deny}}]
  credentials: {{a: x}}
  rate: 120/minute
  concurrency: 8
  expires: 1970-01-02
"""


def below(text):
    """Return the map of a file as the value of `clients:`."""
    lines = text.splitlines()
    return "clients:\n" + "\n".join(f"  {line}" for line in lines) + "\n"


@pytest.fixture
def load_text(read, tmp_path):
    """Return the clients of the text of a file, beside a configuration."""

    def load_text(text, main=MAIN, **environ):
        path = tmp_path / "clients.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_clients(path, read(main), environ)

    return load_text


@pytest.fixture
def lines_of(load_text, tmp_path):
    """Return the lines of the errors of a file of clients."""

    def lines_of(text, main=MAIN, **environ):
        with pytest.raises(ConfigError) as caught:
            load_text(text, main, **environ)
        return str(caught.value).replace(str(tmp_path / "clients.yaml"), "f").splitlines()

    return lines_of


@pytest.mark.parametrize("place", ["main", "file"])
def test_every_key_is_read(read, load_text, place):
    """The same in the configuration and in a file of its own."""
    clients = read(MAIN + below(EVERY_KEY)).clients if place == "main" else load_text(EVERY_KEY)
    alice = clients["alice"]

    assert (tuple(DIGESTS[:2]), ("a", "b"), ("GET",), {"a": "x"}) == (
        alice.key,
        alice.routes,
        alice.methods,
        alice.credentials,
    )
    assert ("https://i.org", "kb", {"sub": "1", "ref": "main"}, "https://i.org/k", 60.0) == (
        alice.jwt.issuer,
        alice.jwt.audience,
        alice.jwt.claims,
        alice.jwt.jwks_url,
        alice.jwt.leeway,
    )
    assert "CN=build01,O=Example" == alice.certificate.subject
    assert ("deny", ("/x/**",)) == (alice.rules[0].action, alice.rules[0].paths)
    assert (RateConfig(120, 60), 8, 172800.0) == (alice.rate, alice.concurrency, alice.expires)


def test_little_is_needed(load_text):
    """A key and routes; nothing else limits the client then."""
    alice = load_text(f"alice: {{key: {HASHES[0]}, routes: '*'}}")["alice"]

    assert ((DIGESTS[0],), None, None, (), {}) == (
        alice.key,
        alice.routes,
        alice.methods,
        alice.rules,
        alice.credentials,
    )
    assert (None, None, None, None, None) == (
        alice.jwt,
        alice.certificate,
        alice.rate,
        alice.concurrency,
        alice.expires,
    )


def test_a_token_is_late_by_half_a_minute_at_most(load_text):
    """Clocks differ."""
    jwt = load_text(f"alice: {{jwt: {JWT}, routes: '*'}}")["alice"].jwt

    assert 30.0 == jwt.leeway


def client(keys, name="alice"):
    """Return a file of one client with a key, one route, and more."""
    return f"{name}: {{key: {HASHES[0]}, routes: [a]{keys}}}\n"


SAME_IN_BOTH = [
    (client("", name="Alice"), "Alice: a client's name is 1 to 63 lower-case letters"),
    ("alice: x", "alice: must be {key: sha256:…, routes: [NAME]}"),
    ("alice:", "alice: is empty"),
    ("alice: {routes: [a]}", "alice: has no key, jwt or certificate"),
    (f"alice: {{key: {HASHES[0]}}}", "alice: `routes` is missing; name those that the client may use"),
    (f"alice: {{key: {KEY}, routes: [a]}}", "alice.key: is a key, which whoever reads this file could use; run `keybearer keys new NAME`"),
    (f"alice: {{key: [{HASHES[0]}, {KEY}], routes: [a]}}", "alice.key[1]: is a key"),
    ("alice: {key: [], routes: [a]}", "alice.key: is empty"),
    ("alice: {key: {a: b}, routes: [a]}", "alice.key: must be sha256: and 64 hex digits, or a list of such"),
    (f"alice: {{key: [{HASHES[0]}, {HASHES[0]}], routes: [a]}}", "alice.key[1]: the same as "),
    (client(", metods: [GET]"), "alice.metods: is no key here; did you mean methods?"),
    (client(", methods: [get]"), "alice.methods[0]: must be a method such as GET"),
    (client(", rate: 1/s"), "alice.rate: must be a rate such as 10/second"),
    (client(", concurrency: 0"), "alice.concurrency: must be a number from 1 up"),
    (client(", expires: 30.6.2027"), "alice.expires: must be a day such as 2027-06-30"),
    (client(", expires: '${MISSING}'"), "alice.expires: the environment variable MISSING is not set"),
    (client(", rules: [{paths: [x], action: deny}]"), "alice.rules[0].paths[0]: must begin with /"),
    (client(", jwt: x"), "alice.jwt: must be {issuer: …, audience: …, jwks_url: …"),
    (client(", jwt: {issuer: a, jwks_url: 'https://x'}"), "alice.jwt: `audience` is missing"),
    (client(f", jwt: {JWT}".replace("https", "http")), "alice.jwt.jwks_url: must be https"),
    (client(", certificate: CN=a"), "alice.certificate: must be {subject: CN=…}"),
    (client(", certificate: {subject: /CN=a}"), "alice.certificate.subject: must be the subject as `openssl"),
    (client("").replace("[a]", "a"), 'alice.routes: must be a list of names, or "*" for every route'),
    (client("").replace("[a]", "[]"), "alice.routes: is empty"),
    (client("").replace("[a]", "['*']"), 'alice.routes[0]: stands alone for every route; write routes: "*"'),
    (client("").replace("[a]", "[a, c]"), "alice.routes[1]: no route of that name; there are a, b"),
    (client("").replace("[a]", "[aa]"), "alice.routes[0]: no route of that name; did you mean a?"),
    (client(", credentials: {c: x}"), "alice.credentials.c: no route of that name; there are a, b"),
    (client(", credentials: {b: y}"), "alice.credentials.b: is for a route that is not in the client's routes"),
    (client(", credentials: {a: z}"), "alice.credentials.a: no credential of that name; there are kept, key, x, y"),
    (client(", credentials: {a: y}"), "alice.credentials.a: is bound to another origin than this route's upstream: credentials.y.origin (line 4)"),
    (client(", credentials: {a: key}"), "alice.credentials.a: goes where the route's set_headers has something else"),
    (client(", credentials: {a: kept}"), "alice.credentials.a: goes where the route's strip.keep has something else"),
    (client("") + client("", "bob"), "bob.key: the same as "),
    (f"alice: {{jwt: {JWT}, routes: [a]}}\nbob: {{jwt: {JWT}, routes: [b]}}", "bob.jwt: the same as "),
    (f"alice: {{jwt: {JWT}, routes: [a]}}\nbob: {{jwt: {JWT.replace('i/k', 'i/l').replace('d}', 'e}')}, routes: [b]}}", "bob.jwt.jwks_url: is another than "),
    ("alice: {certificate: {subject: 'CN=a,O=b'}, routes: [a]}\nbob: {certificate: {subject: 'cn=a, o=b'}, routes: [b]}", "bob.certificate: the same as "),
    (client("") + client("").replace(HASHES[0], HASHES[1]), "alice: is given twice, first on line "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SAME_IN_BOTH)
def test_a_broken_rule_is_one_line_in_the_configuration(errors, text, expected):
    """With its place, and what to do."""
    actual = errors(MAIN + below(text))

    assert 1 == len(actual), actual
    assert f": clients.{expected}" in actual[0]
    assert KEY[:12] not in actual[0]


@pytest.mark.parametrize("loader", PARSERS)
@pytest.mark.parametrize(("text", "expected"), SAME_IN_BOTH)
def test_a_broken_rule_is_one_line_in_a_file(lines_of, text, expected, loader, monkeypatch):
    """The same, from libyaml and from PyYAML's own parser."""
    monkeypatch.setattr(source, "_LOADER", loader)
    actual = lines_of(text)

    assert 1 == len(actual), actual
    assert f": {expected}" in actual[0]
    assert actual[0].startswith("f:")
    assert KEY[:12] not in actual[0]


IN_FILES = [
    ("", "f: is empty; write {} for none"),
    ("# nobody\n", "f: is empty; write {} for none"),
    ("[alice]", "f:1:1: must be keys and values"),
    ("alice", "f:1:1: must be keys and values"),
    ("!x {alice: x}", "f:1:1: must be keys and values"),
    ("a: {b: c}\n---\nb: x\n", "f:2:1: a second document"),
    (below(client("")), "f:1:1: clients: stands above the clients; this file is their map itself"),
    (f"alice: {{key: {HASHES[0]}, routes: [a]}}\nbob: {{key: @x}}", "f:2:12: not valid YAML: a value cannot begin with @"),
    ("alice: {key: *x}", "f:1:14: a value that begins with * must be quoted"),
    (b"alice: {key: \xff}", "f:1:14: is not UTF-8 text"),
    ("alice: {key: \x07}", "f:1:14: a control character"),
    ("alice: " + "[" * 100, "nested too deeply"),
]  # fmt: skip


@pytest.mark.parametrize("loader", PARSERS)
@pytest.mark.parametrize(("text", "expected"), IN_FILES)
def test_a_file_that_is_none_is_told(lines_of, text, expected, loader, monkeypatch):
    """By its last line; what is wrong before it is told as well."""
    monkeypatch.setattr(source, "_LOADER", loader)
    actual = lines_of(text)

    assert expected in actual[-1]


def test_an_empty_map_is_a_file_of_nobody(load_text):
    """Who wants nobody to come in can say so."""
    assert {} == load_text("{}\n")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("missing", "cannot be read: No such file or directory"),
        ("directory", "cannot be read: Is a directory"),
        ("pipe", "cannot be read: no regular file"),
        ("nul", "cannot be read: no valid file name"),
    ],
)
def test_a_path_that_is_no_file_is_one_line(read, tmp_path, kind, expected):
    """Which names it; the other end of a pipe is not waited for, nor is what a pipe holds."""
    paths = {"missing": tmp_path / "x", "directory": tmp_path, "nul": Path("\0")}
    path = paths.get(kind, tmp_path / "pipe")
    if kind == "pipe":
        os.mkfifo(path)

    with pytest.raises(ConfigError) as caught:
        load_clients(path, read(MAIN), {})

    assert f"{path}: {expected}" == str(caught.value)


@pytest.mark.parametrize(("room", "fits"), [(0, True), (-1, False)])
def test_what_a_service_reads_the_editor_edits(read, tmp_path, monkeypatch, room, fits):
    """To the byte: nobody finds out by a revocation that does not work."""
    path = tmp_path / "clients.yaml"
    path.write_text(EVERY_KEY, encoding="utf-8")
    monkeypatch.setattr(keys, "MAX_FILE_SIZE", len(EVERY_KEY) + room)
    config = read(MAIN)

    for reads in (lambda: load_clients(path, config), lambda: clientsfile.listing(path)):
        with contextlib.nullcontext() if fits else pytest.raises((ConfigError, ClientsFileError)):
            assert 1 == len(reads())


def test_every_problem_is_told(lines_of):
    """In the order of the file, with their lines."""
    actual = lines_of(
        "alice: {routes: [a]}\nbob:\n  key: x\n  routes: [c]\ncarol:\n  rat: 1/day\n  routes: '*'\n"
    )

    assert ["f:1:1: alice:", "f:3:8: bob.key:", "f:6:3: carol.rat:"] == [
        " ".join(line.split()[:2]) for line in actual
    ]


def test_a_broken_client_does_not_hide_what_is_wrong_with_others(errors, lines_of):
    """Nor is what depends on it told as another error."""
    text = f"alice: {{key: {HASHES[0]}, routes: [a], rate: x}}\nbob: {{key: x, routes: [a]}}\n"

    assert ["alice.rate:", "bob.key:"] == [line.split()[1] for line in lines_of(text)]
    assert ["clients.alice.rate:", "clients.bob.key:"] == [
        line.split()[1] for line in errors(MAIN + below(text))
    ]


def test_a_broken_route_is_not_missed_by_clients(errors):
    """It is told once, where it is broken."""
    main = MAIN.replace("  b: {upstream", "  b: {metods: x, upstream")
    actual = errors(main + below(client(", credentials: {b: y}").replace("[a]", "[a, b]")))

    assert ["routes.b.metods:"] == [line.split()[1] for line in actual]


def test_the_configuration_counts_for_a_file(lines_of):
    """Nobody is in both, by name, by key, or by an issuer with other keys."""
    main = MAIN + below(client("") + f"ci: {{jwt: {JWT}, routes: [a]}}")
    actual = lines_of(
        client("").replace(HASHES[0], HASHES[1])
        + client("", "bob")
        + f"job: {{jwt: {JWT.replace('i/k', 'i/l').replace('j,', 'k,')}, routes: [a]}}",
        main,
    )

    assert [
        "f:1:1: alice: is clients.alice (line 11) of f too; keep one",
        "f:2:12: bob.key: the same as clients.alice.key (line 11) of f; change one of them",
        "f:3:63: job.jwt.jwks_url: is another than clients.ci.jwt.jwks_url (line 12) of f, of the same issuer; an issuer has one",
    ] == actual


def test_variables_are_filled_in_in_a_file(load_text):
    """As in the configuration."""
    alice = load_text(client(", rate: '${RATE}'"), RATE="7/day")["alice"]

    assert RateConfig(7, 86400) == alice.rate


def test_the_environment_is_the_processs(read, tmp_path, monkeypatch):
    """If no other is given."""
    path = tmp_path / "c.yaml"
    path.write_text(client(", rate: '${KEYBEARER_TEST_RATE}'"))
    monkeypatch.setenv("KEYBEARER_TEST_RATE", "7/day")

    assert RateConfig(7, 86400) == load_clients(path, read(MAIN))["alice"].rate


def test_anchors_serve_many_clients(load_text):
    """What is written once can be meant often."""
    actual = load_text(
        f"a: {{key: {HASHES[0]}, routes: &r [a, b]}}\nb: {{key: {HASHES[1]}, routes: *r}}\n"
    )

    assert actual["a"].routes == actual["b"].routes == ("a", "b")


def test_aliases_of_all_clients_together_have_a_bound(lines_of):
    """A file of some kilobytes would be read for hours."""
    size = MAX_NODES // 4
    first = f"a: &a [{'x, ' * size}]\n"
    aliases = "".join(f"c{n}: *a\n" for n in range(MAX_ALIASED // size + 1))

    actual = lines_of(first + aliases)

    assert actual[-1].startswith(f"f:{MAX_ALIASED // size + 1}:")
    assert actual[-1].endswith(": too large once its aliases are filled in")


def test_thousands_are_read(load_text):
    """More than the nodes of a configuration."""
    text = "".join(
        f"c{n}: {{key: sha256:{n:064x}, routes: [a, b], methods: [GET], rate: {n + 1}/day}}\n"
        for n in range(MAX_NODES // 8)
    )
    clients = load_text(text)

    assert (MAX_NODES // 8, RateConfig(1000, 86400)) == (len(clients), clients["c999"].rate)


def test_of_thousands_of_problems_a_hundred_are_told(lines_of):
    """Nobody reads more."""
    actual = lines_of("".join(f"c{n}: {{routes: [a]}}\n" for n in range(1000)))

    assert 100 == len(actual)


WITHOUT = MAIN.replace(", client_ca: ca.pem", "")


def test_certificates_need_a_listener_that_asks_for_them(errors, lines_of):
    """Else the client could never come in."""
    text = "alice: {certificate: {subject: CN=a}, routes: [a]}\n"
    expected = (
        "alice.certificate: no listener asks for certificates; give one tls: {cert, key, client_ca}"
    )

    assert [f"f:11:11: clients.{expected}"] == errors(WITHOUT + below(text))
    assert [f"f:1:9: {expected}"] == lines_of(text, WITHOUT)


def test_a_route_s_own_listener_may_ask_for_certificates(read):
    """It serves that route alone; that is the client's business."""
    main = WITHOUT.replace(
        "credential: y}",
        "credential: y, listen: {address: '127.0.0.1:2', tls: {cert: c, client_ca: d}}}",
    )
    config = read(main + below("alice: {certificate: {subject: CN=a}, routes: [b]}"))

    assert config.clients["alice"].certificate is not None


KEEP = "routes: {{a: {{upstream: 'https://x.org', credential: none, strip: {{keep: [{0}]}}}}}}\n"


@pytest.mark.parametrize(
    "slot", ["authorization", "Proxy-Authorization", "ACCESS_TOKEN", "X-Api-Key"]
)
@pytest.mark.parametrize("clients", ["clients_file: c", below(client(""))])
def test_no_route_keeps_what_may_be_a_clients_key(read, errors, slot, clients):
    """It would go to the upstream; without clients it may be kept."""
    (actual,) = errors(KEEP.format(slot) + clients)

    assert "routes.a.strip.keep[0]: is where a client's key is looked for" in actual
    assert (slot,) == read(KEEP.format(slot)).routes["a"].strip.keep
    assert ("Cookie",) == read(KEEP.format("Cookie") + clients).routes["a"].strip.keep


@pytest.mark.parametrize("clients", ["clients_file: c", below(client(""))])
def test_with_clients_others_may_reach_it(read, clients):
    """Without, that is refused unless it is said to be meant."""
    text = "listen: 0.0.0.0:80\nroutes: {a: {upstream: 'https://x.org', credential: none}}\n"

    assert not read(text + clients).insecure_open
    for none in ("", "clients_file: none"):
        with pytest.raises(ConfigError, match="anybody in the network could use the credentials"):
            read(text + none)


def test_invalid_clients_are_no_reason_to_call_a_listener_open(errors):
    """One line, about the client."""
    text = "listen: 0.0.0.0:80\nroutes: {a: {upstream: 'https://x.org', credential: none}}\n"

    assert ["clients.a:"] == [line.split()[1] for line in errors(text + "clients: {a: x}")]
    assert ["clients:"] == [line.split()[1] for line in errors(text + "clients: [a]")]
