"""Large bodies: what is asked in a turn, and what the turns of a round come to."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from benchmarks.figures import Figures, Spread
from benchmarks.measure import Running
from benchmarks.rounds import TurnError
from benchmarks.streams import (
    CPU,
    RATE,
    TURN_RATE,
    TURN_SIZE,
    TURNS,
    Clients,
    beside,
    by_round,
    download,
    joined,
    to_stand_in,
    verdicts,
)


GIB = 1024**3


def turns(rates, cpu_s):
    return Figures({TURN_RATE.name: rates, CPU.name: cpu_s})


def test_a_round_is_a_gib():
    assert TURNS * TURN_SIZE == GIB


def test_turns_add_up_to_rounds():
    """As much was moved in each: at 100 and 300 MiB/s by turns, it is 150 in all."""
    rates = [100.0, 300.0] * TURNS
    figures = by_round(turns(rates, [0.05] * TURNS + [0.1] * TURNS), TURNS)

    assert figures.rounds[RATE.name] == pytest.approx([150, 150])
    assert figures.rounds[CPU.name] == pytest.approx([0.05 * TURNS, 0.1 * TURNS])
    assert figures.rounds[TURN_RATE.name] == rates


def test_a_peer_that_fails_in_a_round_has_failed():
    rounds = [
        {"one": turns([1.0], [2.0]), "two": turns([1.0], [2.0])},
        {"one": Figures(failure="it ended"), "two": turns([3.0], [4.0])},
    ]
    figures = joined(rounds)

    assert figures["one"].failure == by_round(figures["one"], TURNS).failure == "it ended"
    assert figures["two"] == turns([1.0, 3.0], [2.0, 4.0])


@pytest.mark.parametrize(("one", "other"), [("it ended", ""), ("", "it ended")])
def test_figures_stand_beside_one_another(one, other):
    figures = beside(Figures({"a": [1.0]}, one), Figures({"b": [2.0]}, other))

    assert figures.rounds == {"a": [1.0], "b": [2.0]}
    assert figures.failure == "it ended"


def test_throughput_is_judged_by_turn():
    """A turn in which the machine stood still makes the sums differ, and not the verdict."""
    ours, theirs = [200.0] * TURNS, [100.0] * TURNS
    ours[0] = 1.0
    memory = Figures({"growth_mib": [1.0], "before_mib": [50.0]})
    figures = {
        name: beside(by_round(turns(rates, [0.1] * TURNS), TURNS), memory)
        for name, rates in (("Keybearer", ours), ("nginx", theirs))
    }
    throughput, growth = verdicts("1 GiB down", figures)

    assert throughput.figure == Spread(2, 2, 2)
    assert throughput.passed
    assert growth.figure == Spread(1, 1, 1)


def test_a_turn_asks_for_the_file_that_has_its_size():
    direction = download(".bin")

    assert direction.exchange.head.startswith(b"GET /microreact/api/files/64m.bin HTTP/1.1\r\n")
    assert direction.exchange.received == TURN_SIZE
    assert direction.transfer.target == "/api/files/1g.bin"
    assert direction.transfer.size == GIB


def test_a_turn_sends_as_much_as_it_says(tmp_path):
    exchange = to_stand_in(tmp_path).exchange

    assert exchange.head.startswith(b"POST /microreact/api/files/upload HTTP/1.1\r\n")
    assert b"\r\nContent-Length: %d\r\n" % exchange.sent in exchange.head
    assert exchange.sent == TURN_SIZE


def test_a_peer_that_cannot_be_connected_to_fails_alone():
    with socket.socket() as nobody, contextlib.ExitStack() as stack:
        nobody.bind(("127.0.0.1", 0))
        peer = Running("nginx", nobody.getsockname()[1], 0, Path("output"))
        with pytest.raises(TurnError, match="client"):
            Clients(stack, download("").exchange).warm_up(peer)
