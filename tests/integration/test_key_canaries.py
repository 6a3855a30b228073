"""A thousand requests with keys of every kind in every place, and where no part of them may be."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from random import Random

import pytest

from tests.integration.rig.canaries import (
    ALICE,
    BOB,
    CAROL,
    FIELDS,
    MOST_CUT,
    MOST_CUT_OF_NOBODYS,
    SLOTS,
    STRANGER,
    TARGETS,
    WHOLE,
    basic,
    case,
    escaped,
)
from tests.integration.rig.client_keys import Search, client
from tests.integration.rig.proxy import TOKEN, one_route, request, running
from tests.integration.rig.raw import Client


# What is looked for is in bytes that no loop touches.
on_one_loop = pytest.mark.asyncio(loop_factories=["uvloop"])

REQUESTS = 1000
SEARCH = Search(WHOLE)
CAUSES = {
    None,  # without a key
    "no client of that name",
    "not a whole key",
    "not one of the client's keys",
    "the client has expired",
}


class Peers:
    """Clients from many addresses: one that fails often is not asked for its key any more."""

    def __init__(self, proxy, sock):
        self._proxy = proxy
        self._sock = sock
        self._number = 0

    async def client(self, entrance):
        """Connect to an entrance."""
        if entrance == "unix":
            return await Client.connect(self._sock)
        self._number += 1
        port = self._proxy.port_of("api" if entrance == "own" else 0)
        # Only Linux has all of 127.0.0.0/8 without being told.
        last = 2 + self._number % 250 if sys.platform == "linux" else 1
        loop = asyncio.get_running_loop()
        where = (f"127.0.0.{last}", 0)
        _, made = await loop.create_connection(Client, "127.0.0.1", port, local_addr=where)
        return made

    async def ask(self, case):
        """Send a request on a connection of its own; return the whole answer."""
        async with await self.client(case.entrance) as client:
            return await client.ask(case.data, to_head=case.data.startswith(b"HEAD "))


@pytest.fixture
def config(upstream, tmp_path):
    """Two good clients and one that has expired, on three entrances."""
    scheme = {"header": {"name": "X-Own", "format": "own {secret}!", "secret": {"env": "TOKEN"}}}
    return one_route(upstream.origin, credential=scheme) | {
        "listen": ["127.0.0.1:0", f"unix:{tmp_path}/kb.sock"],
        "audit": {"file": str(tmp_path / "audit.log")},
        "clients": {
            "alice": client(ALICE),
            "bob": client(BOB),
            "carol": client(CAROL, expires="2020-01-01"),
        },
    }


@pytest.fixture
async def gateway(start, config):
    """A proxy with that configuration."""
    return await start(config)


def heads(requests):
    """Return requests as they came, without bodies: those are the clients' own business."""
    return b"\r\n".join(each.raw.partition(b"\r\n\r\n")[0] for each in requests) + b"\r\n"


@on_one_loop
async def test_no_part_of_a_key_is_anywhere(config, upstream, tmp_path):
    """In no head at the upstream, no answer, no line of the log or of the audit file."""
    random = Random(5)
    cases = [case(random) for _ in range(REQUESTS)]
    answers = []
    async with running(config) as gateway:
        peers = Peers(gateway, tmp_path / "kb.sock")
        for each in cases:
            sent = len(upstream.requests)
            answers.append(await peers.ask(each))
            seen = heads(upstream.requests[sent:]) + b"\n" + answers[-1].raw

            assert [] == SEARCH.found(seen), (each.kinds, each.data, seen)
    audit = (tmp_path / "audit.log").read_bytes()
    told = gateway.log.text.splitlines() + audit.splitlines()
    leaking = [line.decode() for line in told if SEARCH.found(line)]
    assert not leaking, "\n".join(leaking)

    # The controls: all this took place, and the sinks hold what they are to hold.
    statuses = Counter(answer.status for answer in answers)
    assert {200, 400, 401, 403, 404, 405, 429} <= set(statuses), statuses
    assert min(statuses[200], statuses[400], statuses[401]) >= 100, statuses
    passed = [each for each, answer in zip(cases, answers, strict=True) if answer.status == 200]
    assert set(SLOTS) <= {kind for each in passed for kind in each.kinds}
    assert statuses[200] == len(upstream.requests)
    assert statuses[200] == heads(upstream.requests).count(f"X-Own: own {TOKEN}!\r\n".encode())
    assert CAUSES == {line["cause"] for line in gateway.log.requests if line["status"] == 401}
    for sink in (gateway.log.text, audit):
        assert b'"alice"' in sink
        assert b'"bob"' in sink
        assert len(sink.splitlines()) >= REQUESTS // 2


def test_the_search_finds_what_is_there():
    """In whole, in part, in base64, percent-encoded; the positive control of all others."""
    for key in WHOLE:
        part = key.secret[11:19]
        for text in (key.text, part, escaped(part), basic(key.text), basic(f"me:{key.text}")):
            assert SEARCH.found(f"before{text}after".encode()), text
    assert [] == SEARCH.found(f"kb_alice_{ALICE.secret[:7]}-{TOKEN}".encode())


@on_one_loop
@pytest.mark.parametrize("place", [*FIELDS, *TARGETS])
async def test_a_key_that_would_be_passed_on_is_refused(gateway, upstream, place):
    """Beside a good one in its slot; without the other, the request passes."""
    slot = f"X-Api-Key: {ALICE.text}"
    clean = await gateway.ask(request("GET", "/api/x", slot))
    cut = ALICE.cut(MOST_CUT), STRANGER.cut(MOST_CUT_OF_NOBODYS)
    for key in (ALICE, BOB, STRANGER, ALICE.mistyped, *cut):
        target = TARGETS[place](key.text) if place in TARGETS else "/x?a=1"
        more = [": ".join(FIELDS[place](key.text))] if place in FIELDS else []
        answer = await gateway.ask(request("GET", f"/api{target}", slot, *more))

        assert (400, "bad-request") == (answer.status, answer.code), key
        assert [] == SEARCH.found(answer.raw), key
    await gateway.logged(7)
    assert [] == SEARCH.found(gateway.log.text)
    assert (200, 1) == (clean.status, len(upstream.requests))


@on_one_loop
async def test_a_path_that_holds_a_key_is_masked_in_the_log(gateway):
    """Also where it has no client, and no route."""
    await gateway.ask(request("GET", f"/api/x/{ALICE.text}/y"))
    await gateway.ask(request("GET", f"/{BOB.text}"))

    await gateway.logged(2)
    paths = [line["path"] for line in gateway.log.requests]
    assert re.fullmatch(r"/api/x/[a-z_*]+/y", paths[0]), paths
    assert paths[1].startswith("/")
    assert [] == SEARCH.found(gateway.log.text)
