"""What is read out of py-spy's samples."""

from __future__ import annotations

from benchmarks.profile import Share, shares


def test_a_function_owns_the_samples_it_is_on_top_of():
    """Whatever its line, and once for each sample, however often it is on the stack."""
    raw = [
        "run (a.py:1);handle (b.py:10) 6",
        "run (a.py:1);handle (b.py:11);handle (b.py:10);write (c.py:2) 2",
        "run (a.py:2) 2",
    ]

    assert [
        Share("handle (b.py)", 0.6, 0.8),
        Share("write (c.py)", 0.2, 0.2),
        Share("run (a.py)", 0.2, 1.0),
    ] == shares(raw)


def test_the_compiled_library_has_a_short_name():
    """Its own is a hash of what it was made of."""
    [share] = shares(["CPyDef_x (0123abcdef__mypyc.cpython-311-x86_64-linux-gnu.so) 1"])

    assert "CPyDef_x (compiled)" == share.name


def test_no_samples_are_no_shares():
    """The process was idle all the time."""
    assert [] == shares([])
