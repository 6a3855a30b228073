"""Where a client's key is looked for."""

from __future__ import annotations

import pytest

from proxy.dataplane.slots import Slots


@pytest.mark.parametrize(
    "name",
    [b"Authorization", b"authorization", b"Proxy-Authorization", b"Access-Token", b"X_API-Key"],
)
def test_the_slots_of_every_route(make_head, name):
    head = make_head((b"Host", b"x"), (name, b"Bearer a"))

    assert Slots().values(head, None) == ["Bearer a"]


@pytest.mark.parametrize("name", [b"Cookie", b"Host", b"X-Key", b"Private-Token"])
def test_other_fields_are_none(make_head, name):
    assert Slots().values(make_head((name, b"a")), None) == []


def test_a_route_has_slots_of_its_own(make_head):
    slots = Slots(["X-Key"], ["api-key"])
    head = make_head((b"x_key", b"a"), (b"Authorization", b"b"))

    assert slots.values(head, "q=1&API_KEY=kb%5Fc&api_key") == ["a", "b", "kb_c", ""]


def test_a_query_counts_only_where_the_credential_goes_into_it(make_head):
    assert Slots().values(make_head(), "api_key=a&access_token=b") == []


def test_all_of_several_are_found_in_order(make_head):
    head = make_head((b"Authorization", b"a"), (b"X-Api-Key", b"b"), (b"authorization", b"c"))

    assert Slots().values(head, None) == ["a", "b", "c"]


def test_a_value_that_is_no_text_is_found_too(make_head):
    assert Slots().values(make_head((b"X-Api-Key", b"\xff")), None) == ["\xff"]
