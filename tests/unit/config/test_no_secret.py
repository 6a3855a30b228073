"""A canary in every place where somebody may put a secret is in no message, repr or schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.config.errors import ConfigError
from proxy.config.json_schema import json_schema
from proxy.config.loader import loads


CANARY = "hunter2canary"
ROUTE = "routes: {{a: {{upstream: 'https://x.org', {0}}}}}"

WRONG = [
    "token: {0}",
    "token: {{{0}}}",
    "token: {{{0}: x}}",
    "token: {{{0}, {0}}}",
    "token: [{0}]",
    "token: {{env: {0}.x}}",
    "token: {{env: {0}, file: {0}, value: {0}}}",
    'token: {{value: "{0}\\n{0}"}}',
    'token: {{value: "{0}\u200bx"}}',
    "token: {{value: {{{0}: x}}}}",
    "token: {{value: [{0}]}}",
    "token: {{value: {0}, requird: true}}",
    "token: {{value: {0}, required: {0}}}",
    "token: {{file: ~{0}}}",
    "token: {{value: 'a${{{0}}}b'}}",
    "token: {{value: *{0}}}",
    "token: {{value: !{0} x}}",
    "token: {{value: @{0}}}",
    "token: {{value: '{0}}}",
    "token: {{value: {0}: {0}}}",
    'token: {{value: "{0}\\q"}}',
    "credential: {0}",
    "credential: {{{0}}}",
    "credential: {{{0}: x}}",
    "credential: {{bearer: {0}}}",
    "credential: {{bearer: {{{0}: x}}}}",
    "credential: {{bearer: {{value: {0}, env: '{0} '}}}}",
    "credential: {{basic: {{username: '{0}:', password: {0}}}}}",
    "credential: {{header: {{name: '{0} ', format: {0}, secret: {0}}}}}",
    "credential: {{query: {{name: '{0}&', secret: {{{0}: {0}}}}}}}",
    "credential: none, upstream: 'https://{0}@x.org'",
    'credential: none, set_headers: {{X-A: "{0}\\n"}}',
    "credential: none, set_headers: {{X-A: '${{SECRET}}\u200b'}}",
    "credential: none, methods: ['{0} ']",
    "credential: none, path: '{0}'",
    "credential: none, preset: '{0}'",
    "credential: none, timeouts: {{idle: '${{SECRET}}'}}",
    "credential: none, cookies: '${{SECRET}}'",
    "credential: none, listen: '${{SECRET}}'",
    "credential: none, hosts: ['${{SECRET}}:']",
]


@pytest.mark.parametrize("keys", WRONG)
def test_no_error_shows_the_canary(keys):
    """Neither its text nor its repr, and no chained exception."""
    text = ROUTE.format(keys.format(CANARY))
    assert CANARY in text or "SECRET" in text

    with pytest.raises(ConfigError) as caught:
        loads(text, name="f", base=Path("/"), environ={"SECRET": CANARY})

    told = f"{caught.value} {caught.value!r} {caught.value.problems!r}"
    assert CANARY not in told
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


KEY = f"kb_alice_{'hunter2Canary' * 4}"[:58]
KEPT = "routes: {{a: {{upstream: 'https://x.org', credential: none}}}}\n{0}"
MISPLACED = [
    "clients: {{alice: {{key: {0}, routes: [a]}}}}",
    "clients: {{alice: {{key: [{0}, 'Bearer {0}'], routes: [a]}}}}",
    "clients: {{alice: {{key: {{{0}: x}}, routes: [a]}}}}",
    "clients: {{alice: {{key: {{{0}}}, routes: [a]}}}}",
    "clients: {{alice: {{key: '${{{0}}}', routes: [a]}}}}",
    "clients: {{alice: {{{0}: x, routes: [a]}}}}",
    "clients: {{alice: {{{0}, {0}}}}}",
    "clients: {{alice: {0}}}",
    "clients: {{{0}: {{routes: [a]}}}}",
    "clients: {{{0}: x, {0}: x}}",
    "clients: [{0}]",
    "clients: {0}",
    "{0}: x",
    "clients: {{alice: {{key: sha256:{0}, routes: [{0}], rate: {0}, expires: {0}}}}}",
    "clients: {{alice: {{certificate: {{subject: {0}}}, routes: [a]}}}}",
    "clients: {{alice: {{certificate: {{{0}: x}}, routes: [a]}}}}",
    "clients: {{alice: {{jwt: {0}, routes: [a]}}}}",
    "clients: {{alice: {{jwt: {{{0}: x}}, routes: [a]}}}}",
    "clients: {{alice: {{jwt: {{jwks_url: 'https://{0}@x.org'}}, routes: [a]}}}}",
    "clients: {{alice: {{certificate: {{subject: CN=a}}, routes: [a], credentials: {{a: {0}}}}}}}",
    "clients: {{alice: {{certificate: {{subject: CN=a}}, routes: [a], credentials: {{{0}: a}}}}}}",
    "clients_file: {{{0}: x}}",
    "limits: {{storage: 'redis://:{0}@x/y'}}",
    "limits: {{storage: {{'redis://:{0}@x': x}}}}",
    "limits: {{storage: ['{0}']}}",
    "limits: {{storage: '{0}'}}",
]


@pytest.mark.parametrize("keys", MISPLACED)
def test_no_error_shows_a_clients_key(keys):
    """Nor a part of it, wherever it was put."""
    text = KEPT.format(keys.format(KEY))
    assert KEY in text

    with pytest.raises(ConfigError) as caught:
        loads(text, name="f", base=Path("/"), environ={})

    told = f"{caught.value} {caught.value!r} {caught.value.problems!r}"
    assert "hunter2" not in told
    assert "Canary" not in told


def test_a_clients_keys_and_the_redis_are_in_no_repr():
    """Hashes neither: they are nobody's business."""
    text = KEPT.format(
        f"clients: {{alice: {{key: 'sha256:{'ab' * 32}', routes: [a]}}}}\n"
        f"limits: {{storage: 'redis://:{CANARY}@x/0'}}"
    )
    config = loads(text, name="f", base=Path("/"), environ={})
    told = f"{config} {config!r} {config.clients} {config.limits}"

    assert CANARY not in told
    assert repr(config.clients["alice"].key) not in told
    assert "alice" in told


def test_an_error_shows_what_is_no_secret():
    """The positive control: an ordinary unknown key is named."""
    text = ROUTE.format(f"credential: none, {CANARY}: x")

    with pytest.raises(ConfigError) as caught:
        loads(text, name="f", base=Path("/"), environ={})

    assert CANARY in str(caught.value)


RIGHT = [
    "credential: {{bearer: {{value: {0}}}}}",
    "credential: {{bearer: {{value: '${{SECRET}}'}}}}",
    "credential: none, set_headers: {{X-A: '${{SECRET}}'}}",
    "credential: {{header: {{name: X-A, format: '${{SECRET}}{{secret}}', secret: {{env: N}}}}}}",
    "preset: microreact, token: {{value: {0}}}",
]


@pytest.mark.parametrize("keys", RIGHT)
def test_no_repr_shows_the_canary(keys):
    """A valid configuration may be printed."""
    text = ROUTE.format(keys.format(CANARY)).replace("upstream: 'https://x.org', preset", "preset")
    config = loads(text, name="f", base=Path("/"), environ={"SECRET": CANARY})

    assert CANARY not in f"{config} {config!r} {config.routes}"


def test_the_schema_knows_no_environment(monkeypatch):
    """It is the same for everybody."""
    monkeypatch.setenv("MICROREACT_ACCESS_TOKEN", CANARY)

    assert CANARY not in json.dumps(json_schema())
