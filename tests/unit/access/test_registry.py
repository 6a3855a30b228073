"""Who a key belongs to, and that telling takes the same whatever is wrong with it."""

from __future__ import annotations

import hmac
from base64 import b64encode
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.access.keys import digest, new_key
from proxy.access.registry import Book, Entry, Registry
from proxy.access.throttle import Throttle
from proxy.dataplane.model import Peer, Stranger


KEYS = {
    name: [new_key(name) for _ in range(count)] for name, count in {"alice": 1, "bob": 3}.items()
}
OLD = new_key("old")
NOW = 1_000_000.0


def entry(name: str, keys: list[str], **changes: Any) -> Entry:
    return Entry(cast("Any", SimpleNamespace(name=name)), tuple(map(digest, keys)), **changes)


ENTRIES = [
    entry("alice", KEYS["alice"]),
    entry("bob", KEYS["bob"], subject="CN=bob"),
    entry("old", [OLD], expires=NOW, subject="CN=old"),
    entry("ci", []),
]


class Comparing:
    """Compares, and counts how often and what."""

    def __init__(self):
        self.sizes: list[tuple[int, int]] = []

    def __call__(self, one: bytes, other: bytes) -> bool:
        """Compare."""
        self.sizes.append((len(one), len(other)))
        return hmac.compare_digest(one, other)


def registry(same: Any = hmac.compare_digest, now: Any = lambda: NOW) -> Registry:
    made = Registry(Throttle(), now, same)
    made.replace(Book(ENTRIES))
    return made


def name_of(caller: Any) -> str | None:
    return None if caller is None or isinstance(caller, Stranger) else caller.name


def cause_of(caller: Any) -> str | None:
    return caller.cause if isinstance(caller, Stranger) else None


@pytest.mark.parametrize("name", KEYS)
def test_each_key_of_a_client_is_known(name):
    clients = registry()
    for _ in range(2):
        assert [name_of(clients.by_key(key)) for key in KEYS[name]] == [name] * len(KEYS[name])


def test_names_are_known():
    clients = registry()

    assert all(clients.has(name) for name in ("alice", "bob", "old", "ci"))
    assert not clients.has("nobody")


def of_somebody_else() -> str:
    """Return a key with a right checksum that was never handed out."""
    return new_key("alice")


WRONG = {
    "unknown client": new_key("nobody"),
    "wrong key": of_somebody_else(),
    "wrong key of a client of three": new_key("bob"),
    "client without keys": new_key("ci"),
    "expired": OLD,
    "no key at all": "kb_",
    "wrong checksum": KEYS["alice"][0][:-1] + ("a" if KEYS["alice"][0][-1] != "a" else "b"),
    "wrong key of an expired client": new_key("old"),
}
CAUSES = {
    "unknown client": "no client of that name",
    "wrong key": "not one of the client's keys",
    "wrong key of a client of three": "not one of the client's keys",
    "client without keys": "not one of the client's keys",
    "expired": "the client has expired",
    "no key at all": "not a whole key",
    "wrong checksum": "not a whole key",
    "wrong key of an expired client": "not one of the client's keys",
}


@pytest.mark.parametrize("kind", WRONG)
def test_unknown_wrong_and_expired_keys_run_the_same_comparisons(kind):
    """And their cause is told behind them; to find it out takes no more of them."""
    comparing = Comparing()
    clients = registry(comparing)

    for _ in range(2):
        comparing.sizes.clear()
        assert cause_of(clients.by_key(WRONG[kind])) == CAUSES[kind]
        assert comparing.sizes == [(32, 32)] * 3


@pytest.mark.parametrize("kind", WRONG)
def test_no_cause_is_told_before_the_last_comparison(kind):
    class Broken(Exception):
        pass

    compared = 0

    def same(one: bytes, other: bytes) -> bool:
        nonlocal compared
        compared += 1
        if compared == 3:
            raise Broken
        return hmac.compare_digest(one, other)

    with pytest.raises(Broken):
        registry(same).by_key(WRONG[kind])


@pytest.mark.parametrize("cause", sorted(set(CAUSES.values())))
def test_whoever_is_refused_is_not_told_why(cause):
    """The refusals differ in what the log is told, and in nothing else; the braked ones, too."""
    told: list[dict[str, Any]] = []
    for each in ("another cause", cause):
        throttle = Throttle(lambda: 1.0)
        clients = Registry(throttle)
        refusals = [clients.failed(Peer("127.0.0.1"), each) for _ in range(11)]
        assert [refusal.cause for refusal in refusals[:10]] == [each] * 10
        assert refusals[10].cause == f"wrong client keys, the last one: {each}"
        told += [vars(refusal) | {"cause": None, "is": type(refusal)} for refusal in refusals]

    assert told[:11] == told[11:]


def test_a_right_key_is_compared_as_often_and_then_remembered():
    comparing = Comparing()
    clients = registry(comparing)
    value = f"Bearer {KEYS['alice'][0]}"
    assert clients.by_value(value) is None
    assert name_of(clients.by_key(KEYS["alice"][0], value)) == "alice"
    for _ in range(3):
        assert name_of(clients.by_value(value)) == "alice"

    assert comparing.sizes == [(32, 32)] * 3


@pytest.mark.parametrize("kind", WRONG)
def test_what_was_wrong_is_not_remembered(kind):
    clients = registry()
    clients.by_key(WRONG[kind], "value")

    assert clients.by_value("value") is None


def test_a_client_expires_while_its_key_is_remembered():
    now = NOW - 1
    clients = registry(now=lambda: now)
    assert name_of(clients.by_key(OLD, OLD)) == "old"
    assert name_of(clients.by_value(OLD)) == "old"
    now = NOW

    assert cause_of(clients.by_key(OLD)) == "the client has expired"
    assert clients.by_value(OLD) is None


def test_a_revoked_key_is_forgotten_with_the_clients():
    clients = registry()
    key = KEYS["alice"][0]
    assert name_of(clients.by_key(key, key)) == "alice"
    clients.replace(Book(ENTRIES[1:]))

    assert cause_of(clients.by_key(key)) == "no client of that name"
    assert clients.by_value(key) is None


def test_a_certificate_belongs_to_a_client():
    clients = registry()

    assert name_of(clients.by_certificate("CN=bob")) == "bob"
    assert cause_of(clients.by_certificate("CN=old")) == "the client has expired"
    assert cause_of(clients.by_certificate("CN=nobody")) == "no client has this certificate"


def test_a_token_belongs_to_a_client():
    known: dict[str, Any] = {"t": "ci", "o": "old", "u": Stranger("a cause")}
    tokens = SimpleNamespace(issues=lambda token: token == "t", client_of=known.get)
    clients = registry()
    assert not clients.issues("t")
    assert cause_of(clients.by_token("t")) == "token: of no client"
    clients.replace(Book(ENTRIES), cast("Any", tokens))

    assert clients.issues("t")
    assert not clients.issues("u")
    assert name_of(clients.by_token("t")) == "ci"
    assert cause_of(clients.by_token("u")) == "a cause"
    assert cause_of(clients.by_token("o")) == "the client has expired"


def test_a_client_of_a_token_that_is_gone_is_nobody():
    clients = registry()
    clients.replace(Book([]), cast("Any", SimpleNamespace(client_of=lambda _: "ci")))

    assert cause_of(clients.by_token("t")) == "token: of no client"


def test_nothing_of_a_key_shows():
    clients = registry()
    key = KEYS["alice"][0]
    clients.by_key(key, key)

    shown = f"{clients!r} {clients._book!r} {vars(clients)}"
    assert key[-20:] not in shown
    assert "4 clients" in shown


def test_only_short_values_are_remembered():
    """Else whoever has a key fills the memory with what he writes beside it."""
    clients = registry()
    key = KEYS["alice"][0]
    short, long = f"Bearer {key}", f"Bearer {key} {'x' * 8000}"
    for value in (short, long):
        assert name_of(clients.by_key(key, value)) == "alice"

    assert [name_of(clients.by_value(value)) for value in (short, long)] == ["alice", None]


def test_basic_with_the_longest_key_twice_is_remembered():
    key = new_key("a" * 63)
    clients = Registry(Throttle())
    clients.replace(Book([entry("a" * 63, [key])]))
    value = f"Basic {b64encode(f'{key}:{key}'.encode()).decode()}"
    clients.by_key(key, value)
    assert clients.by_value(value) is not None
