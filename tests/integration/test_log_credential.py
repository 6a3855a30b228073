"""Which credential the log names: the one that the upstream has seen, or that is missing."""

from __future__ import annotations

import socket

import pytest

from tests.integration.rig.client_keys import client, new
from tests.integration.rig.proxy import get, one_route, request, running
from tests.integration.rig.upstream import Upstream


ALICE = new("alice")
KEY = f"X-Api-Key: {ALICE.text}"


async def told(config, *requests):
    """Return what the log says of the last of some requests."""
    async with running(config) as proxy:
        for each in requests:
            await proxy.ask(each)
        line = await proxy.logged(len(requests))
    return line["error"], line["credential"], line["credential_state"]


async def test_what_was_answered_has_used_it(upstream):
    assert (None, "api/token", "ready") == await told(one_route(upstream.origin), get("/api/x"))


async def test_what_was_sent_has_used_it_whatever_came_back():
    """The upstream may have done what it says."""
    async with Upstream(b"garbage\r\n\r\n") as upstream:
        line = await told(one_route(upstream.origin), request("POST", "/api/x", body=b"a"))
    assert ("upstream-protocol-error", "api/token", "ready") == line


@pytest.mark.parametrize(
    ("route", "requests", "error"),
    [
        pytest.param({}, [get("/api/x")], "client-key-required", id="nobody"),
        pytest.param({"methods": ["PUT"]}, [get("/api/x", KEY)], "method-denied", id="policy"),
        pytest.param({"limits": {"rate": "1/day"}}, [get("/api/x", KEY)] * 2, "rate-limited"),
    ],
)
async def test_a_refusal_has_used_none(upstream, route, requests, error):
    """Whoever looks for what a leaked credential was used for is not led astray."""
    config = one_route(upstream.origin, **route) | {"clients": {"alice": client(ALICE)}}
    assert (error, None, None) == await told(config, *requests)


async def test_an_upstream_that_is_not_there_has_seen_none():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        config = one_route(f"http://127.0.0.1:{taken.getsockname()[1]}")
        line = await told(config, get("/api/x"))
    assert ("upstream-unreachable", None, None) == line


async def test_the_one_that_is_missing_is_named(upstream):
    """Nothing was sent for just that reason."""
    source = {"env": "GONE", "required": False}
    line = await told(one_route(upstream.origin, credential={"bearer": source}), get("/api/x"))
    assert ("credential-unavailable", "api/token", "unavailable") == line
