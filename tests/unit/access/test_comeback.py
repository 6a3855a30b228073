"""What a 429 says of its limits."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from proxy.access.comeback import Policy, comeback_fields


CLIENT, ROUTE = Policy("client", 9, 60), Policy("route", 2, 1)


def test_every_policy_is_told_and_those_that_are_full():
    """In their order; the longest wait is the one that counts."""
    assert (
        (b"Retry-After", b"8"),
        (b"RateLimit-Policy", b'"client";q=9;w=60, "route";q=2;w=1'),
        (b"RateLimit", b'"client";r=0;t=8, "route";r=0;t=1'),
    ) == comeback_fields([CLIENT, ROUTE], [(CLIENT, 7.5), (ROUTE, 0.1)])


def test_what_is_not_full_is_not_said_to_be():
    """Its policy is told all the same."""
    fields = dict(comeback_fields([CLIENT, ROUTE], [(ROUTE, 0.1)]))

    assert b'"route";r=0;t=1' == fields[b"RateLimit"]
    assert b'"client";q=9;w=60, "route";q=2;w=1' == fields[b"RateLimit-Policy"]


@pytest.mark.parametrize(("wait_s", "told"), [(0.0, b"1"), (0.9, b"1"), (1.0, b"2"), (59.5, b"60")])
def test_a_whole_second_is_counted_on(wait_s, told):
    """A place is free only after it."""
    assert told == dict(comeback_fields([CLIENT], [(CLIENT, wait_s)]))[b"Retry-After"]


@given(st.floats(0, 86_400))
def test_who_waits_so_long_comes_late_enough(wait_s):
    """By a second at most."""
    told = int(dict(comeback_fields([CLIENT], [(CLIENT, wait_s)]))[b"Retry-After"])

    assert wait_s < told <= wait_s + 1
