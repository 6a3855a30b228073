"""Which requests ask for a tunnel."""

from __future__ import annotations

import pytest

from proxy.dataplane.upgrade import wanted


ALLOWED = frozenset({"websocket"})
UPGRADE = (b"Upgrade", b"websocket")
CONNECTION = (b"Connection", b"Upgrade")

ASKED = {
    "plain": [UPGRADE, CONNECTION],
    "any case": [(b"uPGRADE", b"WebSocket"), (b"CONNECTION", b"upGrade")],
    "among others": [UPGRADE, (b"Connection", b"keep-alive, Upgrade,x")],
    "in a second field": [UPGRADE, (b"Connection", b"keep-alive"), CONNECTION],
    "with blanks and empty members": [
        (b"Upgrade", b" websocket\t,"), (b"Connection", b",\tupgrade ,"),
    ],
}  # fmt: skip

NOT_ASKED = {
    "no Upgrade": [CONNECTION],
    "no Connection": [UPGRADE],
    "Connection names something else": [UPGRADE, (b"Connection", b"upgrades, xupgrade")],
    "another protocol": [(b"Upgrade", b"h2c"), CONNECTION],
    "a version behind it": [(b"Upgrade", b"websocket/13"), CONNECTION],
    "two protocols": [(b"Upgrade", b"websocket, h2c"), CONNECTION],
    "two protocols, the other way round": [(b"Upgrade", b"h2c, websocket"), CONNECTION],
    "the same twice": [(b"Upgrade", b"websocket, websocket"), CONNECTION],
    "two fields": [UPGRADE, (b"Upgrade", b"h2c"), CONNECTION],
    "an empty field": [(b"Upgrade", b""), CONNECTION],
    "a Kelvin sign for the k": [(b"Upgrade", "webSoc\u212aet".encode()), CONNECTION],
    "a NUL behind it": [(b"Upgrade", b"websocket\0"), CONNECTION],
}


def spelled(fields):
    """Return fields with the blanks around their values gone, as a parser hands them on."""
    return [(name, value.strip(b" \t")) for name, value in fields]


@pytest.mark.parametrize("fields", ASKED.values(), ids=ASKED)
def test_one_allowed_protocol_is_asked_for(make_head, fields):
    """In any spelling that HTTP has for it."""
    assert "websocket" == wanted(make_head(*spelled(fields)), ALLOWED)


@pytest.mark.parametrize("fields", NOT_ASKED.values(), ids=NOT_ASKED)
def test_anything_else_is_an_ordinary_request(make_head, fields):
    """Nothing, something else, or more than one thing."""
    assert None is wanted(make_head(*spelled(fields)), ALLOWED)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "POST"},
        {"method": "HEAD"},
        {"method": "get"},
        {"version": (1, 0)},
        {"version": (2, 0)},
        {"length": 1},
        {"chunked": True},
    ],
    ids=str,
)
def test_only_a_get_of_http_1_1_without_a_body_asks(make_head, changes):
    """A body would stand where the other protocol begins."""
    assert None is wanted(make_head(UPGRADE, CONNECTION, **changes), ALLOWED)


def test_a_length_of_nothing_is_no_body(make_head):
    """Some clients say so with every request."""
    assert "websocket" == wanted(make_head(UPGRADE, CONNECTION, length=0), ALLOWED)


def test_a_route_without_protocols_tunnels_nothing(make_head):
    """`upgrade: []`."""
    assert None is wanted(make_head(UPGRADE, CONNECTION), frozenset())
