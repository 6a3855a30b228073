"""Whose claims they are, and when."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from proxy.access.claims import ends, flaw
from tests.unit.access.issuer_rig import NOW, payload, rule


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=5,
)


def meets(asked, claims, now):
    """Tell whether claims have no flaw."""
    return flaw(asked, claims, now) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"iss": "x", "aud": "x", "role": "y", "exp": 1}, "another issuer"),
        ({"aud": "x", "role": "y", "exp": 1}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"role": "y", "exp": 1}, "not the client's claims"),
        ({"role": None}, "not the client's claims"),
        ({"exp": None, "nbf": NOW + 99}, "a date that is missing or no number"),
        ({"exp": "1"}, "a date that is missing or no number"),
        ({"nbf": "1", "exp": 1}, "a date that is missing or no number"),
        ({"iat": True}, "a date that is missing or no number"),
        ({"exp": 1, "nbf": NOW + 99}, "expired"),
        ({"nbf": NOW + 31}, "not yet valid"),
        ({"iat": NOW + 31}, "not yet valid"),
        ({}, None),
    ],
)
def test_the_first_flaw_is_told(changes, told):
    """In the order in which whoever has set up the client would look."""
    assert flaw(rule(claims={"role": "x"}), payload(**{"role": "x"} | changes), NOW) == told


@pytest.mark.parametrize(
    ("change", "now", "good"),
    [
        ({"exp": 100}, 129.9, True),
        ({"exp": 100}, 130, False),
        ({"exp": 100.5}, 130.4, True),
        ({"exp": 100.5}, 130.5, False),
        ({"exp": 10**31}, NOW, True),
        ({"exp": 1000, "nbf": 100}, 70, True),
        ({"exp": 1000, "nbf": 100}, 69.9, False),
        ({"exp": 1000, "iat": 100}, 70, True),
        ({"exp": 1000, "iat": 100}, 69.9, False),
    ],
)
def test_the_leeway_has_exact_edges(change, now, good):
    """On `exp` a token is over, on `nbf` and `iat` it has begun."""
    assert meets(rule(), payload(**change), now) is good


def test_the_end_is_where_it_is_met_no_longer():
    """What is remembered until then is not remembered too long."""
    claims = payload(exp=100)

    assert not meets(rule(), claims, ends(rule(), claims))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["9999999999", True, False, [1], {}, ""])
def test_a_date_is_a_number(name, value):
    """A text in digits, or a boolean (an int to Python), is none."""
    assert not meets(rule(), payload(**{name: value}), NOW)


def test_the_end_is_asked_for():
    """A token for ever is none."""
    assert not meets(rule(), payload(exp=None), NOW)
    assert not meets(rule(), payload() | {"exp": None}, NOW)


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("keybearer", True),
        (["x", "keybearer"], True),
        (["keybearer", 1], False),
        ([["keybearer"]], False),
        ([], False),
        ("keybearer ", False),
        ("Keybearer", False),
        ("xkeybearerx", False),
        ({"keybearer": 1}, False),
        (None, False),
    ],
)
def test_the_audience(value, good):
    """One text, or texts that hold it."""
    assert meets(rule(), payload(aud=value), NOW) is good


@pytest.mark.parametrize("value", ["https://issuer.example/", "HTTPS://issuer.example", ["x"], 1])
def test_the_issuer_to_the_letter(value):
    """RFC 7519 4.1.1: compared as a text."""
    assert not meets(rule(), payload(iss=value), NOW)


@pytest.mark.parametrize(
    ("value", "text", "good"),
    [
        ("org/app", "org/app", True),
        ("org/app2", "org/app", False),
        ("ORG/app", "org/app", False),
        (["x", "org/app"], "org/app", True),
        ([["org/app"]], "org/app", False),
        (True, "true", True),
        (True, "1", False),
        (True, "True", False),
        ("true", "true", True),
        (17, "17", True),
        (17, "17.0", False),
        (1.5, "1.5", True),
        ([1, 2], "2", True),
        (None, "null", False),
        ({"org/app": 1}, "org/app", False),
        ("", "", True),
    ],
)
def test_a_configured_claim(value, text, good):
    """Texts as they are, numbers and booleans as JSON, of a list one."""
    told = payload() | {"repository": value}

    assert meets(rule(claims={"repository": text}), told, NOW) is good


def test_every_configured_claim_counts():
    """One that is missing is not met, not even by an empty text."""
    asked = rule(claims={"a": "1", "b": ""})

    assert meets(asked, payload(a="1", b=""), NOW)
    assert not meets(asked, payload(a="1"), NOW)


@given(st.dictionaries(st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "role"]), JSON))
def test_any_claims_get_a_verdict(changes):
    """And a good one only if every one of them is right by itself."""
    claims = payload(role="x") | changes
    asked = rule(claims={"role": "x"})

    together = meets(asked, claims, NOW)

    alone = [meets(asked, payload(role="x") | {n: v}, NOW) for n, v in changes.items()]
    assert together is all(alone)
