"""Callers over a reload."""

from __future__ import annotations

import pytest

from proxy.config.client import ClientConfig
from proxy.dataplane.errors import Overloaded
from proxy.process.callers import Callers


def config(concurrency):
    """Return a client."""
    keys = {"key": "sha256:" + "a" * 64, "routes": "*", "concurrency": concurrency}
    return ClientConfig.model_validate(keys)


@pytest.fixture
def callers():
    """Makes callers without credentials of their own."""
    return Callers(lambda _route, _credential: pytest.fail("no client has one"))


def gauge(callers, concurrency):
    """Return alice's gauge, in use."""
    client = config(concurrency)
    entry = callers.entry("alice", client)
    for each, limit in callers.new_limits([(client, entry)]):
        each.limit = limit
    return entry.caller.gauge


def test_a_gauge_goes_on_counting(callers):
    """Also if its limit changes, and if there was none for a while."""
    first = gauge(callers, "2")
    first.enter()
    assert gauge(callers, "none") is None
    callers.forget(callers.gone(but={"alice"}))
    again = gauge(callers, "1")

    with pytest.raises(Overloaded):
        again.enter()
    first.leave()
    again.enter()


def test_who_is_gone_is_forgotten_when_nothing_is_under_way(callers):
    """Else names that come and go would pile up."""
    first = gauge(callers, "1")
    first.enter()
    callers.forget(callers.gone(but=()))
    same = gauge(callers, "1")
    first.leave()
    callers.forget(callers.gone(but=()))

    assert same is first
    assert gauge(callers, "1") is not first


def test_a_limit_changes_no_sooner_than_it_is_in_use(callers):
    """What is made may come to nothing; then requests go on under the old limit."""
    first = gauge(callers, "1")
    client = config("2")
    entry = callers.entry("alice", client)

    assert (first, 1) == (entry.caller.gauge, first.limit)
    assert [(first, 2)] == callers.new_limits([(client, entry)])
    assert callers.new_limits([(config("1"), entry)]) == []
