"""Laws of the decision to tunnel, against an own model of it."""

from __future__ import annotations

from hypothesis import example, given, strategies as st
from multidict import CIMultiDict

from proxy.dataplane.model import Head
from proxy.dataplane.upgrade import wanted


ALLOWED = frozenset({"websocket", "other"})
TOKENS = st.sampled_from(["websocket", "WebSocket", "OTHER", "h2c", "upgrade", "close", "", "x y"])
VALUES = st.lists(st.tuples(st.sampled_from(["", " ", "\t"]), TOKENS), max_size=3).map(
    lambda pairs: ",".join(blank + token + blank for blank, token in pairs)
)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["Upgrade", "upgrade", "Connection", "X-Upgrade"]), VALUES | st.text()
    ),
    max_size=5,
)


def members(fields, name):
    """Return what the fields of a name list, all of them one list (RFC 9110 5.3)."""
    values = [value for field, value in fields if field.lower() == name]
    return [m.strip(" \t").lower() for value in values for m in value.split(",") if m.strip(" \t")]


@given(
    FIELDS,
    st.sampled_from(["GET", "POST", "HEAD"]),
    st.sampled_from([(1, 1), (1, 0)]),
    st.sampled_from([None, 0, 5]),
    st.booleans(),
)
@example([("Upgrade", "WebSocket"), ("Connection", "Upgrade")], "GET", (1, 1), None, False)
def test_a_tunnel_is_opened_for_one_allowed_protocol_and_nothing_else(
    fields, method, version, length, chunked
):
    """Whatever the fields hold: what is returned is asked for, alone, and allowed."""
    head = Head(method, "/", version, (), CIMultiDict(fields), length, chunked, True)

    protocol = wanted(head, ALLOWED)

    asked, named = members(fields, "upgrade"), members(fields, "connection")
    plain = method == "GET" and version == (1, 1) and not length and not chunked
    if plain and len(asked) == 1 and asked[0] in ALLOWED and "upgrade" in named:
        assert asked[0] == protocol
    else:
        assert None is protocol
