"""A kept connection is of one origin and one credential: no identity gets another's late answer."""

from __future__ import annotations

import pytest

from tests.integration.rig.client_keys import client, new
from tests.integration.rig.proxy import get


ALICE, BOB, CAROL = map(new, ["alice", "bob", "carol"])
ENVIRON = {name: f"FAKE-{name}-0123456789" for name in ("SHARED", "A", "B")}


async def late(visit):
    """Answer each request with who asked before on this connection: a broken upstream is late."""
    before = b"nobody"
    while True:
        request = await visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(before), before))
        before = request.one(b"Authorization") or b"no credential"


@pytest.fixture
async def late_upstream(serve):
    """The broken one."""
    return await serve(script=late)


def gateway(upstream):
    """Return a configuration: two clients have a credential of their own, one the route's."""
    own = {"origin": upstream.origin}
    names = {"one": "a", "two": "a"}
    return {
        "listen": "127.0.0.1:0",
        "credentials": {
            "a": own | {"bearer": {"env": "A"}},
            "b": own | {"bearer": {"env": "B"}},
            "shared": own | {"bearer": {"env": "SHARED"}},
        },
        "routes": {
            "one": {"upstream": upstream.origin, "credential": "shared", "echo_guard": "off"},
            "two": {"upstream": upstream.origin, "credential": "shared", "echo_guard": "off"},
            "b": {"upstream": upstream.origin, "credential": "b", "echo_guard": "off"},
            "none": {"upstream": upstream.origin, "credential": "none", "echo_guard": "off"},
        },
        "clients": {
            "alice": client(ALICE, routes="*", credentials=names),
            "bob": client(BOB, routes="*", credentials={"one": "b"}),
            "carol": client(CAROL, routes="*"),
        },
    }


async def test_a_late_answer_reaches_no_other_identity(start, late_upstream):
    """By any route, in any order: what was asked before was asked in the same name."""
    proxy = await start(gateway(late_upstream), environ=ENVIRON)
    asked = [
        (ALICE, "one", "A"),
        (BOB, "one", "B"),
        (CAROL, "one", "SHARED"),
        (CAROL, "none", None),
        (BOB, "b", "B"),
        (ALICE, "two", "A"),
        (CAROL, "two", "SHARED"),
        (ALICE, "one", "A"),
        (BOB, "one", "B"),
        (BOB, "none", None),
    ]
    for key, route, name in asked:
        answer = await proxy.ask(get(f"/{route}/x", f"Authorization: Bearer {key.text}"))
        own = b"Bearer " + ENVIRON[name].encode() if name else b"no credential"
        assert answer.body in {b"nobody", own}, (route, name, answer.body)


async def test_one_credential_has_one_pool(start, late_upstream):
    """Whoever asks, and by whichever route."""
    proxy = await start(gateway(late_upstream), environ=ENVIRON)
    for key, route in ((ALICE, "one"), (ALICE, "two"), (CAROL, "one"), (BOB, "two"), (BOB, "b")):
        await proxy.ask(get(f"/{route}/x", f"Authorization: Bearer {key.text}"))
    await proxy.ask(get("/one/x", f"Authorization: Bearer {BOB.text}"))

    names = [visit.number for visit in late_upstream.visits]
    assert [0, 1, 2] == names  # a, shared, b
    asked = [
        each.one(b"Authorization").decode().removeprefix("Bearer ")
        for each in late_upstream.requests
    ]
    assert [ENVIRON[name] for name in ("A", "A", "SHARED", "SHARED", "B", "B")] == asked


async def test_routes_with_secrets_of_their_own_share_nothing(start, late_upstream):
    """Though they lead to the same origin."""
    config = {
        "listen": "127.0.0.1:0",
        "routes": {
            name: {
                "upstream": late_upstream.origin,
                "credential": {"bearer": {"env": name.upper()}},
                "echo_guard": "off",
            }
            for name in ("a", "b")
        },
    }
    proxy = await start(config, environ=ENVIRON)

    bodies = [(await proxy.ask(get(f"/{route}/x"))).body for route in "abab"]

    assert [
        b"nobody",
        b"nobody",
        b"Bearer FAKE-A-0123456789",
        b"Bearer FAKE-B-0123456789",
    ] == bodies


async def test_all_pools_end_with_the_service(start, late_upstream):
    """Those of clients too: no connection is left."""
    proxy = await start(gateway(late_upstream), environ=ENVIRON)
    for key in (ALICE, BOB, CAROL):
        await proxy.ask(get("/one/x", f"Authorization: Bearer {key.text}"))

    for pool in proxy.service.provisioned.pools:
        pool.close()

    for visit in late_upstream.visits:
        await visit.gone()
    assert 3 == len(late_upstream.visits)
