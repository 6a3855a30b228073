"""Requests as unmodified clients were seen to send them, replayed through the proxy."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from proxy.standins.microreact import USER_TOKEN, Microreact
from tests.integration.rig.proxy import running
from tests.integration.rig.raw import Client


_FIXTURE = Path(__file__).parents[1] / "fixtures" / "wire_observed.json"
OBSERVED = json.loads(_FIXTURE.read_text())
MICROREACT = [each for each in OBSERVED if "/api/" in each["request_line"] and (
    "/api/projects/" in each["request_line"] or "/api/files/" in each["request_line"]
)]  # fmt: skip
OLD_PROJECT = "gb7RzDg87aJK2yGAqQiaiX"
DUMMY = "FAKE-dummy-that-a-client-made-us-send"


def test_the_fixture_holds_what_is_replayed():
    """A filter that lets nothing through would let every test pass."""
    assert 40 == len(MICROREACT)
    assert 43 == len(OBSERVED)


def body_of(observed):
    """Return a body of the observed size that the stand-in takes; raw files are any bytes."""
    size = observed["body_bytes"]
    if not size or "/files/" in observed["request_line"]:
        return b"x" * size
    smallest = b'{"meta":{"name":""}}'
    return b'{"meta":{"name":"%b"}}' % (b"n" * (size - len(smallest)))


def replayed(observed, port, project):
    """Return the request's bytes: the old port, project and masked token replaced, no more."""
    lines = [observed["request_line"].replace(OLD_PROJECT, project)]
    for name, value in observed["headers"]:
        host = f"{value.partition(':')[0]}:{port}"
        shown = {"Host": host}.get(name, value.replace("<token>", DUMMY))
        lines.append(f"{name}: {shown}")
    return "\r\n".join([*lines, "", ""]).encode() + body_of(observed)


@contextlib.asynccontextmanager
async def microreact_behind_a_proxy():
    """Run the stand-in and a proxy with a path prefix and an own listener before it."""
    async with Microreact() as standin:
        route = {
            "preset": "microreact",
            "upstream": standin.url,
            "token": {"env": "TOKEN"},
            "listen": "127.0.0.1:0",
        }
        config = {"listen": "127.0.0.1:0", "routes": {"microreact": route}}
        async with running(config, environ={"TOKEN": USER_TOKEN}) as proxy:
            yield standin, proxy


def located(answer, listener, observed):
    """Return the same request at where a redirect leads."""
    location = answer.one(b"Location").decode()
    assert location.startswith("/microreact/api/" if listener == 0 else "/api/")
    method, _, version = observed["request_line"].split(" ")
    return observed | {"request_line": f"{method} {location} {version}"}


@pytest.mark.parametrize("number", range(40))
async def test_an_observed_request_gets_its_own_success(number):
    """One right credential arrives; a 308 leads back through the proxy, to a 200."""
    observed = MICROREACT[number]
    target = observed["request_line"].split(" ")[1]
    listener = 0 if target.startswith("/microreact/") else "microreact"
    async with microreact_behind_a_proxy() as (standin, proxy):
        project = standin.store.create("researcher@example.org", {"meta": {}}, "private").id
        port = proxy.port_of(listener)
        async with await Client.connect(port) as client:
            answers = [await client.ask(replayed(observed, port, project))]
            while answers[-1].status == 308:
                observed = located(answers[-1], listener, observed)
                answers.append(await client.ask(replayed(observed, port, project)))

    path = target.partition("?")[0]
    slashed = path.endswith("/") or "//" in path
    assert [308] * slashed + [200] == [answer.status for answer in answers][-1 - slashed :]
    assert len(answers) <= 3
    own = [
        (n, v)
        for n, v in observed["headers"]
        if n.lower() not in {"host", "access-token", "connection"}
    ]
    for received in standin.received:
        tokens = [v for n, v in received.headers if n.lower().replace("_", "-") == "access-token"]
        assert [USER_TOKEN] == tokens
        assert DUMMY not in str(received.headers)
        kept = [(n, v) for n, v in received.headers if n.lower() not in {"host", "access-token"}]
        assert sorted(own) == sorted(kept)
    assert observed["body_bytes"] == standin.received[-1].body_bytes
