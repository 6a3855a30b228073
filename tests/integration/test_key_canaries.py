"""A thousand requests with keys of every kind in every place, and where no part of them may be."""

from __future__ import annotations

import asyncio
import re
import sys
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.integration.rig.client_keys import SECRET_LENGTH, Search, client, new
from tests.integration.rig.message import split_head
from tests.integration.rig.proxy import TOKEN, one_route, request, running
from tests.integration.rig.raw import Client


if TYPE_CHECKING:
    from collections.abc import Callable

# What is looked for is in bytes that no loop touches.
pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

REQUESTS = 1000
ALICE, BOB, CAROL, STRANGER = new("alice"), new("bob"), new("carol"), new("mallory")
OF_ALICE_BUT_WRONG = new("alice", seed=1)
WHOLE = [ALICE, BOB, CAROL, STRANGER, OF_ALICE_BUT_WRONG, ALICE.mistyped]
SEARCH = Search(WHOLE)
GOOD = [ALICE, BOB]
# What is shorter cannot be told from names that mean no harm: kb_report_20240101.
MOST_CUT = SECRET_LENGTH - 16


def spelled(random, name):
    """Return a field's name in one of the ways that servers take for the same."""
    ways = [name, name.upper(), name.lower(), name.swapcase(), name.replace("-", "_")]
    return random.choice(ways)


def basic(text):
    """Return credentials as RFC 7617 puts them."""
    return f"Basic {b64encode(text.encode()).decode()}"


def escaped(text):
    """Return a text with each of its bytes percent-encoded."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


# Where a key is looked for; it is taken off there, whatever it is.
SLOTS: dict[str, Callable[[str], tuple[str, str]]] = {
    "bearer": lambda key: ("Authorization", f"Bearer {key}"),
    "bearer in capitals": lambda key: ("Authorization", f"BEARER {key}"),
    "token": lambda key: ("Authorization", f"token {key}"),
    "password": lambda key: ("Authorization", basic(f"me:{key}")),
    "user": lambda key: ("Authorization", basic(f"{key}:")),
    "user, with a password": lambda key: ("Authorization", basic(f"{key}:x-oauth-basic")),
    "Access-Token": lambda key: ("Access-Token", key),
    "X-Api-Key": lambda key: ("X-Api-Key", key),
    "proxy bearer": lambda key: ("Proxy-Authorization", f"Bearer {key}"),
    "proxy password": lambda key: ("Proxy-Authorization", basic(f"me:{key}")),
    "own": lambda key: ("X-Own", f"own {key}!"),
    "bare in the own": lambda key: ("X-Own", key),
}
# Where nobody looks for a key, and where it would go on to the upstream.
FIELDS: dict[str, Callable[[str], tuple[str, str]]] = {
    "other field": lambda key: ("X-Other", key),
    "within a field": lambda key: ("X-Other", f"a={key}; b"),
    "own field of the route next door": lambda key: ("X-Foreign", f"own {key}!"),
    "User-Agent": lambda key: ("User-Agent", f"tool/1 ({key})"),
    "Referer": lambda key: ("Referer", f"http://localhost/?key={key}"),
}
TARGETS: dict[str, Callable[[str], str]] = {
    "segment": lambda key: f"/{key}/x",
    "within a segment": lambda key: f"/x/a-{key}.txt?a=1",
    "with %5F in the path": lambda key: f"/x/{key.replace('_', '%5F')}",
    "query": lambda key: f"/x?key={key}",
    "query's name": lambda key: f"/x?a=1&{key}&b",
    "with %5f in the query": lambda key: f"/x?a={key.replace('_', '%5f')}",
    "a parameter that ends alike": lambda key: f"/x?my_api_key={key}",
}
# Where it is dropped, refused or never sent for another reason.
ELSEWHERE: dict[str, Callable[[str], tuple[str, str]]] = {
    "cookie": lambda key: ("Cookie", f"session={key}"),
    "other credential": lambda key: ("Private-Token", key),
    "Connection": lambda key: ("Connection", key),
    "Forwarded": lambda key: ("X-Forwarded-For", key),
    "Origin": lambda key: ("Origin", f"http://{key}"),
    "TE": lambda key: ("TE", key),
    "a field's name": lambda key: (key, "1"),
    "Transfer-Encoding": lambda key: ("Transfer-Encoding", key),
    "Content-Length": lambda key: ("Content-Length", key),
    "a control byte": lambda key: ("X-Other", f"{key}\x01"),
}
DROPPED_TARGETS: dict[str, Callable[[str], str]] = {
    "api_key": lambda key: f"/x?api_key={key}",
    "access_token": lambda key: f"/x?a=1&Access-Token={key}",
    "fragment": lambda key: f"/x#{key}",
    "dots": lambda key: f"/{key}/../x",
    "control byte": lambda key: f"/{key}%00",
    "user info": lambda key: f"http://alice:{key}@localhost/api/x",
    "foreign host": lambda key: f"http://{key}.example/x",
}
HOSTS = ["localhost", "{}", "{}.localhost", "{}.example:1"]
METHODS = ["GET", "GET", "POST", "HEAD", "TRACE", "{}"]


def any_key(random):
    """Return a key that is good, wrong, expired, unknown, mistyped or cut short."""
    whole = random.choice([*GOOD, *WHOLE])
    return random.choice([whole, whole, whole.cut(random.randint(1, MOST_CUT))]).text


@dataclass(frozen=True, slots=True)
class Case:
    """A request: by which entrance, what, and whether its method wants no body back."""

    entrance: str
    data: bytes
    kind: str


def target_of(random):
    """Return a target below the route's root, often with a key in it, and what it is called."""
    kinds = {"plain": lambda _: "/x?a=1"}
    more = random.choice([kinds, kinds, TARGETS, DROPPED_TARGETS])
    kind = random.choice(sorted(more))
    return kind, more[kind](any_key(random))


def fields_of(random):
    """Return fields, up to three of them with keys, and what they are called."""
    chosen = [SLOTS] * random.choice([0, 1, 1, 1, 2])
    chosen += random.choice([[], [], [FIELDS], [ELSEWHERE], [FIELDS, ELSEWHERE]])
    random.shuffle(chosen)
    kinds, lines = [], []
    for table in chosen:
        kind = random.choice(sorted(table))
        name, value = table[kind](any_key(random))
        kinds.append(kind)
        line = f"{spelled(random, name)}: {value}"
        lines += [line] * random.choice([1, 1, 1, 2])
    return kinds, lines


def case(random):
    """Return a request that nobody foresaw."""
    entrance = random.choice(["shared", "own", "unix"])
    kind, target = target_of(random)
    if entrance != "own" and target.startswith("/"):
        target = random.choice(["/api", "/api", "/api", ""]) + target
    method = random.choices(METHODS, [9, 9, 4, 2, 1, 1])[0].format(any_key(random))
    host = random.choices(HOSTS, [20, 1, 1, 1])[0].format(any_key(random))
    kinds, lines = fields_of(random)
    body = any_key(random).encode() if method == "POST" else None
    data = request(method, target, *lines, host=host, body=body)
    return Case(entrance, data, " + ".join([kind, *kinds]))


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
        where = {"local_addr": (f"127.0.0.{last}", 0)}
        _, made = await loop.create_connection(Client, "127.0.0.1", port, **where)
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
    return b"".join(each.raw[: split_head(each.raw)[2]] for each in requests)


async def test_no_part_of_a_key_is_anywhere(config, upstream, tmp_path):
    """In no head at the upstream, no answer, no line of the log or of the audit file."""
    random = Random(5)
    answers = []
    async with running(config) as gateway:
        peers = Peers(gateway, tmp_path / "kb.sock")
        for each in [case(random) for _ in range(REQUESTS)]:
            sent = len(upstream.requests)
            answers.append(await peers.ask(each))
            seen = heads(upstream.requests[sent:]) + b"\n" + answers[-1].raw

            assert [] == SEARCH.found(seen), (each.kind, each.data, seen)
    audit = (tmp_path / "audit.log").read_bytes()
    for line in gateway.log.text.splitlines() + audit.splitlines():
        assert [] == SEARCH.found(line), line

    # The controls: all this took place, and the sinks hold what they are to hold.
    statuses = Counter(answer.status for answer in answers)
    assert {200, 400, 401, 403, 404, 405, 429} <= set(statuses), statuses
    assert min(statuses[200], statuses[400], statuses[401]) >= 50, statuses
    assert statuses[200] == len(upstream.requests)
    assert statuses[200] == heads(upstream.requests).count(f"X-Own: own {TOKEN}!\r\n".encode())
    for told in (gateway.log.text, audit):
        assert b'"alice"' in told
        assert b'"bob"' in told
        assert len(told.splitlines()) >= REQUESTS // 2


def test_the_search_finds_what_is_there():
    """In whole, in part, in base64, percent-encoded; the positive control of all others."""
    for key in WHOLE:
        part = key.secret[11:19]
        for text in (key.text, part, escaped(part), basic(key.text), basic(f"me:{key.text}")):
            assert SEARCH.found(f"before{text}after".encode()), text
    assert [] == SEARCH.found(f"kb_alice_{ALICE.secret[:7]}-{TOKEN}".encode())


@pytest.mark.parametrize("place", [*FIELDS, *TARGETS])
async def test_a_key_that_would_be_passed_on_is_refused(gateway, upstream, place):
    """Beside a good one in its slot; without the other, the request passes."""
    slot = f"X-Api-Key: {ALICE.text}"
    clean = await gateway.ask(request("GET", "/api/x", slot))
    for key in (ALICE, BOB, STRANGER, ALICE.mistyped, ALICE.cut(MOST_CUT)):
        target = TARGETS[place](key.text) if place in TARGETS else "/x?a=1"
        more = [": ".join(FIELDS[place](key.text))] if place in FIELDS else []
        answer = await gateway.ask(request("GET", f"/api{target}", slot, *more))

        assert (400, "bad-request") == (answer.status, answer.code), key
        assert [] == SEARCH.found(answer.raw), key
    await gateway.logged(6)
    assert [] == SEARCH.found(gateway.log.text)
    assert (200, 1) == (clean.status, len(upstream.requests))


async def test_a_path_that_holds_a_key_is_masked_in_the_log(gateway):
    """Also where it has no client, and no route."""
    await gateway.ask(request("GET", f"/api/x/{ALICE.text}/y"))
    await gateway.ask(request("GET", f"/{BOB.text}"))

    await gateway.logged(2)
    paths = [line["path"] for line in gateway.log.requests]
    assert re.fullmatch(r"/api/x/[a-z_*]+/y", paths[0]), paths
    assert paths[1].startswith("/")
    assert [] == SEARCH.found(gateway.log.text)
