"""Two `keybearer run` that count together in a real Redis, and what they do without it."""

from __future__ import annotations

import contextlib
import http.client
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.rig.background import background
from tests.e2e.rig.command import running
from tests.e2e.rig.recorder import Recorder
from tests.e2e.rig.redis import PASSWORD, redis_server
from tests.integration.rig.client_keys import client, new


pytestmark = pytest.mark.e2e

ALICE = new("alice")
AMOUNT = 60
PATIENCE_S = 10.0


@pytest.fixture(scope="module")
def upstream():
    """Keeps the bytes of each request."""
    with background(Recorder()) as upstream:
        yield upstream


@contextlib.contextmanager
def replicas(directory, upstream, redis, on_storage_error):
    """Start two that share everything."""
    route = {"upstream": upstream.origin, "credential": "none"}
    config = {
        "listen": "127.0.0.1:0",
        "limits": {"storage": redis.url, "on_storage_error": on_storage_error},
        "clients": {"alice": client(ALICE, rate=f"{AMOUNT}/hour")},
        "routes": {"api": route},
    }
    with contextlib.ExitStack() as stack:
        found = []
        for name in ("first", "second"):
            (directory / name).mkdir()
            found.append(stack.enter_context(running(directory / name, config)))
        yield found


def ask(port, times=1):
    """Send requests on one connection; return their statuses."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        found = []
        for _ in range(times):
            connection.request("GET", "/api/x", headers={"Authorization": f"Bearer {ALICE.text}"})
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
        return found


def until(status, port):
    """Ask until the status is another."""
    end = time.monotonic() + PATIENCE_S
    while (last := ask(port)[0]) != status:
        assert time.monotonic() < end, last


def test_both_count_every_request_of_a_client(tmp_path, upstream):
    """At once, as fast as they can: together they let through what one would, not one more."""
    upstream.taken()
    with (
        redis_server(tmp_path) as redis,
        replicas(tmp_path, upstream, redis, "deny") as both,
        ThreadPoolExecutor(4) as threads,
    ):
        ports = [each.port for each in both] * 2
        statuses = [status for each in threads.map(ask, ports, [40] * 4) for status in each]

        assert statuses.count(200) == AMOUNT
        assert statuses.count(429) == 160 - AMOUNT
        assert upstream.taken().count(b"GET /x ") == AMOUNT
        for each in both:
            assert 200 in {line["status"] for line in each.log if line["event"] == "request"}


@pytest.mark.parametrize(("on_storage_error", "without"), [("deny", 503), ("allow", 200)])
def test_a_redis_that_is_killed_and_comes_back(tmp_path, upstream, on_storage_error, without):
    """Requests are refused or pass, as configured; then they are counted again, by themselves."""
    with (
        redis_server(tmp_path) as redis,
        replicas(tmp_path, upstream, redis, on_storage_error) as both,
    ):
        ports = [each.port for each in both]
        assert [ask(port) for port in ports] == [[200], [200]]
        redis.kill()
        for port in ports:
            until(without, port)
            assert ask(port, AMOUNT + 5) == [without] * (AMOUNT + 5)
        redis.start()
        for port in ports:
            until(429 if on_storage_error == "allow" else 200, port)
        for each in both:
            each.stop()
            events = [line["event"] for line in each.log if line["event"].startswith("rate_")]
            assert events == ["rate_store_away", "rate_store_back"]
            assert PASSWORD not in each.errors
