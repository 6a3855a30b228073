"""Peers that try keys are braked, each by itself."""

from __future__ import annotations

import pytest

from proxy.access.throttle import AMOUNT, Throttle
from proxy.dataplane.errors import ClientKeyInvalid, RateLimited


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        """Tell."""
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def throttle(clock):
    return Throttle(clock)


def statuses(throttle, address, times):
    return [throttle.failed(address, "a cause").status for _ in range(times)]


def test_ten_a_minute_then_no_more(throttle, clock):
    assert statuses(throttle, "127.0.0.1", AMOUNT + 2) == [401] * AMOUNT + [429] * 2
    clock.now += 59.9
    assert statuses(throttle, "127.0.0.1", 1) == [429]
    clock.now += 0.2
    assert statuses(throttle, "127.0.0.1", 2) == [401] * 2


def test_whoever_waits_as_told_is_heard(throttle, clock):
    statuses(throttle, "127.0.0.1", AMOUNT)
    clock.now += 20
    refused = throttle.failed("127.0.0.1", "a cause")

    assert isinstance(refused, RateLimited)
    fields = dict(refused.fields)
    clock.now += int(fields[b"Retry-After"])
    assert isinstance(throttle.failed("127.0.0.1", "a cause"), ClientKeyInvalid)
    assert fields[b"RateLimit-Policy"] == b'"wrong-keys";q=10;w=60'
    assert fields[b"RateLimit"] == b'"wrong-keys";r=0;t=' + fields[b"Retry-After"]


def test_one_peer_does_not_brake_another(throttle):
    statuses(throttle, "127.0.0.1", AMOUNT)

    assert statuses(throttle, "127.0.0.2", 1) == [401]
    assert statuses(throttle, "unix", 1) == [401]


def test_the_addresses_of_one_network_are_one_peer(throttle):
    statuses(throttle, "2001:db8::1", AMOUNT)

    assert statuses(throttle, "2001:db8::2", 1) == [429]
    assert statuses(throttle, "2001:db8:0:1::2", 1) == [401]


def test_ipv4_in_ipv6_is_not_one_network(throttle):
    statuses(throttle, "::ffff:127.0.0.1", AMOUNT)

    assert statuses(throttle, "::ffff:127.0.0.2", 1) == [401]


def test_the_oldest_of_very_many_peers_is_forgotten(throttle):
    statuses(throttle, "first", AMOUNT)
    for number in range(10_000):
        throttle.failed(f"peer-{number}", "a cause")

    assert statuses(throttle, "first", 1) == [401]
    assert len(throttle._failures) == 10_000
