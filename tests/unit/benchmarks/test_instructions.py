"""What is made of cachegrind's counts."""

from __future__ import annotations

import pytest

from benchmarks.cachegrind import Child, CountError, per_time, total
from benchmarks.counted import ASKED, REFERENCE, UNASKED
from benchmarks.instructions import counted, key_check, load_stored, markdown
from benchmarks.pure_path import HEADS


STORED = dict.fromkeys(HEADS, 0.5)


def counts(one=100.0, many=100.0):
    """Counts that are the same for every kind; the reference takes 200."""
    requests = {(kind, 1): one for kind in HEADS} | {(kind, 100): many for kind in HEADS}
    return {(REFERENCE, 0): 200.0, (UNASKED, 1): 100.0, (ASKED, 1): 109.0} | requests


def failures(counts, stored=STORED):
    """What is wrong with counts, of all kinds."""
    return [line for row in counted(counts, stored) for line in row.failures()]


def test_start_up_cancels():
    """Only what one child did more often than the other counts."""
    children = [
        (Child(1, "a", 1, times=10), 1_000_100),
        (Child(2, "a", 1, times=60), 1_000_600),
        (Child(3, "a", 100, times=10), 2_000_000),
        (Child(4, "a", 100, times=60), 2_001_000),
    ]

    assert {("a", 1): 10, ("a", 100): 20} == per_time(children)


def test_a_profile_tells_its_total():
    """Of all its parts."""
    assert 770738135 == total("events: Ir\nfn=f\n12 770738135\nsummary: 770738135\n")


def test_a_profile_without_a_total_is_an_error():
    """Cachegrind was killed, or is another one."""
    with pytest.raises(CountError):
        total("events: Ir\n")


def test_what_is_stored_passes():
    """And so does a little more."""
    assert [] == failures(counts(one=114.0, many=119.0))


@pytest.mark.parametrize(("one", "many"), [(116.0, 116.0), (100.0, 106.0)])
def test_more_than_the_bar_fails_every_kind(one, many):
    """By 15 % over what is stored, or by 5 % over one route."""
    assert len(HEADS) == len(failures(counts(one, many)))


def test_a_new_kind_has_to_be_stored():
    """What is compared with nothing would never fail."""
    assert len(HEADS) == len(failures(counts(), {}))


def test_every_kind_is_stored():
    """And no other."""
    assert set(HEADS) == set(load_stored())


def test_the_table_has_a_row_for_each_kind():
    """Behind its head and a line."""
    assert 2 + len(HEADS) == len(markdown(counted(counts(), STORED)).splitlines())


def test_what_a_key_takes_is_a_ratio():
    """Of the same request."""
    assert pytest.approx(1.09) == key_check(counts())
