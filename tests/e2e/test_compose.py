"""The neighbour of deploy/compose.yaml: a self-hosted Data-flo that knows no token."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from proxy.standins import microreact as microreact_data
from tests.e2e.rig.clients import DUMMY, PROJECT, check_credential
from tests.e2e.rig.command import running
from tests.e2e.rig.wire import send


pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
WIRE = json.loads((ROOT / "tests" / "fixtures" / "wire_observed.json").read_text("utf-8"))
MAX_HOPS = 5


def adapted(upstream):
    """Return deploy/config.compose.yaml for this machine: address, secret's path and upstream."""
    text = (ROOT / "deploy" / "config.compose.yaml").read_text("utf-8")
    for old, new in (
        ("0.0.0.0:8484", "127.0.0.1:0"),
        ("/run/secrets/microreact_token", "microreact_token"),
        ("preset: microreact\n", f"preset: microreact\n    upstream: {upstream}\n"),
    ):
        assert 1 == text.count(old), old
        text = text.replace(old, new)
    return text


@pytest.fixture
def base():
    """The URL that the compose file points its neighbour at."""
    [found] = re.findall(r"MICROREACT_BASE_URL: (\S+)", COMPOSE)
    return urlsplit(found)


@pytest.fixture
def proxy(tmp_path, microreact):
    """The command with the compose file's configuration; the secret as a file with a newline."""
    (tmp_path / "microreact_token").write_text(microreact_data.USER_TOKEN + "\n")
    with running(tmp_path, adapted(microreact.url)) as proxy:
        yield proxy


def observed(prefix, *words):
    """Return the fields that Data-flo was seen to send: axios's, and its curl's for files."""
    found = [
        each["headers"] for each in WIRE if all(word in each["request_line"] for word in words)
    ]
    return next(fields for fields in found if ["User-Agent", prefix] in fields)


@pytest.fixture
def dataflo(proxy, base):
    """Send what Data-flo sends and follow redirects as it does: same method, fields and body."""

    def dataflo(agent, path, body=b"", query=""):
        sent = observed(agent, f"POST {base.path}{path}")
        replies, target = [], f"{base.path}{path}{query}"
        for _ in range(MAX_HOPS):
            values = {"Host": base.netloc, "access-token": DUMMY, "Content-Length": str(len(body))}
            fields = [(name, values.get(name, value)) for name, value in sent]
            replies.append(send(proxy.listening[0], f"POST {target}", fields, body))
            if replies[-1].status[0] != 308:
                return replies
            [target] = replies[-1].all("location")
        raise AssertionError(replies)

    return dataflo


def test_data_flo_makes_a_project_from_a_stored_file(dataflo, microreact, base):
    """Store the file with curl, create with axios, read, update: each by a 308."""
    document = json.dumps(PROJECT).encode()

    stored = dataflo("curl/7.88.1", "api/files/store/", b"id,latitude\n1,52")
    made = dataflo("axios/0.27.2", "api/projects/create/", document)
    project = json.loads(made[-1].body)["id"]
    read = dataflo("axios/0.27.2", "api/projects/json/", query=f"?project={project}")
    changed = dataflo("axios/0.27.2", "api/projects/update/", document, f"?project={project}")

    every = (stored, made, read, changed)
    assert [[308, 200]] * 4 == [[reply.status[0] for reply in replies] for replies in every]
    assert f"{base.path}api/projects/create" == made[0].all("location")[0]
    assert PROJECT["meta"]["name"] == json.loads(read[-1].body)["meta"]["name"]
    assert {b"id,latitude\n1,52"} < set(microreact.store.files.values())
    assert microreact_data.USER == microreact.store.projects[project].owner
    assert 8 == len(microreact.received)
    for each in microreact.received:
        assert "POST" == each.method
        check_credential(microreact, each)


def test_the_requests_are_those_that_were_observed(base):
    """Lower-case `access-token` by axios, to a path that ends in a slash."""
    axios = observed("axios/0.27.2", f"POST {base.path}api/projects/create/")

    assert ("http", "keybearer:8484", "/microreact/") == (base.scheme, base.netloc, base.path)
    assert ["access-token", "<token>"] in axios
    assert ["Content-Type", "application/json"] in axios


def test_another_host_name_than_the_service_s_is_refused(proxy, microreact, base):
    """What `allow_hosts: [keybearer]` lets in is that name alone."""
    line = f"GET {base.path}api/user/projects"

    own = send(proxy.listening[0], line, [("Host", base.netloc)])
    other = send(proxy.listening[0], line, [("Host", "keybearer.evil.example:8484")])

    assert [200, 421] == [own.status[0], other.status[0]]
    assert 1 == len(microreact.received)
