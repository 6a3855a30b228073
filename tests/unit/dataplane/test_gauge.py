"""Requests at once."""

from __future__ import annotations

import pytest

from proxy.dataplane.errors import TooManyAtOnce
from proxy.dataplane.gauge import NO_PLACES, Gauge, Places


def test_as_many_as_the_limit_may_be_under_way():
    gauge = Gauge(2, "routes.a.limits.concurrency")
    with Places((gauge,)), Places((gauge,)):
        assert gauge.taken == 2
        with pytest.raises(TooManyAtOnce) as refused, Places((gauge,)):
            pytest.fail("it got in")

    assert gauge.taken == 0
    assert refused.value.rule == "routes.a.limits.concurrency"
    assert not refused.value.close
    assert (b"Retry-After", b"1") in refused.value.fields


def test_a_place_that_is_not_used_is_given_back():
    """The route has room, the client has none."""
    route, client = Gauge(5, "route"), Gauge(0, "client")
    with pytest.raises(TooManyAtOnce), Places((route, client)):
        pytest.fail("it got in")

    assert (route.taken, client.taken) == (0, 0)


def test_a_failure_gives_the_places_back():
    gauge = Gauge(1, "route")
    with pytest.raises(RuntimeError), Places((gauge,)):
        raise RuntimeError

    assert gauge.taken == 0


def test_no_places_can_be_taken_by_all():
    with NO_PLACES, NO_PLACES:
        pass
