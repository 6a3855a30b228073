"""Counts that one process keeps for itself, on a clock that stands still between requests."""

from __future__ import annotations

import pytest

from proxy.access.windows import Windows
from proxy.dataplane.model import Rate


class Clock:
    """Tells the time that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell it."""
        return self.now


@pytest.fixture
def clock():
    """The time."""
    return Clock()


@pytest.fixture
def windows(clock):
    """Counts on that clock."""
    return Windows(clock)


def rate(amount, seconds=60, name="alice", scope="client"):
    return Rate(scope, name, amount, seconds)


async def test_as_many_as_may_be_are_counted(windows, clock):
    """The next one hears when the first of them is old enough."""
    assert [None, None] == [await windows.take(rate(2)) for _ in "ab"]
    clock.now += 23.0

    assert 37.0 == await windows.take(rate(2))


async def test_a_place_is_free_behind_the_window(windows, clock):
    """Not at its very end, for then both would lie in one window."""
    await windows.take(rate(1))

    clock.now += 60.0
    assert 0.0 == await windows.take(rate(1))
    clock.now += 0.001
    assert await windows.take(rate(1)) is None


async def test_the_window_moves_along(windows, clock):
    """It does not begin anew: each place is free when its own request is old enough."""
    for _ in range(3):
        await windows.take(rate(3))
        clock.now += 10.0

    clock.now += 30.5
    assert await windows.take(rate(3)) is None
    assert 9.5 == await windows.take(rate(3))


async def test_a_refused_request_is_not_counted(windows, clock):
    """Who keeps on trying gets through no later."""
    await windows.take(rate(1))
    for _ in range(59):
        clock.now += 1.0
        assert await windows.take(rate(1)) is not None

    clock.now += 1.5
    assert await windows.take(rate(1)) is None


async def test_each_name_and_scope_counts_for_itself(windows):
    """A client may be called like a route."""
    for each in (rate(1), rate(1, name="bob"), rate(1, scope="route")):
        assert await windows.take(each) is None


@pytest.mark.parametrize("before", [0, 1, 2, 3, 5])
async def test_a_request_is_given_back(windows, clock, before):
    """The newest: there is one place more, once, wherever the ring stands."""
    for _ in range(before):
        await windows.take(rate(2, 1))
        clock.now += 0.8
    clock.now += 0.1
    await windows.take(rate(2, 1))
    await windows.take(rate(2, 1))

    await windows.give_back(rate(2, 1))

    assert await windows.take(rate(2, 1)) is None
    assert await windows.take(rate(2, 1)) is not None


async def test_what_was_never_counted_is_given_back_in_vain(windows):
    """No place more than there are."""
    await windows.give_back(rate(1))
    await windows.take(rate(1))
    await windows.give_back(rate(1))
    await windows.give_back(rate(1))

    assert await windows.take(rate(1)) is None
    assert await windows.take(rate(1)) is not None


@pytest.mark.parametrize("moved", [0, 1, 2])
async def test_a_smaller_amount_counts_what_was(windows, clock, moved):
    """The configuration may change: the last requests stay counted."""
    for _ in range(3 + moved):
        clock.now += 21.0
        await windows.take(rate(3))

    assert 39.0 == await windows.take(rate(2))


async def test_a_larger_amount_counts_what_was(windows):
    """There is room for the difference only."""
    for _ in range(2):
        await windows.take(rate(2))

    assert await windows.take(rate(3)) is None
    assert await windows.take(rate(3)) is not None


async def test_windows_at_rest_are_forgotten(windows, clock):
    """Within as many requests as there are windows; those in use stay."""
    for name in range(100):
        await windows.take(rate(1, name=str(name)))
    await windows.take(rate(1, seconds=3600, name="slow"))
    assert 101 == len(windows)

    clock.now += 61.0
    for _ in range(210):
        await windows.take(rate(5))

    assert 2 == len(windows)
    assert await windows.take(rate(1, seconds=3600, name="slow")) is not None
