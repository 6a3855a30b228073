"""The garbage collector's pace while much is made."""

from __future__ import annotations

import gc
import sys

import pytest

from proxy.process.loop import GC_PACE, calm_gc, much_that_stays, short_turns


def overlap(make):
    """Enter two contexts, and leave the first one first."""
    first, second = make(), make()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)


@pytest.fixture
def frozen():
    """A process that has called `calm_gc`."""
    pace = gc.get_threshold()
    calm_gc()
    yield
    gc.unfreeze()
    gc.set_threshold(*pace)


def test_calm_looks_for_nothing_itself(frozen):
    """What a start has made stays; looking through it would be a part of the start."""
    stays = [[each] for each in range(1000)]
    before, counts = gc.get_freeze_count(), gc.get_stats()
    calm_gc()

    assert gc.get_freeze_count() >= before + len(stays)
    assert (counts, GC_PACE) == (gc.get_stats(), gc.get_threshold())


def test_what_stays_is_left_out_of_later_collections(frozen):
    """And garbage of the time is not."""
    before, pace = gc.get_freeze_count(), gc.get_threshold()
    with much_that_stays():
        made = [[each] for each in range(1000)]
        knot: list[object] = []
        knot.append(knot)
        del knot

    assert gc.get_freeze_count() >= before + len(made)
    assert pace == gc.get_threshold()


def test_the_pace_is_back_after_a_fault(frozen):
    """A file that is not valid, say."""
    pace = gc.get_threshold()
    with pytest.raises(KeyError), much_that_stays():
        raise KeyError

    assert pace == gc.get_threshold()


def test_without_calm_nothing_is_left_out():
    """In a process that is not ours alone, or is only starting."""
    gc.unfreeze()
    pace = gc.get_threshold()
    with much_that_stays():
        assert pace[1] < gc.get_threshold()[1]

    assert (0, pace) == (gc.get_freeze_count(), gc.get_threshold())


def test_the_pace_is_back_after_two_that_overlap(frozen):
    """Two services of one process may read at once; the first ends first."""
    pace = gc.get_threshold()
    overlap(much_that_stays)

    assert pace == gc.get_threshold()


def test_a_pace_that_is_set_meanwhile_stays(frozen):
    """A start that ends while something is read, say."""
    gc.set_threshold(5_000, 7, 9)
    with much_that_stays():
        calm_gc()

    assert GC_PACE == gc.get_threshold()


def test_turns_are_as_before_after_two_that_overlap():
    """And a length that is set meanwhile stays."""
    before = sys.getswitchinterval()
    overlap(short_turns)
    behind = sys.getswitchinterval()
    try:
        with short_turns():
            sys.setswitchinterval(0.125)
        meanwhile = sys.getswitchinterval()
    finally:
        sys.setswitchinterval(before)

    assert (before, 0.125) == (behind, meanwhile)


def test_threads_take_short_turns_meanwhile():
    """And the old ones behind it, also after a fault."""
    before = sys.getswitchinterval()
    with short_turns():
        meanwhile = sys.getswitchinterval()
    with pytest.raises(KeyError), short_turns():
        raise KeyError

    assert meanwhile < before
    assert before == sys.getswitchinterval()
