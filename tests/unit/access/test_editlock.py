"""Who waits for another editor hears of it, and not for ever."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

import pytest

from proxy.access.editlock import AGAIN_S, GIVE_UP_S, TOLD_S, BusyError, Patience, locked


class Time:
    """Passes when somebody sleeps.

    Attributes:
        now: seconds.
        told: when it was told that there is a wait.
        then: what happens when the clock shows a time.
    """

    def __init__(self):
        self.now = 1000.0
        self.told = []
        self.then = []

    def sleep(self, seconds):
        """Let time pass."""
        self.now += seconds
        for at, what in self.then:
            if self.now - seconds < at <= self.now:
                what()

    @property
    def patience(self):
        """To wait by this time."""
        return Patience(lambda: self.told.append(self.now), now=lambda: self.now, sleep=self.sleep)


def open_now():
    """Return what is open."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def other(tmp_path):
    """Another editor, which holds the lock until it is closed."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        yield stack


def test_a_free_lock_is_taken_at_once(tmp_path, time):
    with (
        locked(tmp_path, time.patience),
        pytest.raises(BusyError),
        locked(tmp_path, Time().patience),
    ):
        pytest.fail("somebody else has it")

    assert (1000.0, []) == (time.now, time.told)


def test_a_lock_is_free_after_the_block(tmp_path, time):
    """Also one that failed."""
    with pytest.raises(ValueError, match="edit"), locked(tmp_path, time.patience):
        raise ValueError("edit")
    with locked(tmp_path, time.patience):
        pass

    assert time.now == 1000.0


def test_a_short_wait_is_not_told(tmp_path, time, other):
    time.then.append((1000.0 + TOLD_S - 2 * AGAIN_S, other.close))

    with locked(tmp_path, time.patience):
        assert time.now < 1000.0 + TOLD_S

    assert [] == time.told


def test_a_long_wait_is_told_once(tmp_path, time, other):
    time.then.append((1000.0 + GIVE_UP_S - 2 * AGAIN_S, other.close))

    with locked(tmp_path, time.patience):
        assert time.now < 1000.0 + GIVE_UP_S

    (told,) = time.told
    assert 0 <= told - 1000.0 - TOLD_S < 2 * AGAIN_S


def test_a_wait_ends(tmp_path, time, other):
    """And leaves nothing open; the lock is the other editor's as before."""
    before = open_now()

    with pytest.raises(BusyError), locked(tmp_path, time.patience):
        pytest.fail("somebody else has it")

    assert 0 <= time.now - 1000.0 - GIVE_UP_S < 2 * AGAIN_S
    assert before == open_now()
    other.close()
    with locked(tmp_path, Time().patience):
        pass
