"""Which client asks: keys, tokens and certificates, alone and together."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from proxy.dataplane.authenticate import authenticate
from proxy.dataplane.errors import (
    BadRequest,
    ClientKeyInvalid,
    ClientKeyRequired,
    KeysWanted,
)
from proxy.dataplane.model import Peer, Stranger


KEY, OTHER = "kb_alice_abc", "kb_bob_abc"
TOKEN = "head.payload.signature"
PEER = Peer("127.0.0.1")


@dataclass
class Clients:
    """Knows one key, one token and one certificate, and notes what it is asked."""

    asked: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    failures: int = 0
    known: dict[str, Any] = field(
        default_factory=lambda: {KEY: "alice", TOKEN: "ci", "CN=host": "host", "CN=alice": "alice"}
    )

    def by_value(self, value):
        """Remember nothing but one value, of a client who came before."""
        return "again" if value == "Bearer remembered" else None

    def by_key(self, key, value=""):
        """Look up."""
        self.asked.append(key)
        self.values.append(value)
        return self.known.get(key, Stranger("a cause"))

    def issues(self, token):
        """Take anything of three parts."""
        return token.count(".") == 2

    by_token = by_certificate = by_key

    def failed(self, peer, cause):
        """Count."""
        self.failures += 1
        return ClientKeyInvalid(peer.address, cause=cause)


def who(*values: str, clients: Clients | None = None, certificate: str | None = None) -> str:
    """Return the client that these values of slots are of."""
    peer = Peer("127.0.0.1", certificate)
    return cast("str", authenticate(cast("Any", clients or Clients()), values, peer))


def basic(pair: str) -> str:
    return f"Basic {b64encode(pair.encode()).decode()}"


@pytest.mark.parametrize(
    "value",
    [
        KEY,
        f"Bearer {KEY}",
        f"bearer   {KEY}",
        f"token {KEY}",
        f"Token token={KEY}".replace("token=", ""),
        basic(f"alice:{KEY}"),
        basic(f"{KEY}:"),
        basic(f"{KEY}:x-oauth-basic"),
        basic(f"{KEY}:{KEY}"),
        f"Bearer {KEY}, Bearer {KEY}",
    ],
)
def test_a_key_is_found_in_every_dress(value):
    assert who(value) == "alice"


@pytest.mark.parametrize(
    "dummy", ["", "dummy", "Bearer dummy", basic("me:dummy"), "Basic %%%", "Basic", "Bearer a.b"]
)
def test_a_dummy_in_another_slot_does_no_harm(dummy):
    assert who(dummy, KEY) == who(KEY, dummy) == "alice"


def test_what_came_before_is_known_at_sight():
    clients = Clients()
    assert who("Bearer remembered", clients=clients) == "again"
    assert clients.asked == []


@pytest.mark.parametrize(
    ("values", "certificate"),
    [(("Bearer remembered", "x"), None), (("Bearer remembered",), "CN=x")],
)
def test_but_not_beside_anything_else(values, certificate):
    """Which may be of another client."""
    with pytest.raises(ClientKeyRequired):
        who(*values, certificate=certificate)


@pytest.mark.parametrize(
    ("values", "remembered"), [((f"Bearer {KEY}",), f"Bearer {KEY}"), ((KEY, "dummy"), "")]
)
def test_one_value_alone_may_be_remembered(values, remembered):
    clients = Clients()
    who(*values, clients=clients)
    assert clients.values == [remembered]


def test_the_same_key_may_come_twice():
    assert who(f"Bearer {KEY}", basic(f"x:{KEY}")) == "alice"


@pytest.mark.parametrize(
    "values",
    [(KEY, OTHER), (KEY, "kb_"), (basic(f"{KEY}:{OTHER}"),), (f"Bearer {TOKEN}", KEY)],
)
def test_two_different_ones_are_refused_unasked(values):
    clients = Clients()
    with pytest.raises(BadRequest):
        who(*values, clients=clients)
    assert clients.asked == []


@pytest.mark.parametrize("values", [(), ("",), ("dummy",), ("Bearer a.b",), (basic("a:b"),)])
def test_none_is_a_challenge_and_no_failure(values):
    clients = Clients()
    with pytest.raises(ClientKeyRequired) as refused:
        who(*values, clients=clients)

    challenges = [value for name, value in refused.value.fields if name == b"WWW-Authenticate"]
    assert [challenge.split()[0] for challenge in challenges] == [b"Basic", b"Bearer"]
    assert clients.failures == 0


@pytest.mark.parametrize("value", [OTHER, "kb_", f"Bearer {OTHER}", basic(f"a:{OTHER}")])
def test_a_wrong_one_is_a_failure(value):
    clients = Clients()
    with pytest.raises(ClientKeyInvalid) as refused:
        who(value, clients=clients)
    assert (clients.failures, refused.value.cause) == (1, "a cause")


def test_a_token_of_an_issuer_is_taken():
    assert who(f"Bearer {TOKEN}") == "ci"


def test_a_token_counts_as_bearer_alone():
    with pytest.raises(ClientKeyRequired):
        who(TOKEN)


def test_a_token_that_is_not_valid_is_a_failure():
    clients = Clients()
    with pytest.raises(ClientKeyInvalid) as refused:
        who("Bearer a.b.c", clients=clients)
    assert (clients.failures, refused.value.cause) == (1, "a cause")


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        (("", f"bearer {TOKEN}"), "token: of no configured issuer"),
        ((f"Bearer {TOKEN}.x",), ""),
        (("Bearer a.b",), ""),
        ((TOKEN,), ""),
        ((basic("a.b:c.d"),), ""),
        ((), ""),
    ],
)
def test_a_token_that_is_passed_over_is_told_to_the_log(values, cause):
    class Issuerless(Clients):
        def issues(self, token):
            return False

    with pytest.raises(ClientKeyRequired) as refused:
        who(*values, clients=Issuerless())
    assert refused.value.cause == cause


def test_keys_that_are_wanted_are_asked_for():
    class Wanting(Clients):
        def by_token(self, token, value=""):
            raise KeysWanted(cast("Any", None))

    with pytest.raises(KeysWanted):
        who(f"Bearer {TOKEN}", clients=Wanting())


def test_a_certificate_is_enough():
    assert who(certificate="CN=host") == "host"


def test_a_certificate_of_nobody_is_asked_for_a_key():
    clients = Clients()
    with pytest.raises(ClientKeyRequired) as refused:
        who(certificate="CN=somebody", clients=clients)
    assert (clients.failures, refused.value.cause) == (0, "a cause")


def test_a_key_counts_with_a_certificate_of_nobody():
    assert who(KEY, certificate="CN=somebody") == "alice"


def test_a_wrong_key_is_wrong_with_a_good_certificate_too():
    with pytest.raises(ClientKeyInvalid):
        who(OTHER, certificate="CN=host")


def test_a_key_and_a_certificate_of_one_client_agree():
    assert who(KEY, certificate="CN=alice") == "alice"


def test_a_key_and_a_certificate_of_two_clients_do_not():
    with pytest.raises(BadRequest):
        who(KEY, certificate="CN=host")


def test_what_is_too_long_for_a_key_is_not_looked_at():
    with pytest.raises(ClientKeyRequired):
        who("Bearer kb_" + "a" * 10_000)
