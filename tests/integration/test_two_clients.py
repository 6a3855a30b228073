"""Two clients of one gateway, each with a token of its own at Carbonregistry's stand-in."""

from __future__ import annotations

import asyncio
import json

import pytest

from proxy.standins.carbonregistry import Carbonregistry
from proxy.standins.carbonregistry_data import (
    CREDIT_ID,
    EXAMINER_ID,
    EXAMINER_TOKEN,
    ORGANIZATION_ID,
    READ_ONLY_ORGANIZATION_TOKEN,
    USER_ID,
    USER_TOKEN,
)
from tests.integration.rig.client_keys import client, new
from tests.integration.rig.proxy import get, request


ALICE, BOB, BOLD, CAROL, DORA = map(new, ["alice", "bob", "bold", "carol", "dora"])
TOKENS = {"ALICE": USER_TOKEN, "BOB": READ_ONLY_ORGANIZATION_TOKEN, "SHARED": EXAMINER_TOKEN}
IDENTITIES = {ALICE: USER_ID, BOB: ORGANIZATION_ID, BOLD: ORGANIZATION_ID, CAROL: EXAMINER_ID}
RETIREMENT = {
    "fromId": ORGANIZATION_ID,
    "credit": {"id": CREDIT_ID, "amount": 1},
    "reason": "offset",
    "beneficiaryName": "nobody",
    "comment": "none",
}


@pytest.fixture
async def registry():
    """The stand-in."""
    async with Carbonregistry() as standin:
        yield standin


@pytest.fixture
def config(registry):
    """One route with a shared token; two clients have others, one of them reads only."""
    own = {"origin": registry.url}
    return {
        "listen": "127.0.0.1:0",
        "credentials": {
            "alice": own | {"bearer": {"env": "ALICE"}},
            "bob": own | {"bearer": {"env": "BOB"}},
        },
        "routes": {
            "registry": {"upstream": registry.url, "credential": {"bearer": {"env": "SHARED"}}},
            "spare": {"upstream": registry.url, "credential": {"bearer": {"env": "SHARED"}}},
        },
        "clients": {
            "alice": client(ALICE, routes=["registry"], credentials={"registry": "alice"}),
            "bob": client(
                BOB,
                routes=["registry"],
                credentials={"registry": "bob"},
                methods=["GET", "HEAD"],
            ),
            # Bob's token, and no policy of the gateway's own.
            "bold": client(BOLD, routes=["registry"], credentials={"registry": "bob"}),
            "carol": client(CAROL, routes="*"),
            "dora": client(
                DORA,
                routes=["registry"],
                credentials={"registry": "bob"},
                rules=[{"paths": ["/v1/retire"], "action": "deny"}],
            ),
        },
    }


@pytest.fixture
async def gateway(start, config):
    """The proxy."""
    return await start(config, environ=TOKENS)


def whoami(key, route="registry"):
    """Return the request that tells who the upstream takes one for."""
    return get(f"/{route}/whoami", f"Authorization: Bearer {key.text}")


def retire(key):
    """Return a request that takes a credit out of circulation for good."""
    fields = [f"Authorization: Bearer {key.text}", "Content-Type: application/json"]
    body = json.dumps(RETIREMENT).encode()
    return request("POST", "/registry/v1/retire", *fields, body=body)


@pytest.mark.parametrize("key", [ALICE, BOB, CAROL])
async def test_each_client_is_taken_for_itself(gateway, registry, key):
    """With its own credential, or with the route's shared one."""
    answer = await gateway.ask(whoami(key))

    assert (200, IDENTITIES[key]) == (answer.status, json.loads(answer.body)["id"])
    [received] = registry.received
    assert 1 == len(received.values("authorization"))
    assert key.secret not in repr(received)
    line = await gateway.logged()
    assert key.text.split("_")[1] == line["client"]


async def test_the_log_names_the_credential_that_was_used(gateway):
    """The client's own, which has a name, or the route's."""
    names = []
    for number, key in enumerate((ALICE, BOB, CAROL), 1):
        await gateway.ask(whoami(key))
        names.append((await gateway.logged(number))["credential"])

    assert ["alice", "bob"] == names[:2]
    assert names[2] not in {"alice", "bob"}


@pytest.mark.parametrize("key", [BOB, DORA])
async def test_a_write_that_a_clients_policy_forbids_is_never_sent(gateway, registry, key):
    """By its methods or its rules; the answer is the gateway's, and the client may go on."""
    async with await gateway.client() as connection:
        refused = await connection.ask(retire(key))
        read = await connection.ask(whoami(key))

    assert (403, "policy-denied") == (refused.status, refused.code)
    assert b"keybearer" in (refused.one(b"Proxy-Status") or b"")
    assert 200 == read.status
    assert ["/whoami"] == [each.target for each in registry.received]
    line = await gateway.logged()
    assert (403, "policy-denied") == (line["status"], line["error"])


async def test_a_write_that_only_the_upstream_forbids_is_the_upstreams_403(gateway, registry):
    """As it came, and without a word of the gateway."""
    answer = await gateway.ask(retire(BOLD))

    assert (403, None) == (answer.status, answer.one(b"Proxy-Status"))
    assert "Forbidden resource" == json.loads(answer.body)["message"]
    assert ["/v1/retire"] == [each.target for each in registry.received]
    assert [f"Bearer {READ_ONLY_ORGANIZATION_TOKEN}"] == registry.received[0].values(
        "authorization"
    )


async def test_a_write_that_nobody_forbids_takes_place(gateway, registry):
    """The control: with the right to write, the same request is a retirement."""
    answer = await gateway.ask(
        request(
            "POST",
            "/registry/v1/retire",
            f"X-Api-Key: {ALICE.text}",
            "Content-Type: application/json",
            body=json.dumps(RETIREMENT | {"fromId": USER_ID}).encode(),
        )
    )

    assert (200, True) == (answer.status, json.loads(answer.body)["success"])
    assert 1 == len(registry.ledger.retirements)


async def test_a_route_that_is_not_named_is_not_allowed(gateway, registry):
    """Alice may use one, Carol both."""
    refused = await gateway.ask(whoami(ALICE, "spare"))
    allowed = await gateway.ask(whoami(CAROL, "spare"))

    assert (403, "policy-denied", 200) == (refused.status, refused.code, allowed.status)
    assert 1 == len(registry.received)


async def test_kept_upstream_connections_never_mix_identities(gateway, registry):
    """In turn, 200 times, each on the one kept connection of its credential."""
    async with await gateway.client() as first, await gateway.client() as second:
        for _ in range(100):
            for key, connection in ((ALICE, first), (BOB, second)):
                answer = await connection.ask(whoami(key))

                assert IDENTITIES[key] == json.loads(answer.body)["id"]
    assert 200 == len(registry.received)
    assert 2 == registry.connections


async def test_one_connection_may_carry_the_requests_of_several_clients(gateway, registry):
    """As that of a load balancer does; pipelined, and all at once on several of them."""
    keys = [ALICE, BOB, CAROL, BOLD] * 5

    async def ask():
        async with await gateway.client() as connection:
            connection.send(b"".join(map(whoami, keys)))
            return [json.loads((await connection.answer()).body)["id"] for _ in keys]

    told = await asyncio.gather(*(ask() for _ in range(5)))

    assert [[IDENTITIES[key] for key in keys]] * 5 == told
    assert 100 == len(registry.received)


async def test_each_clients_own_token_is_masked_where_the_upstream_shows_it(start, upstream):
    """The echo guard knows which one was sent."""

    def echo(received):
        text = received.one(b"Authorization")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
        return head % len(text) + text

    upstream.answer = echo
    own = {"origin": upstream.origin, "bearer": {"env": "ALICE"}}
    shared = {"upstream": upstream.origin, "credential": {"bearer": {"env": "SHARED"}}}
    proxy = await start(
        {
            "listen": "127.0.0.1:0",
            "credentials": {"alice": own},
            "routes": {"registry": shared},
            "clients": {
                "alice": client(ALICE, credentials={"registry": "alice"}),
                "carol": client(CAROL),
            },
        },
        environ=TOKENS,
    )
    for key, token in ((ALICE, USER_TOKEN), (CAROL, EXAMINER_TOKEN)):
        answer = await proxy.ask(whoami(key))

        assert (200, b"Bearer " + b"*" * len(token)) == (answer.status, answer.body)
    sent = [each.one(b"Authorization") for each in upstream.requests]
    assert [f"Bearer {USER_TOKEN}".encode(), f"Bearer {EXAMINER_TOKEN}".encode()] == sent
