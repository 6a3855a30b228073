"""Where a client's key is looked for."""

from __future__ import annotations

import pytest

from proxy.dataplane.headers import RequestRules, Stripping
from proxy.dataplane.model import Entrance, Peer
from proxy.upstream.origin import Origin


ENTRANCE = Entrance("shared", "http", "localhost")


def offered(head, *headers, query="", parameters=()):
    """Return what stands in the slots of a request, of a route whose credential goes there."""
    stripping = Stripping(frozenset(headers), frozenset(parameters))
    rules = RequestRules(Origin.parse("https://api.example.org"), stripping)
    return rules.fields(head, ENTRANCE, Peer("unix"), ours=False)[2] + rules.offered_in(query)


@pytest.mark.parametrize(
    "name",
    [b"Authorization", b"authorization", b"Proxy-Authorization", b"Access-Token", b"X_API-Key"],
)
def test_the_slots_of_every_route(make_head, name):
    head = make_head((b"Host", b"x"), (name, b"Bearer a"))

    assert offered(head) == ["Bearer a"]


@pytest.mark.parametrize("name", [b"Cookie", b"Host", b"X-Key", b"Private-Token"])
def test_other_fields_are_none(make_head, name):
    assert offered(make_head((name, b"a"))) == []


KEY = "kb_alice_" + "a" * 49
DUMMIES = ["dummy", "kb_theme=dark", "kb_alice_short", f"x{KEY}", f"{KEY[:48]}!"]


@pytest.mark.parametrize("name", [b"Cookie", b"x_auth_token", b"Private-Token", b"X-Vault-Token"])
def test_a_key_is_found_in_every_field_that_is_stripped(make_head, name):
    """But nothing else: a dummy there does not stand in the way of a key in another slot."""
    value = f"kb_theme=dark; session={KEY}; a=b".encode()

    assert [KEY] == offered(make_head((name, value)))
    assert [] == offered(make_head(*((name, dummy.encode()) for dummy in DUMMIES)))


@pytest.mark.parametrize(
    "name", ["access_token", "Access-Token", "token", "api%5Fkey", "auth_token"]
)
def test_a_key_is_found_in_every_parameter_that_is_stripped(make_head, name):
    query = f"a={KEY}&{name}=dummy&{name}={KEY.replace('_', '%5F')}&b"

    assert [KEY] == offered(make_head(), query=query)


def test_what_a_route_keeps_or_strips_besides_is_known(make_head):
    """What is kept would be passed on, and so is no slot; what is stripped is one."""
    stripping = Stripping(
        headers=frozenset({"X-Old"}),
        parameters=frozenset({"sig"}),
        keep=frozenset({"Cookie", "token"}),
    )
    rules = RequestRules(Origin.parse("https://api.example.org"), stripping)
    head = make_head((b"Cookie", KEY.encode()), (b"X-Old", KEY.encode()))

    assert [KEY] == rules.fields(head, ENTRANCE, Peer("unix"), ours=False)[2]
    assert [KEY] == rules.offered_in(f"token={KEY}&sig={KEY}")


def test_a_route_has_slots_of_its_own(make_head):
    head = make_head((b"x_key", b"a"), (b"Authorization", b"b"))
    query = "q=1&API_KEY=kb%5Fc&api_key"

    assert offered(head, "X-Key", query=query, parameters=["api-key"]) == ["a", "b", "kb_c", ""]


def test_a_query_counts_only_where_the_credential_goes_into_it(make_head):
    assert offered(make_head(), query="api_key=a&access_token=b") == []


def test_all_of_several_are_found_in_order(make_head):
    head = make_head((b"Authorization", b"a"), (b"X-Api-Key", b"b"), (b"authorization", b"c"))

    assert offered(head) == ["a", "b", "c"]


def test_a_value_that_is_no_text_is_found_too(make_head):
    assert offered(make_head((b"X-Api-Key", b"\xff"))) == ["\xff"]
