"""Secrets, user names and set headers are UTF-8 on the wire, from every source, in every scheme."""

from __future__ import annotations

import base64
import json
import os
from urllib.parse import quote

import pytest

from tests.integration.rig.command import finished, ready
from tests.integration.rig.proxy import get, one_route


USER = "müller-пётр"
PASSWORDS = ["pässwört-0123456789", "пароль-0123456789", "key-€ß-0123456789"]
SOURCES = ["env", "file", "value"]


def source_of(kind, password, folder):
    """Return a source of a secret that is there."""
    (folder / "secret").write_bytes(password.encode())
    return {kind: {"env": "SECRET", "file": str(folder / "secret"), "value": password}[kind]}


def scheme_of(name, source):
    """Return a credential by its scheme."""
    header = {"name": "X-Own", "format": "café {secret}", "secret": source}
    return {
        "bearer": {"bearer": source},
        "access-token": {"access-token": source},
        "basic": {"basic": {"username": USER, "password": source}},
        "header": {"header": header},
        "headers": {"headers": [header, {"name": "X-Two", "secret": source}]},
        "query": {"query": {"name": "key", "secret": source}},
    }[name]


def expected(name, password):
    """Return what the upstream must receive, as bytes of its request."""
    raw, user = password.encode(), USER.encode()
    own = "café ".encode() + raw
    return {
        "bearer": [b"Authorization: Bearer " + raw],
        "access-token": [b"Access-Token: " + raw],
        "basic": [b"Authorization: Basic " + base64.b64encode(user + b":" + raw)],
        "header": [b"X-Own: " + own],
        "headers": [b"X-Own: " + own, b"X-Two: " + raw],
        "query": [b"?key=" + quote(raw, safe="").encode()],
    }[name]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("kind", SOURCES)
async def test_every_source_and_scheme_sends_utf_8(start, upstream, tmp_path, kind, password):
    """As curl does; before, a source was the one or the other."""
    source = source_of(kind, password, tmp_path)
    schemes = ["bearer", "access-token", "basic", "header", "headers", "query"]
    config = one_route(upstream.origin, set_headers={"X-Set": "grüße, €"})
    route = config["routes"].pop("api") | {"listen": "none"}
    for name in schemes:
        config["routes"][name] = route | {"credential": scheme_of(name, source)}
    config["listen"] = "localhost:0"
    proxy = await start(config, environ={"SECRET": os.fsdecode(password.encode())})

    for name in schemes:
        assert 200 == (await proxy.ask(get(f"/{name}/x"))).status
        sent = upstream.requests[-1].raw

        assert [] == [each for each in expected(name, password) if each not in sent]
        assert "X-Set: grüße, €\r\n".encode() in sent


FAULTS = {
    "latin-1 in a file": ({"file": "secret"}, b"canary-\xfc", "secret is no secret: it is not UTF"),
    "latin-1 in a variable": ({"env": "SECRET"}, b"canary-\xfc", "SECRET is no secret: it is not"),
    "UTF-16": ({"file": "secret"}, "canary".encode("utf-16"), "secret is no secret: it is UTF-16"),
    "a space that is none": ({"env": "SECRET"}, "canary\xa0".encode(), "U+00A0 NO-BREAK SPACE"),
    "an escape": ({"file": "secret"}, b"\x1b[0mcanary", "U+001B ESCAPE"),
    "Bearer in front": ({"file": "secret"}, b"Bearer canary", "begins with `Bearer`, which"),
    "only blanks": ({"env": "SECRET"}, b" \t ", "SECRET is no secret: it is empty"),
}


@pytest.mark.parametrize("command", [["check"], ["run"], ["check", "--probe", "--json"]])
@pytest.mark.parametrize(("source", "data", "told"), FAULTS.values(), ids=FAULTS)
async def test_a_secret_that_is_no_token_is_exit_2(tmp_path, source, data, told, command):
    """With line, source and fault, never a byte of it; `check` looks at what is there."""
    config = one_route("http://127.0.0.1:9", credential={"bearer": source})
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    (tmp_path / "secret").write_bytes(data)
    environ = {"SECRET": os.fsdecode(data)} if "env" in source else {}
    done = await finished(*command, cwd=tmp_path, **environ)

    assert 2 == done.returncode
    assert told in done.stdout + done.stderr
    assert "config.yaml:1:" in done.stdout + done.stderr
    assert "canary" not in done.stdout + done.stderr


async def test_check_needs_no_secret(tmp_path):
    """In a pipeline there is none."""
    config = one_route("http://127.0.0.1:9", credential={"bearer": {"file": "absent"}})
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    done = await finished("check", cwd=tmp_path)

    assert (0, False) == (done.returncode, "absent cannot" in done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("text", "told"),
    [("'canary-0123456789'", "has quotes around it"), ("T=canary-0123456", "begins with NAME=")],
)
async def test_check_and_run_warn_of_what_may_be_meant(tmp_path, text, told):
    """A line of an env file, quotes and all."""
    config = one_route("http://127.0.0.1:9", listen="none") | {"listen": "localhost:0"}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    checked = await finished("check", cwd=tmp_path, TOKEN=text)
    async with ready(cwd=tmp_path, TOKEN=text) as command:
        command.process.terminate()
        _, err = await command.end()

    assert 0 == checked.returncode
    for shown in (checked.stdout, err):
        assert 1 == shown.count(f"the environment variable TOKEN {told}")
        assert "canary" not in shown
