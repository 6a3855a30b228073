"""The command line of the full benchmark."""

from __future__ import annotations

import argparse

import pytest

from benchmarks.figures import Spread, Verdict
from benchmarks.full import PARTS, parts, positive, verdicts
from benchmarks.report import Part
from benchmarks.setup import Setup


def test_parts_run_in_their_order():
    assert parts("latency,small") == ["small", "latency"]
    assert parts(",".join(PARTS)) == list(PARTS)


def test_an_unknown_part_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="nothing"):
        parts("small,nothing")


def test_a_number_is_positive():
    assert positive("3") == 3
    with pytest.raises(argparse.ArgumentTypeError):
        positive("0")


def test_the_main_load_gets_the_most_time(tmp_path):
    setup = Setup(tmp_path, 5, 10)

    assert (setup.long.rounds, setup.long.turns) == (5, 10)
    assert setup.short.turns < setup.paced(1).turns < setup.long.turns
    assert setup.few.turns == 1
    assert Setup(tmp_path, 1, 1).short.turns == 1


def test_verdicts_of_all_parts_are_listed():
    part = Part("a", "", [Verdict("it", Spread(1, 1, 1), 2), Verdict("that", None, 2)])

    assert verdicts([part, part]).count("pass: it") == 2
    assert "not measured: that" in verdicts([part])
