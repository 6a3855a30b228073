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
