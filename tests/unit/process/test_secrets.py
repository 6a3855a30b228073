"""Secrets that were copied with too much: what is refused, what is warned of, what is neither."""

from __future__ import annotations

import os

import pytest

from proxy.config.loader import loads
from proxy.process.secrets import Secrets


TOKEN = "canary-0123456789abcdef"
SCHEMES = {
    "bearer": "{bearer: SOURCE}",
    "access-token": "{access-token: SOURCE}",
    "basic": "{basic: {username: me, password: SOURCE}}",
    "blanks": "{basic: {username: me too, password: SOURCE}}",
    "nobody": "{basic: {username: '', password: SOURCE}}",
    "header": '{header: {name: X-Api-Key, format: "Token token={secret}", secret: SOURCE}}',
    "headers": '{headers: [{name: Authorization, format: "token {secret}", secret: SOURCE}]}',
    "query": "{query: {name: api_key, secret: SOURCE}}",
    "plain": '{header: {name: Authorization, format: "{secret}", secret: SOURCE}}',
}
SUPERFLUOUS = [
    ("bearer", "Bearer ", "Bearer"),
    ("bearer", "bEARER  ", "Bearer"),
    ("bearer", "token ", "token"),
    ("bearer", "Basic ", "Basic"),
    ("bearer", "Authorization: Bearer ", "Authorization:"),
    ("access-token", "access-token: ", "Access-Token:"),
    ("basic", "me:", "me:"),
    ("basic", "Basic ", "Basic"),
    ("header", "token token=", "Token token="),
    ("header", "Token=", "token="),
    ("header", "x-api-key:", "X-Api-Key:"),
    ("headers", "TOKEN ", "token"),
    ("query", "api_key=", "api_key="),
]
DOUBTFUL = [
    ("bearer", f'"{TOKEN}"', "has quotes around it"),
    ("bearer", f"'{TOKEN}'", "has quotes around it"),
    ("query", f"\u201c{TOKEN}\u201d", "has quotes around it"),
    ("bearer", f"TOKEN={TOKEN}", "begins with NAME="),
    ("basic", f"export PASS={TOKEN}", "begins with NAME="),
    ("bearer", "${TOKEN}", "begins with a reference to a variable"),
    ("query", '{"token": "canary"}', "is JSON, which is sent whole"),
    ("bearer", f"{TOKEN} # mine", "holds a blank, as no Bearer token does"),
    ("access-token", f"Bearer {TOKEN}", "begins with a word of the Authorization field"),
]
FINE = [
    ("blanks", f"too:{TOKEN}"),
    ("nobody", f":{TOKEN}"),
    ("plain", f"Bearer {TOKEN}"),
    ("bearer", f"{TOKEN}=="),
    ("bearer", f'"{TOKEN}'),
    ("basic", "correct horse battery staple"),
    ("basic", "you:and me"),
    ("header", f"tokens-{TOKEN}"),
]


def read(tmp_path, scheme, text, *, required=True, source="file"):
    """Return the secrets of a configuration with a single one, read."""
    (tmp_path / "secret").write_text(text)
    sources = {"file": "file: secret", "env": "env: SECRET", "value": f"value: '{text}'"}
    written = f"{{{sources[source]}, required: {str(required).lower()}}}"
    config = loads(
        "routes:\n  api:\n    upstream: https://api.example\n    credential: "
        + SCHEMES[scheme].replace("SOURCE", written),
        name="f",
        base=tmp_path,
        environ={},
    )
    secrets = Secrets(config, {"SECRET": text})
    secrets.read_all()
    return secrets


@pytest.mark.parametrize("source", ["file", "env", "value"])
@pytest.mark.parametrize(("scheme", "front", "told"), SUPERFLUOUS)
def test_what_the_scheme_adds_is_refused_in_front(tmp_path, scheme, front, told, source):
    """In any case of the letters; the source and the word are named, never the secret."""
    for text in (front + TOKEN, front):
        secrets = read(tmp_path, scheme, text, source=source)

        [problem] = secrets.problems
        name = {"file": "secret", "env": "SECRET", "value": "the secret"}[source]
        assert f"{name} begins with `{told}`, which `{scheme}` adds; remove that" in str(problem)
        assert str(problem).startswith("f:4:")
        assert (TOKEN in str(problem), secrets.known) == (False, {})


def test_a_secret_that_is_not_required_is_not_sent_either(tmp_path):
    """The route answers 503, as where there is none."""
    secrets = read(tmp_path, "bearer", f"Bearer {TOKEN}", required=False)

    assert ([], {}) == (secrets.problems, secrets.known)
    assert "begins with `Bearer`" in secrets.odd[0]
    assert secrets.odd[0].endswith("its routes answer 503")


@pytest.mark.parametrize(("scheme", "text", "told"), DOUBTFUL)
def test_what_may_be_meant_is_warned_of(tmp_path, scheme, text, told):
    """With the place; it is sent as it is."""
    secrets = read(tmp_path, scheme, text)

    [warning] = secrets.odd
    assert warning.startswith("f:4:")
    assert f"secret {told}" in warning
    assert (TOKEN in warning, secrets.problems, len(secrets.known)) == (False, [], 1)


@pytest.mark.parametrize(("scheme", "text"), FINE)
def test_nothing_is_said_of_others(tmp_path, scheme, text):
    """A warning that is not so hides those that are."""
    secrets = read(tmp_path, scheme, text)

    assert ([], [], 1) == (secrets.problems, secrets.odd, len(secrets.known))


@pytest.mark.parametrize("kind", ["pipe", "directory"])
def test_what_is_no_file_is_left_to_the_service(tmp_path, kind):
    """A pipe is read once, and has no end before somebody writes."""
    (os.mkfifo if kind == "pipe" else os.mkdir)(tmp_path / "pipe")
    config = loads(
        "routes: {api: {upstream: https://api.example, credential: {bearer: {file: pipe}}}}",
        name="f",
        base=tmp_path,
        environ={},
    )
    secrets = Secrets(config, {})
    secrets.read_all()

    assert ({}, [], []) == (secrets.known, secrets.problems, secrets.missing)
