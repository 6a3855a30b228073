"""`keybearer demo`: both upstreams served, every request shown, no token in what is printed."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess

import pytest

from proxy.standins import carbonregistry_data, microreact
from tests.e2e.rig.clients import curl
from tests.e2e.rig.command import Running, call, keybearer


pytestmark = pytest.mark.e2e

TOKENS = (
    microreact.USER_TOKEN,
    carbonregistry_data.USER_TOKEN,
    carbonregistry_data.ORGANIZATION_TOKEN,
)
SENT, SEEN, GOT = "the tool sends", "the upstream sees", "the tool gets"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The command, run once for all tests of this file."""
    return call("demo", "--once", cwd=tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def steps(done):
    """Its steps: what is sent, seen and got, in the order of the output."""
    found = []
    for step in re.split(r"^\d+\. ", done.stdout, flags=re.MULTILINE)[1:]:
        parts = re.split(rf"({SENT}|{SEEN}|{GOT}) +", step)
        found.append(dict(zip(parts[1::2], parts[2::2], strict=True)))
    return found


def lines(text):
    """Return the lines of a part without their indentation."""
    return [line.strip() for line in text.splitlines()]


def test_demo_once_ends_with_0(done):
    """Every request was served as it must be."""
    assert (0, "") == (done.returncode, done.stderr)
    assert "all requests were served" in done.stdout
    assert "WRONG" not in done.stdout


def test_each_request_is_shown_as_sent_as_seen_and_with_its_answer(steps):
    """The trailing slash and its redirect, three tokens, and a refusal."""
    first = [lines(step[SENT])[0] for step in steps]
    seen = [lines(step[SEEN])[0] for step in steps]
    got = [lines(step[GOT])[0] for step in steps]
    project = first[3].partition("project=")[2].removesuffix(" HTTP/1.1")

    assert 22 == len(project)
    assert [
        "POST /microreact/api/projects/create/ HTTP/1.1",
        "POST /microreact/api/projects/create HTTP/1.1",
        f"GET /microreact/api/projects/json/?project={project} HTTP/1.1",
        f"GET /microreact/api/projects/json?project={project} HTTP/1.1",
        "GET /carbonregistry/v1/projects?limit=2&page=0 HTTP/1.1",
        "GET /carbonregistry-org/v1/projects?limit=2&page=0 HTTP/1.1",
        "GET /microreact/api/user/access-token HTTP/1.1",
    ] == first
    assert [
        "POST /api/projects/create/ HTTP/1.1",
        "POST /api/projects/create HTTP/1.1",
        f"GET /api/projects/json/?project={project} HTTP/1.1",
        f"GET /api/projects/json?project={project} HTTP/1.1",
        "GET /v1/projects?limit=2&page=0 HTTP/1.1",
        "GET /v1/projects?limit=2&page=0 HTTP/1.1",
        "nothing",
    ] == seen
    redirect, fine = "308 Permanent Redirect", "200 OK"
    assert [redirect, fine, redirect, fine, fine, fine, "403 Forbidden"] == got


def test_the_upstreams_see_one_masked_token_and_no_dummy(steps):
    """Of what the tool sends as a credential nothing arrives."""
    slots = ("access-token:", "authorization:")
    seen = [
        [line for line in lines(step[SEEN]) if line.lower().startswith(slots)] for step in steps
    ]

    micro, carbon = ["Access-Token: ********"], ["Authorization: Bearer ********"]
    assert [micro, micro, micro, micro, carbon, carbon, []] == seen
    assert any("dummy" in step[SENT] for step in steps)
    assert not any("dummy" in step[SEEN] for step in steps)


def test_the_answers_are_the_upstreams_own(steps):
    """The project that was made is read back; both registry tokens list projects."""
    assert '"role":"owner"' in steps[1][GOT]
    assert '"name":"A first project"' in steps[3][GOT]
    assert all('"pagination"' in step[GOT] for step in steps[4:6])
    assert '"code":"policy-denied"' in steps[6][GOT]


def test_no_token_is_printed(done):
    """Neither on stdout nor on stderr; that they are made up is said."""
    said = done.stdout + done.stderr

    assert 3 == len(set(TOKENS))
    assert "the tokens are made up" in said
    assert not [token for token in TOKENS if token in said]


def test_demo_stays_up_and_the_lines_it_prints_can_be_tried(tmp_path):
    """Each printed curl line is answered as it says; a signal ends the demo with 0."""
    process = subprocess.Popen(
        [keybearer(), "demo"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            demo = Running(process, tmp_path)
            demo.until("Ctrl-C ends it.")
            tries = [line.strip() for line in demo.said if line.strip().startswith("curl ")]
            answers = [_status(shlex.split(line, comments=True)[1:]) for line in tries]
            demo.signal(signal.SIGINT)
            status = demo.wait()
        finally:
            process.kill()

    assert [b"200", b"200", b"200", b"405", b"421"] == answers
    assert ["# denied" in line for line in tries] == [False, False, False, True, True]
    assert 0 == status


def _status(arguments):
    done = curl(*arguments, "-o", "/dev/null", "-w", "%{http_code}")
    assert 0 == done.returncode, done.stderr
    return done.stdout
