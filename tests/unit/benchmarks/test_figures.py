"""What the figures of a benchmark's rounds say, and what they do not."""

from __future__ import annotations

import pytest

from benchmarks.figures import TO, Figures, Spread, Verdict, paired, ratio, ratio_by_turn


# Figure, bar, whether it is a floor; then the beginning and the end of what is said.
VERDICTS = {
    "all under": (Spread(0.8, 0.7, 0.9), 0.9, False, "pass: it 0.80 (0.70-0.90)", "wholly under"),
    "all over": (Spread(1.1, 1.0, 1.2), 0.9, False, "FAIL", "wholly on the wrong side"),
    "median under": (Spread(0.8, 0.7, 1.2), 0.9, False, "pass", "too wide to tell"),
    "median over": (Spread(1.0, 0.7, 1.2), 0.9, False, "FAIL", "too wide to tell"),
    "all over a floor": (Spread(1.1, 1.0, 1.2), 1, True, "pass", "wholly over"),
    "all under a floor": (Spread(0.8, 0.7, 0.9), 1, True, "FAIL", "wholly on the wrong side"),
    "partly under a floor": (Spread(1.1, 0.9, 1.2), 1, True, "pass", "too wide to tell"),
    "nothing": (None, 16, False, "not measured: it", "16"),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_a_verdict_says_whether_the_whole_interval_keeps_to_the_bar(case):
    figure, bar, at_least, begins, says = VERDICTS[case]
    verdict = Verdict("it", figure, bar, at_least=at_least)

    assert verdict.text().replace(TO, "-").startswith(begins)
    assert says in verdict.text()
    assert verdict.passed == begins.startswith("pass")


def test_a_bar_is_shown_short():
    assert Verdict("it", Spread(0.3, 0.3, 0.3), 1 / 3).text().endswith("under the bar of 0.333")


def test_ratios_are_taken_within_a_round():
    """Rounds that are slow for both do not widen the interval."""
    assert Spread(0.5, 0.5, 0.5) == paired([1, 10, 2], [2, 20, 4])


def test_there_is_no_ratio_to_a_peer_that_failed():
    ours = Figures({"cpu": [1.0]})

    assert ratio(ours, Figures({"cpu": [0.5]}, "it ended"), "cpu") is None
    assert ratio(ours, Figures({"cpu": [0.5]}), "cpu") == Spread(2, 2, 2)


def test_a_ratio_by_turn_is_the_median_of_a_round_and_spreads_over_rounds():
    """One turn of three in which the machine stood still for one of the two counts for nothing."""
    ours = Figures({"rate": [20.0, 1.0, 40.0, 30.0, 90.0, 3.0]})
    theirs = Figures({"rate": [10.0, 30.0, 8.0, 10.0, 18.0, 30.0]})

    assert ratio_by_turn(ours, theirs, "rate", 3) == Spread(2.5, 2, 3)
    assert ratio_by_turn(ours, Figures(theirs.rounds, "it ended"), "rate", 3) is None
    assert ratio_by_turn(Figures(failure="it ended"), theirs, "rate", 3) is None
