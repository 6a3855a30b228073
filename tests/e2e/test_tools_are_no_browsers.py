"""Tools whose requests look a little like a browser's: they are served, without a page to click."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.rig.background import background
from tests.e2e.rig.command import running
from tests.e2e.rig.recorder import Recorder
from tests.e2e.rig.tools import tool


pytestmark = pytest.mark.e2e

INDEX = b'<!doctype html><a href="made_up-1.0-py3-none-any.whl">made_up-1.0-py3-none-any.whl</a>'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(INDEX) + INDEX
)
FETCH = "fetch(process.argv[1]).then(a => { console.log(a.status); })"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A proxy that other machines call by a name, so that nothing but the request counts."""
    directory = tmp_path_factory.mktemp("tools")
    with background(Recorder(ANSWER)) as upstream:
        route = {"upstream": upstream.origin, "credential": "none"}
        config = {"listen": "127.0.0.1:0", "routes": {"api": route}}
        with running(directory, config) as proxy:
            yield f"http://127.0.0.1:{proxy.port}/api", upstream


def run(*arguments, cwd):
    """Run a tool to its end."""
    return subprocess.run(
        arguments, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50,
        check=False,
    )  # fmt: skip


def test_the_fetch_of_node_is_served(service, tmp_path):
    """It sends Sec-Fetch-Mode, as no browser does without Sec-Fetch-Site."""
    url, upstream = service
    upstream.taken()

    done = run(tool("node"), "-e", FETCH, f"{url}/x", cwd=tmp_path)

    assert "200\n" == done.stdout, done.stderr
    assert b"sec-fetch-mode: cors" in upstream.taken().lower()


def test_pip_is_served(service, tmp_path):
    """It takes an index in HTML, if need be."""
    url, upstream = service
    upstream.taken()

    index = ["--index-url", f"{url}/simple", "--disable-pip-version-check", "--no-cache-dir"]
    done = run(sys.executable, "-m", "pip", "index", "versions", "made-up", *index, cwd=tmp_path)

    assert "made-up (1.0)" in done.stdout, done.stderr
    assert b"text/html" in upstream.taken()
