"""The ways of real servers that are no fault: they close, refuse early, or say nothing at all."""

from __future__ import annotations

import contextlib
import json
from typing import Final

import pytest

from tests.e2e.rig.command import running
from tests.e2e.rig.nginx import watched_nginx
from tests.e2e.rig.watched import node, watched_gunicorn
from tests.integration.fidelity.rig.contract import TOKEN
from tests.integration.fidelity.rig.wire import Wire


pytestmark = pytest.mark.e2e

MIB: Final = 1 << 20
NGINX: Final = """
access_log /dev/stderr seen;
location / { return 200 "ok\\n"; }
location /silent { return 444; }
location /small/ { client_max_body_size 10; dav_methods PUT; }
location /hasty/ { client_max_body_size 10; dav_methods PUT; lingering_close off; }
location /twice/ { keepalive_requests 2; return 200 "ok\\n"; }
location /once/ { keepalive_timeout 0; return 200 "ok\\n"; }
location /limited/ { limit_req zone=one; try_files /none =404; }
"""
HTTP: Final = "limit_req_zone $binary_remote_addr zone=one:32k rate=1r/m;"


@contextlib.contextmanager
def before(server, directory):
    """Run the proxy with the route `up` to a server."""
    origin = f"http://127.0.0.1:{server.port}"
    route = {"upstream": origin, "credential": {"bearer": {"value": TOKEN}}}
    with running(directory, {"listen": "127.0.0.1:0", "routes": {"up": route}}) as proxy:
        yield proxy


def told(server, proxy):
    """Return the requests that a server has told of since it was last asked."""
    with Wire(proxy.port) as wire:
        wire.send(request("GET /up/sentinel"))
        wire.reply("GET")
    return [each["line"] for each in server.until("line", "GET /sentinel")[:-1] if "line" in each]


def request(line, *fields, body=b""):
    """Return a request."""
    length = [f"Content-Length: {len(body)}"] if body else []
    return (
        "\r\n".join((f"{line} HTTP/1.1", "Host: localhost", *fields, *length, "", "")).encode()
        + body
    )


def ask(proxy, line, *fields, body=b""):
    """Return the answer on a connection of its own."""
    with Wire(proxy.port) as wire:
        wire.send(request(line, *fields, body=body))
        return wire.reply(line.partition(" ")[0])


def series(proxy, lines):
    """Return the answers to requests that follow each other on one connection."""
    with Wire(proxy.port) as wire:
        codes = []
        for line in lines:
            body = b"x" if line.startswith("POST") else b""
            wire.send(request(line, body=body))
            codes.append(wire.reply("").code)
        return codes


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Return nginx with the proxy before it."""
    directory = tmp_path_factory.mktemp("nginx")
    directory.chmod(0o755)
    (directory / "www").mkdir()
    with (
        watched_nginx(directory, NGINX, HTTP) as server,
        before(server, tmp_path_factory.mktemp("proxy")) as proxy,
    ):
        yield server, proxy


@pytest.fixture
def nginx(served):
    """Return the same, with nothing told that is not of this test."""
    told(*served)
    return served


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nginx_that_says_nothing_is_502(method, nginx):
    """`return 444` closes without an answer, which is told as what it is."""
    server, proxy = nginx
    body = b"x" if method == "POST" else b""

    answer = ask(proxy, f"{method} /up/silent", body=body)

    assert (502, "upstream-protocol-error") == (answer.code, json.loads(answer.body)["code"])
    # On a kept connection it may have been a closing one, so a GET is sent once more, never a POST.
    assert len(told(server, proxy)) in ({1} if method == "POST" else {1, 2})


@pytest.mark.parametrize("size", [100, MIB, 8 * MIB])
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_nginxs_early_413_arrives(size, framing, nginx):
    """It answers before the body has come, and lingers; the client gets that answer whole."""
    _, proxy = nginx
    head = request("PUT /up/small/x", "Transfer-Encoding: chunked")
    data = head + b"%x\r\n%b\r\n0\r\n\r\n" % (size, bytes(size))
    if framing == "length":
        data = request("PUT /up/small/x", body=bytes(size))

    with Wire(proxy.port) as wire:
        wire.send(data)
        answer = wire.reply("PUT")

    assert (b"413 Request Entity Too Large", True) == (answer.status, answer.whole)
    assert b"nginx" in answer.body
    assert [] == answer.all(b"proxy-status")


def test_the_413_of_an_nginx_that_does_not_linger_arrives(nginx):
    """It resets the connection behind its answer."""
    _, proxy = nginx

    answers = [ask(proxy, "PUT /up/hasty/x", body=bytes(8 * MIB)) for _ in range(5)]

    assert [(413, True)] * 5 == [(answer.code, answer.whole) for answer in answers]


@pytest.mark.parametrize("path", ["twice", "once"])
def test_connections_that_nginx_ends_are_not_the_clients(path, nginx):
    """It closes behind each second, or each answer; a client sees nothing of that."""
    server, proxy = nginx
    lines = [f"{method} /up/{path}/{n}" for n in range(5) for method in ("GET", "POST")]

    assert [200] * 10 == series(proxy, lines)
    assert [line.replace("/up", "") for line in lines] == told(server, proxy)


def test_nginxs_limit_of_requests_passes(nginx):
    """The 503 is its own: without our `Proxy-Status`, and asked for once."""
    server, proxy = nginx

    answers = [ask(proxy, "GET /up/limited/") for _ in range(2)]

    assert [404, 503] == [answer.code for answer in answers]
    assert b"nginx" in answers[1].body
    assert [] == answers[1].all(b"proxy-status")
    assert ["GET /limited/"] * 2 == told(server, proxy)


def test_nodes_early_answer_arrives(tmp_path):
    """It answers, closes, and so resets what is still being sent: the answer is not lost on it."""
    with node() as server, before(server, tmp_path) as proxy:
        answers = [ask(proxy, "POST /up/earlyclose", body=bytes(8 * MIB)) for _ in range(10)]

    assert [(413, b"too much")] * 10 == [(answer.code, answer.body) for answer in answers]


def test_a_connection_that_node_has_closed_is_not_used(tmp_path):
    """Not even for a POST, which is never sent twice; Node says nothing of its limit here."""
    with node("100") as server, before(server, tmp_path) as proxy:
        codes = []
        for _ in range(2):
            codes.append(ask(proxy, "POST /up/unhinted", body=b"x").code)
            server.until("closed", "node")

    assert [200] * 2 == codes


def test_the_proxy_leaves_before_nodes_five_seconds(tmp_path):
    """Else a POST could meet Node's close (DESIGN: `pool_idle`)."""
    with node() as server, before(server, tmp_path) as proxy:
        code = ask(proxy, "POST /up/unhinted", body=b"x").code
        server.until("closed", "client")  # it fails if it is Node

    assert 200 == code


def test_many_requests_to_a_node_that_closes_at_once(tmp_path):
    """It says `timeout=1`, which leaves no time to keep a connection: no request meets the end."""
    with node("1000") as server, before(server, tmp_path) as proxy:
        codes = series(proxy, ["POST /up/ok", "GET /up/ok"] * 20)

    assert [200] * 40 == codes


@pytest.mark.parametrize("worker", ["sync", "gthread"])
def test_connections_that_gunicorn_ends_are_not_the_clients(worker, tmp_path):
    """Its plain worker says `Connection: close` each time."""
    options = ("--worker-class", worker, "--keep-alive", "1")
    with watched_gunicorn(*options) as server, before(server, tmp_path) as proxy:
        lines = [f"{method} /up/{n}" for n in range(5) for method in ("GET", "POST")]
        codes = series(proxy, lines)

        assert [200] * 10 == codes
        assert [line.replace("/up", "") for line in lines] == told(server, proxy)


def test_what_gunicorn_says_when_it_kills_a_worker_passes(tmp_path):
    """The 500 is its own, and the request is sent once."""
    options = ("--worker-class", "sync", "--timeout", "1")
    with watched_gunicorn(*options) as server, before(server, tmp_path) as proxy:
        answer = ask(proxy, "GET /up/hang")

        assert (b"500 Internal Server Error", True) == (answer.status, answer.whole)
        assert [] == answer.all(b"proxy-status")
        assert ["GET /hang"] == told(server, proxy)
