"""Laws of the audit's line: one JSON object, whatever a client has sent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from proxy.dataplane.audit import audit_line
from proxy.dataplane.keymask import masked


CANARY = "Canary7wQz4LmX2pR9sT0vB3nK6hJ8dF5gC1yAeUiOoPlMqW"
TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
MAYBE = st.none() | TEXTS
FIELDS = {
    "request_id": TEXTS,
    "client": MAYBE,
    "peer": TEXTS,
    "route": MAYBE,
    "method": TEXTS,
    "path": TEXTS,
    "decision": st.sampled_from(["allow", "deny", "error"]),
    "rule": MAYBE,
    "credential": MAYBE,
    "status": st.integers(0, 999),
    "error": MAYBE,
}
PLAIN = {
    "request_id": "id",
    "client": "alice",
    "peer": "127.0.0.1",
    "route": "api",
    "method": "GET",
    "path": "/a",
    "decision": "allow",
    "rule": None,
    "credential": "org",
    "status": 200,
    "error": None,
}


def line(**fields):
    """Return a line."""
    return audit_line("2026-01-01T00:00:00.000Z", **PLAIN | fields)


@given(st.fixed_dictionaries(FIELDS))
def test_whatever_is_told_comes_back_from_the_line(fields):
    """In this order, the path without what is behind it."""
    told = line(**fields)

    path = masked(fields["path"].partition("?")[0].partition("#")[0])
    expected = {"ts": "2026-01-01T00:00:00.000Z", "event": "audit", **fields, "path": path}
    assert expected == json.loads(told)
    assert ["ts", "event", *FIELDS] == list(json.loads(told))
    assert 1 == len(told.splitlines())


@pytest.mark.parametrize("path", ["/a?{}", "/a#{}", "/a#x?{}", "/a?b#{}", "/kb_alice_{}", "{}?"])
def test_no_key_and_no_query_is_told(path):
    """The last is the control: a canary in the path itself is found."""
    told = line(path=path.format(CANARY)).decode()

    assert (path == "{}?") == (CANARY in told)
