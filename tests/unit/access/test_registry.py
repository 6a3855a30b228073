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
    return None if caller is None else caller.name


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
}


@pytest.mark.parametrize("kind", WRONG)
def test_unknown_wrong_and_expired_keys_run_the_same_comparisons(kind):
    comparing = Comparing()
    clients = registry(comparing)

    for _ in range(2):
        comparing.sizes.clear()
        assert clients.by_key(WRONG[kind]) is None
        assert comparing.sizes == [(32, 32)] * 3


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

    assert clients.by_key(OLD) is None
    assert clients.by_value(OLD) is None


def test_a_revoked_key_is_forgotten_with_the_clients():
    clients = registry()
    key = KEYS["alice"][0]
    assert clients.by_key(key, key) is not None
    clients.replace(Book(ENTRIES[1:]))

    assert clients.by_key(key) is None
    assert clients.by_value(key) is None


def test_a_certificate_belongs_to_a_client():
    clients = registry()

    assert name_of(clients.by_certificate("CN=bob")) == "bob"
    assert clients.by_certificate("CN=old") is None
    assert clients.by_certificate("CN=nobody") is None


def test_a_token_belongs_to_a_client():
    tokens = SimpleNamespace(issues=lambda token: token == "t", client_of={"t": "ci"}.get)
    clients = registry()
    assert not clients.issues("t")
    assert clients.by_token("t") is None
    clients.replace(Book(ENTRIES), cast("Any", tokens))

    assert clients.issues("t")
    assert not clients.issues("u")
    assert name_of(clients.by_token("t")) == "ci"
    assert clients.by_token("u") is None


def test_a_client_of_a_token_that_is_gone_is_nobody():
    clients = registry()
    clients.replace(Book([]), cast("Any", SimpleNamespace(client_of=lambda _: "ci")))

    assert clients.by_token("t") is None


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
