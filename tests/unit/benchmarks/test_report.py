"""The tables of a report, also where figures are missing."""

from __future__ import annotations

from benchmarks.figures import TO, Figures, Spread
from benchmarks.report import CPU, Part, failures, matrix, peers_table, ratios, series


FIGURES = {
    "nginx": Figures({"cpu_us": [10.0, 20.0, 30.0]}),
    "Caddy": Figures(failure="missing, apt install caddy"),
    "Keybearer": Figures({"cpu_us": [20.0, 50.0, 60.0]}),
}


def lines(text):
    """The lines of a table, with hyphens."""
    return text.replace(TO, "-").splitlines()


def test_a_peer_without_figures_has_a_row_all_the_same():
    assert lines(peers_table(FIGURES, [CPU], against=CPU)) == [
        "| proxy | CPU µs per request | Keybearer / it (CPU µs per request) |",
        "| --- | --- | --- |",
        "| nginx | 20.0 (10.0-30.0) | 2.00 (2.00-2.50) |",
        "| Caddy | not measured | not measured |",
        "| Keybearer | 50.0 (20.0-60.0) |  |",
    ]


def test_a_ratio_may_be_taken_in_another_way():
    text = peers_table(FIGURES, [], CPU, lambda ours, theirs, name: Spread(4, 4, 4))

    assert "| nginx | 4.00 (4.00-4.00) |" in lines(text)
    assert "| Keybearer |  |" in lines(text)


def test_scenarios_are_rows():
    assert lines(matrix({"GET": FIGURES}, CPU)) == [
        "| CPU µs per request | nginx | Caddy | Keybearer |",
        "| --- | --- | --- | --- |",
        "| GET | 20.0 (10.0-30.0) | not measured | 50.0 (20.0-60.0) |",
    ]
    assert lines(ratios({"GET": FIGURES}, CPU))[2:] == ["| GET | 2.00 (2.00-2.50) | not measured |"]


def test_a_failure_is_named_with_the_end_of_the_log():
    figures = {"Caddy": Figures(failure="it ended\nits last\nlines"), "nginx": Figures()}

    assert ["Caddy, POST: it ended\n    its last\n    lines"] == failures(figures, ", POST")


def test_the_chart_gets_what_there_is():
    assert list(series(FIGURES, "cpu_us")) == ["nginx", "Keybearer"]
    assert series(FIGURES, "cpu_us")["nginx"] == Spread(20, 10, 30)


def test_a_part_has_its_heading_and_its_failures():
    text = Part("Loads", "a table", failures=["Caddy: missing"]).markdown()

    assert text == "## Loads\n\na table\n\nCaddy: missing"
