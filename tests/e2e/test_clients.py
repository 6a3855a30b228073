"""Unmodified clients create a Microreact project and read it back, by every entrance."""

from __future__ import annotations

import pytest

from proxy.standins.microreact import Microreact
from tests.e2e.rig.background import background
from tests.e2e.rig.clients import (
    SPELLINGS,
    TOKEN,
    Base,
    check_project,
    curl,
    with_curl,
    with_httpx,
    with_requests,
)
from tests.e2e.rig.command import running
from tests.e2e.rig.hosts import HOSTS, host_name


pytestmark = pytest.mark.e2e

NAME = "microreact-keybearer.test"
CLIENTS = {"curl": with_curl, "requests": with_requests, "httpx": with_httpx}

every_spelling = pytest.mark.parametrize(
    ("create", "read"), list(SPELLINGS.values()), ids=list(SPELLINGS)
)


def every_client(*names):
    """Run a test with each of some clients."""
    return pytest.mark.parametrize("client", [CLIENTS[name] for name in names], ids=names)


@pytest.fixture(scope="module")
def upstream():
    """One stand-in for all tests of this file: each looks at its own requests."""
    with background(Microreact()) as standin:
        yield standin


@pytest.fixture
def microreact(upstream):
    """The stand-in, its memory of requests empty."""
    upstream.received.clear()
    return upstream


@pytest.fixture(scope="module")
def proxy(upstream, tmp_path_factory):
    """The command, with one route that every entrance leads to."""
    route = {
        "preset": "microreact",
        "upstream": upstream.url,
        "token": {"env": "TOKEN"},
        "hosts": [NAME],
        "listen": "127.0.0.1:0",
    }
    config = {"listen": ["localhost:0", "unix:kb.sock"], "routes": {"microreact": route}}
    with running(tmp_path_factory.mktemp("proxy"), config, environ=TOKEN) as proxy:
        yield proxy


@every_spelling
@every_client("curl", "requests", "httpx")
def test_a_project_is_made_and_read_by_the_path_prefix(
    client, create, read, proxy, microreact, tmp_path
):
    """A tool is pointed at `http://127.0.0.1:PORT/microreact`."""
    base = Base(f"http://127.0.0.1:{proxy.port}/microreact")

    answers = client(base, create, read, tmp_path)

    check_project(microreact, answers)


@every_spelling
@every_client("curl", "requests", "httpx")
def test_a_project_is_made_and_read_by_the_routes_own_listener(
    client, create, read, proxy, microreact, tmp_path
):
    """A tool is pointed at a port whose root is the upstream's."""
    base = Base(proxy.route("microreact"))

    answers = client(base, create, read, tmp_path)

    assert base.url in proxy.listening
    check_project(microreact, answers)


@every_spelling
def test_a_project_is_made_and_read_by_the_virtual_host_with_curl(
    create, read, proxy, microreact, tmp_path
):
    """No set-up: curl takes every name under localhost for loopback."""
    base = Base(f"http://microreact.localhost:{proxy.port}")

    answers = with_curl(base, create, read, tmp_path)

    check_project(microreact, answers)


@every_spelling
def test_a_project_is_made_and_read_by_a_name_of_ones_own_with_requests(
    create, read, proxy, microreact, tmp_path
):
    """The name is in /etc/hosts and in the route's `hosts`."""
    before = HOSTS.read_bytes()

    with host_name(NAME):
        base = Base(f"http://{NAME}:{proxy.port}")
        answers = with_requests(base, create, read, tmp_path)

    check_project(microreact, answers)
    assert before == HOSTS.read_bytes()


@every_spelling
@every_client("curl", "httpx")
def test_a_project_is_made_and_read_by_a_unix_socket(
    client, create, read, proxy, microreact, tmp_path
):
    """The host name chooses the route."""
    base = Base("http://microreact.localhost", proxy.directory / "kb.sock")

    answers = client(base, create, read, tmp_path)

    check_project(microreact, answers)


def test_curl_keeps_post_on_a_redirect_that_it_was_not_told_to_be_a_post(
    proxy, microreact, tmp_path
):
    """A 308 says so itself: `curl -L --data-binary @FILE` without -X."""
    file = tmp_path / "content"
    file.write_bytes(b"id\n1\n")
    url = f"http://127.0.0.1:{proxy.port}/microreact//api/files/store/"

    done = curl("--fail", "-L", "-HContent-Type: text/csv", "--data-binary", f"@{file}", url)

    assert (0, b"") == (done.returncode, done.stderr)
    assert ["POST"] * 3 == [each.method for each in microreact.received]
    assert ["//api/files/store/", "/api/files/store/", "/api/files/store"] == [
        each.target for each in microreact.received
    ]
    assert file.read_bytes() == microreact.received[-1].body


def test_a_large_body_that_waits_for_100_continue_arrives_whole(proxy, microreact, tmp_path):
    """A body over 1 MiB makes curl send `Expect: 100-continue`, at each hop of the redirect."""
    file = tmp_path / "content"
    file.write_bytes(bytes(range(256)) * 8192)
    url = f"http://127.0.0.1:{proxy.port}/microreact/api/files/store/"

    done = curl("--fail", "-L", "-X", "POST", "--data-binary", f"@{file}", url)

    assert (0, b"") == (done.returncode, done.stderr)
    assert 2 == len(microreact.received)
    assert file.stat().st_size == microreact.received[-1].body_bytes
    assert [file.read_bytes()] == list(microreact.store.files.values())[-1:]


def test_hosts_is_restored_when_a_test_fails():
    """Byte for byte, whatever happens while the name is there."""
    before = HOSTS.read_bytes()
    during = b""

    def fail():
        nonlocal during
        with host_name(NAME):
            during = HOSTS.read_bytes()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert NAME.encode() in during
    assert before == HOSTS.read_bytes()
