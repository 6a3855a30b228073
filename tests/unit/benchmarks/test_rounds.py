"""Peers take turns; one that fails leaves the others alone."""

from __future__ import annotations

import contextlib

import pytest

from benchmarks.measure import Running, StartError
from benchmarks.peers import MissingToolError, Upstream
from benchmarks.rounds import Game, Started, TurnError, play, start_all


@pytest.fixture
def started(tmp_path):
    """Two peers that run, and one that does not."""
    each: dict[str, Running | str] = {"absent": "missing, apt install it"}
    for number, name in enumerate(("one", "two")):
        output = tmp_path / name
        output.write_text("a line\nthe last line\n")
        each[name] = Running(name, number, number, output)
    return Started(each)


def test_peers_take_turns(started):
    """All of them once, before any of them again; a first time each to warm up."""
    turns: list[str] = []

    def turn(peer):
        turns.append(peer.name)
        return 1.0

    figures = play(started, Game(2, 3), turn, lambda taken: {"sum": sum(taken)})

    assert turns[:2] == ["one", "two"]
    assert all({*turns[at : at + 2]} == {"one", "two"} for at in range(0, len(turns), 2))
    assert len(turns) == 2 * (1 + 2 * 3)
    assert {"sum": [3.0, 3.0]} == figures["one"].rounds == figures["two"].rounds


def orders(started):
    """Who came before whom, turn by turn."""
    turns: list[str] = []
    play(started, Game(8, 2), lambda peer: turns.append(peer.name), lambda _: {})
    return [tuple(turns[at : at + 2]) for at in range(2, len(turns), 2)]


def test_no_peer_is_always_the_first(started):
    assert {("one", "two"), ("two", "one")} == set(orders(started))


def test_the_order_of_turns_is_the_same_in_every_run(started):
    assert orders(started) == orders(started)


def test_who_does_not_run_says_why_in_its_place(started):
    figures = play(started, Game(1), lambda _: 1.0, lambda taken: {"sum": sum(taken)})

    assert ["absent", "one", "two"] == list(figures)
    assert figures["absent"].failure == "missing, apt install it"


def test_who_fails_is_asked_no_more_and_the_others_go_on(started):
    asked = []

    def turn(peer):
        asked.append(peer.name)
        if peer.name == "one" and asked.count("one") == 3:
            raise TurnError("no answer")
        return 1.0

    figures = play(started, Game(4), turn, lambda taken: {"sum": sum(taken)})

    assert figures["one"].failure == "no answer\na line\nthe last line"
    assert figures["one"].spread("sum") is None
    assert asked.count("one") == 3
    assert figures["two"].rounds == {"sum": [1.0] * 4}


def test_a_round_that_comes_to_nothing_is_a_failure(started):
    def total(taken):
        raise TurnError(f"{len(taken)} slices, no answer")

    figures = play(started, Game(1, 2), lambda _: 1.0, total)

    assert figures["one"].failure.startswith("2 slices, no answer")


class Never:
    """A peer that cannot be started."""

    def __init__(self, name, error):
        self.name = name
        self.error = error

    def launch(self, site):
        """It raises."""
        raise self.error


def test_what_cannot_be_started_is_told(tmp_path):
    peers = [
        Never("Caddy", MissingToolError("caddy", "apt install caddy")),
        Never("nginx", StartError("nginx does not listen")),
    ]
    with contextlib.ExitStack() as stack:
        started = start_all(stack, peers, tmp_path, Upstream(9))

    assert {"Caddy": "missing, apt install caddy", "nginx": "nginx does not listen"} == started.each
