"""One coarse timer for every wait."""

from __future__ import annotations

import pytest

from proxy.upstream.sweep import Sweep


TICK_S = 0.5


class Clock:
    """A loop whose time a test moves."""

    def __init__(self):
        self.now = 0.0
        self.timers = []
        self.faults = []

    def call_exception_handler(self, context):
        """Remember a fault."""
        self.faults.append(context["exception"])

    def time(self):
        """Return the time."""
        return self.now

    def call_later(self, delay, callback):
        """Remember a timer."""
        self.timers.append((self.now + delay, callback))
        return object()

    def tick(self):
        """Move to the only timer and call it."""
        [(self.now, callback)], self.timers = self.timers, []
        callback()


class Wait:
    """Something that waits; expiring removes it, as a connection does."""

    def __init__(self, sweep, deadline):
        self.sweep = sweep
        self.deadline = deadline
        self.expired = 0
        sweep.add(self)

    def expire(self):
        """Count."""
        self.expired += 1
        self.sweep.discard(self)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sweep(clock):
    return Sweep(clock, TICK_S)


def test_only_what_is_late_expires(clock, sweep):
    """One tick late at most, once, and never what has no deadline."""
    waits = [Wait(sweep, deadline) for deadline in (0.4, 0.9, 1.4, None)]
    told = []
    for _ in range(3):
        clock.tick()
        told.append([wait.expired for wait in waits])

    assert [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]] == told
    assert 1 == len(sweep)


def test_a_deadline_that_moves_is_looked_at_anew(clock, sweep):
    """Every byte moves it."""
    wait = Wait(sweep, 0.4)
    wait.deadline = 0.8
    clock.tick()
    early = wait.expired
    clock.tick()

    assert (0, 1) == (early, wait.expired)


def test_nothing_ticks_while_nothing_waits(clock, sweep):
    """And it begins again with the next wait."""
    wait = Wait(sweep, None)
    one_timer = len(clock.timers)
    Wait(sweep, 0.1)
    still_one = len(clock.timers)
    sweep.discard(wait)
    clock.tick()
    none = len(clock.timers)
    later = Wait(sweep, 0.2)
    clock.tick()

    assert (1, 1, 0, 1) == (one_timer, still_one, none, later.expired)


class Broken(Wait):
    """Cannot be ended."""

    def expire(self):
        """Fail."""
        self.expired += 1
        raise ValueError


def test_a_fault_in_one_wait_does_not_keep_the_others(clock, sweep):
    """Those of the same tick and those of the next; and the fault is told."""
    broken = [Broken(sweep, 0.1), Broken(sweep, 0.1)]
    waits = [Wait(sweep, deadline) for deadline in (0.1, 0.1, 0.6)]
    told = []
    for _ in range(2):
        clock.tick()
        told.append([wait.expired for wait in waits])

    assert [[1, 1, 0], [1, 1, 1]] == told
    assert [2, 2] == [wait.expired for wait in broken]
    assert [ValueError] * 4 == [type(fault) for fault in clock.faults]


def test_the_end_of_the_process_leaves_the_timer_set(clock, sweep):
    """Whatever a wait raises, what is left is looked at again."""

    class Ending(Wait):
        def expire(self):
            self.sweep.discard(self)
            raise KeyboardInterrupt

    Ending(sweep, 0.1)
    later = Wait(sweep, 0.6)
    with pytest.raises(KeyboardInterrupt):
        clock.tick()
    clock.tick()

    assert (1, []) == (later.expired, clock.faults)
