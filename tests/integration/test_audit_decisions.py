"""What the audit says of a request, beside what has become of it at the upstream."""

from __future__ import annotations

import json
import socket
from base64 import urlsafe_b64encode

import pytest

from tests.integration.rig.client_keys import client, new
from tests.integration.rig.proxy import get, one_route, request, running
from tests.integration.rig.upstream import OK, Upstream


ALICE = new("alice")
KEY = f"X-Api-Key: {ALICE.text}"


@pytest.fixture
def told(tmp_path):
    """What the audit file holds, once the proxy has ended."""
    return lambda: [json.loads(line) for line in (tmp_path / "audit.log").read_bytes().splitlines()]


@pytest.fixture
def gateway(tmp_path):
    """A configuration with one client and an audit."""

    def gateway(upstream, **route):
        return one_route(upstream, **route) | {
            "audit": {"file": str(tmp_path / "audit.log")},
            "clients": {"alice": client(ALICE, concurrency=1)},
        }

    return gateway


def decided(lines):
    """Return the decisions with the statuses."""
    return [(line["decision"], line["status"]) for line in lines]


async def test_what_was_sent_and_answered_was_allowed(gateway, upstream, told):
    async with running(gateway(upstream.origin)) as proxy:
        await proxy.ask(get("/api/x", KEY))
    assert [("allow", 200)] == decided(told())


async def test_only_what_was_sent_has_used_a_credential(gateway, upstream, told):
    """A request too many had it on already; whoever reads the file must not think that it went."""
    async with running(gateway(upstream.origin, limits={"rate": "1/day"})) as proxy:
        await proxy.ask(get("/api/x", KEY))
        await proxy.ask(get("/api/x", KEY))
    assert [("allow", 200), ("deny", 429)] == decided(told())
    assert ["api/token", None] == [line["credential"] for line in told()]


async def test_a_body_that_is_too_large_at_sight_was_not_allowed(gateway, upstream, told):
    """It is found out after all else has been decided; nothing is sent."""
    chunked = request("POST", "/api/x", KEY, "Transfer-Encoding: chunked")
    async with running(gateway(upstream.origin, limits={"body": "16"})) as proxy:
        answer = await proxy.ask(chunked + b"20\r\n" + b"a" * 32 + b"\r\n0\r\n\r\n")
    assert (413, []) == (answer.status, upstream.visits)
    assert [("deny", 413)] == decided(told())


@pytest.mark.parametrize(
    ("limits", "rule"),
    [({}, "clients.alice.concurrency"), ({"concurrency": 1}, "routes.api.limits.concurrency")],
)
async def test_one_at_once_too_many_was_denied(gateway, told, limits, rule):
    """It is a limit as a rate is, though its status is an outage's."""
    async with Upstream(None) as slow:
        config = gateway(slow.origin, limits=limits)
        if limits:
            del config["clients"]["alice"]["concurrency"]
        async with running(config) as proxy, await proxy.client() as first:
            first.send(get("/api/x", KEY))
            await slow.asked()
            answer = await proxy.ask(get("/api/x", KEY))
            slow.visits[0].send(OK)
            await first.answer()
    assert (503, 1) == (answer.status, len(slow.visits))
    assert [("deny", 503), ("allow", 200)] == decided(told())
    denied = told()[0]
    assert (rule, None, "overloaded") == (denied["rule"], denied["credential"], denied["error"])


async def test_what_has_no_credential_was_not_denied(gateway, upstream, told):
    """503 as well, and behind a rule that allows: but it is a thing that is missing."""
    config = gateway(upstream.origin, credential={"bearer": {"env": "GONE", "required": False}})
    config["clients"]["alice"]["rules"] = [{"paths": ["/**"], "action": "allow"}]
    async with running(config) as proxy:
        answer = await proxy.ask(get("/api/x", KEY))
    assert 503 == answer.status
    assert [("error", 503)] == decided(told())
    assert ["clients.alice.rules[0]"] == [line["rule"] for line in told()]


async def test_an_upstream_that_is_not_there_is_an_error(gateway, told):
    """Nobody must take it for a request that has come to something."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        async with running(gateway(f"http://127.0.0.1:{taken.getsockname()[1]}")) as proxy:
            answer = await proxy.ask(get("/api/x", KEY))
    assert answer.status == 502
    assert [("error", 502)] == decided(told())


async def test_a_request_that_was_not_answered_was_allowed(gateway, told):
    """The upstream may have done what it says."""
    async with (
        Upstream(b"garbage\r\n\r\n") as upstream,
        running(gateway(upstream.origin)) as proxy,
    ):
        answer = await proxy.ask(request("POST", "/api/x", KEY, body=b"a"))
    assert (502, 1) == (answer.status, len(upstream.requests))
    assert [("allow", 502)] == decided(told())


async def test_a_client_that_left_before_it_was_decided_was_not_denied(gateway, told):
    """Neither was it let in: its token's issuer was still being asked."""
    claims = b'{"iss": "https://i.example", "aud": "a", "exp": 4102444800}'
    parts = (b'{"alg": "ES256"}', claims, b"forged")
    token = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    async with Upstream(None) as issuer:
        config = gateway(issuer.origin)
        config["clients"]["ci"] = {
            "routes": "*",
            "jwt": {"issuer": "https://i.example", "audience": "a", "jwks_url": issuer.origin},
        }
        async with running(config) as proxy:
            async with await proxy.client() as leaving:
                leaving.send(get("/api/x", f"Authorization: Bearer {token}"))
                await issuer.bell.until(lambda: issuer.visits, "for the issuer to be asked")
            await proxy.logged()
    assert [("error", 499)] == decided(told())
