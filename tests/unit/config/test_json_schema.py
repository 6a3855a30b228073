"""The JSON Schema agrees with the loader, as far as an editor can check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from proxy.config.json_schema import json_schema
from proxy.config.loader import loads
from proxy.config.nodes import Mapping, Scalar
from proxy.config.source import parse


ROOT = Path(__file__).parents[3]
VALIDATOR = Draft202012Validator(json_schema())


def as_editors_read(node):
    """Return the value of a node by the core schema of YAML 1.2."""
    if isinstance(node, Mapping):
        return {key: as_editors_read(value) for key, (_, value) in node.entries.items()}
    if not isinstance(node, Scalar):
        return [as_editors_read(item) for item in node.items]
    if node.plain and node.text in {"true", "false"}:
        return node.text == "true"
    if node.plain and re.fullmatch("[0-9]+", node.text):
        return int(node.text)
    return node.text


def complaints(text):
    """Return the paths that the schema complains about."""
    return [error.json_path for error in VALIDATOR.iter_errors(as_editors_read(parse(text, "f")))]


def test_the_schema_is_one():
    """It follows its own meta-schema."""
    Draft202012Validator.check_schema(json_schema())


def uncommented(text):
    """Return the example with every commented key in force."""
    lines = text[text.index("\nlisten:") :].splitlines()
    keys = [re.sub(r"^( *)# ([a-z_-]+: |- \{)", r"\1\2", line) for line in lines]
    return "\n".join(line for line in keys if "preset: none" not in line)


@pytest.mark.parametrize("change", [str, uncommented])
@pytest.mark.parametrize("name", ["config.example.yaml", "config.gateway.yaml"])
def test_the_example_passes(name, change):
    """As it stands, and with everything that is commented out in it."""
    text = (ROOT / name).read_text("utf-8")

    assert [] == complaints(change(text))


def test_the_uncommented_example_loads():
    """What the example tells about can be written as it tells it."""
    text = uncommented((ROOT / "config.example.yaml").read_text("utf-8"))
    config = loads(text, name="f", base=ROOT, environ={})

    assert len(config.routes) == 3


def test_uncommenting_reaches_the_keys():
    """The control of the test above."""
    text = uncommented((ROOT / "config.example.yaml").read_text("utf-8"))

    assert "\ninsecure_open: false" in text
    assert "\n    tls: {ca: none" in text


HASH = f"sha256:{'0' * 64}"
JWT = "{issuer: a, audience: b, claims: {c: d}, jwks_url: 'https://x.org/a', leeway: 1m}"
ROUTE = "routes: {a: {preset: x, token: {env: N}}}"
GOOD = [
    "routes: {a: {preset: microreact, token: {env: N}}}",
    "routes: {a: {upstream: 'http://x', credential: none, path: false, forwarded: off}}",
    "routes: {a: {preset: x, token: {env: N}, echo_guard: on}}",
    "routes: {a: {upstream: '${URL}', credential: {bearer: {value: 12345}}}}",
    "listen: {address: 'unix:x', mode: 0600}\nroutes: {a: {preset: x, token: {file: f}}}",
    "listen: [localhost:1, {address: 'unix:x'}]\nroutes: {a: {preset: x, token: {file: f}}}",
    "routes: {a: {preset: x, token: {env: N}, limits: {body: 1024}, timeouts: {idle: none}}}",
    f"clients: {{a: {{key: [{HASH}], routes: '*'}}}}\n{ROUTE}",
    f"clients: {{a: {{key: {HASH}, routes: [a], credentials: {{a: b}}, expires: none}}}}\n{ROUTE}",
    f"clients: {{a: {{certificate: {{subject: CN=a}}, routes: [a], rate: 1/day}}}}\n{ROUTE}",
    f"clients: {{a: {{jwt: {JWT}, routes: [a], expires: 2027-06-30}}}}\n{ROUTE}",
    f"audit: none\nclients_file: none\nlimits: {{storage: '${{R}}'}}\n{ROUTE}",
    f"audit: {{file: a, max_size: 4096, keep: 1}}\nlimits: {{storage: redis://x/0}}\n{ROUTE}",
    f"listen: {{address: '0.0.0.0:1', tls: {{cert: a, key: none, client_ca: b}}}}\n{ROUTE}",
    "cors: {allow_origins: ['http://[::1]:80', '${X}']}\nroutes: {a: {preset: x, token: {env: N}}}",
]


@pytest.mark.parametrize("text", GOOD)
def test_a_good_file_passes(text):
    """Numbers and booleans that a YAML reader makes of plain scalars are accepted."""
    assert [] == complaints(text)


ALLOWED = "$.cors.allow_origins"
BAD = [
    ("{}", "$"),
    ("routes: {}", "$.routes"),
    ("routes: {a: {upstream: 'https://x'}}", "$.routes.a"),
    ("routes: {a: {credential: none}}", "$.routes.a"),
    ("routes: {a: {preset: x, token: {env: N}, credential: none}}", "$.routes.a"),
    ("routes: {a: {preset: x, token: {env: N, file: f}}}", "$.routes.a.token"),
    ("routes: {a: {preset: x, token: {}}}", "$.routes.a.token"),
    ("routes: {a: {preset: x, token: N}}", "$.routes.a.token"),
    ("routes: {a: {upstream: 'https://x', credential: {}}}", "$.routes.a.credential"),
    ("routes: {a: {upstream: 'https://x/y', credential: none}}", "$.routes.a.upstream"),
    ("routes: {a: {preset: x, token: {env: N}, timeouts: {idle: 5}}}", "$.routes.a.timeouts.idle"),
    ("routes: {a: {preset: x, token: {env: N}, forwarded: maybe}}", "$.routes.a.forwarded"),
    ("routes: {a: {preset: x, token: {env: N}, cookies: maybe}}", "$.routes.a.cookies"),
    ("routes: {a: {preset: x, token: {env: N}, methods: GET}}", "$.routes.a.methods"),
    ("routes: {a: {preset: x, token: {env: N}, limits: {body: 1kb}}}", "$.routes.a.limits.body"),
    ("routes: {a: {preset: x, token: {env: N}, echo_guard: maybe}}", "$.routes.a.echo_guard"),
    ("routes: {a: {preset: x, token: {env: N}, forward: off}}", "$.routes.a"),
    ("routes: {A B: {preset: x, token: {env: N}}}", "$.routes"),
    (
        "cors: {allow_origins: ['*']}\nroutes: {a: {preset: x, token: {env: N}}}",
        f"{ALLOWED}[0]",
    ),
    (
        "cors: {allow_origins: [x.org]}\nroutes: {a: {preset: x, token: {env: N}}}",
        f"{ALLOWED}[0]",
    ),
    (f"clients: {{A: {{key: {HASH}, routes: [a]}}}}\n{ROUTE}", "$.clients"),
    (f"clients: {{a: {{routes: [a]}}}}\n{ROUTE}", "$.clients.a"),
    (f"clients: {{a: {{key: {HASH}}}}}\n{ROUTE}", "$.clients.a"),
    (f"clients: {{a: {{key: kb_a_x, routes: [a]}}}}\n{ROUTE}", "$.clients.a.key"),
    (f"clients: {{a: {{key: {HASH}, routes: a}}}}\n{ROUTE}", "$.clients.a.routes"),
    (f"clients: {{a: {{key: {HASH}, routes: [a], rate: 1/s}}}}\n{ROUTE}", "$.clients.a.rate"),
    (f"clients: {{a: {{key: {HASH}, routes: [a], rat: 1/s}}}}\n{ROUTE}", "$.clients.a"),
    (f"clients: {{a: {{jwt: {{issuer: a}}, routes: [a]}}}}\n{ROUTE}", "$.clients.a.jwt"),
    (f"audit: {{max_size: 1MiB}}\n{ROUTE}", "$.audit"),
    (f"limits: {{storage: disk}}\n{ROUTE}", "$.limits.storage"),
    (f"listen: {{address: '0.0.0.0:1', tls: {{key: a}}}}\n{ROUTE}", "$.listen"),
    ("admin: off\nroutes: {a: {preset: x, token: {env: N}}}", "$"),
]


@pytest.mark.parametrize(("text", "path"), BAD)
def test_a_bad_file_is_marked(text, path):
    """The editor marks the place that the loader would name."""
    assert [path] == complaints(text)
