"""The client that asks at a fixed rate: what it sends when, and whose delay counts."""

from __future__ import annotations

import gc
import socket
import threading
import time
from pathlib import Path

import pytest

from benchmarks.latency import head, request, total
from benchmarks.pacer import AnswerError, Pacer, complete, punctual
from benchmarks.peers.nginx import NginxUpstream


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DELAY_S = 0.05


@pytest.mark.parametrize("size", range(len(ANSWER)))
def test_an_answer_is_complete_at_its_last_byte(size):
    assert not complete(ANSWER[:size])
    assert complete(ANSWER)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_another_answer_is_an_error(answer):
    with pytest.raises(AnswerError):
        complete(answer)


@pytest.fixture
def server():
    """The client's end of a connection whose other end answers each request after a while."""
    ours, theirs = socket.socketpair()

    def serve():
        while theirs.recv(1024):
            time.sleep(DELAY_S)
            theirs.sendall(ANSWER)

    thread = threading.Thread(target=serve)
    thread.start()
    yield ours
    ours.close()
    thread.join()
    theirs.close()


def test_to_wait_for_a_free_connection_counts(server):
    """Three requests, 10 ms apart, on one connection that is busy for 50 ms with each."""
    took_s = Pacer([server], b"GET / HTTP/1.1\r\n\r\n", 100).ask(3)

    assert len(took_s) == 3
    assert took_s[0] >= DELAY_S
    assert took_s[1] >= 2 * DELAY_S - 0.01
    assert took_s[2] >= 3 * DELAY_S - 0.02


def test_a_connection_that_closes_is_an_error():
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises((AnswerError, OSError)):
        Pacer([ours], b"GET / HTTP/1.1\r\n\r\n", 1000).ask(1)


def test_percentiles_are_over_all_turns_of_a_round():
    figures = total([[*range(1, 51)], [*range(51, 101)]])

    assert figures == pytest.approx(
        {"p50": 50.5, "p90": 90.9, "p99": 99.99, "p90 of the middle turn": (45.9 + 95.9) / 2}
    )


def test_a_turn_in_which_the_machine_stood_still_is_not_the_middle_one():
    calm = [*range(1, 11)]
    figures = total([calm, [1_000_000] * 10, calm])

    assert figures["p90"] == 1_000_000
    assert figures["p90 of the middle turn"] == pytest.approx(9.9)


def test_each_turn_of_a_pacer_is_its_own(server):
    pacer = Pacer([server], b"GET / HTTP/1.1\r\n\r\n", 100)

    assert len(pacer.ask(2)) == 2
    assert len(pacer.ask(1)) == 1


def test_what_is_asked_of_a_proxy_has_a_credential_to_take_off():
    assert "Authorization: Bearer kb_" in request("nginx")
    assert "Authorization" not in request(NginxUpstream.name)


def test_a_process_is_as_before_when_it_need_not_be_punctual():
    slack = Path("/proc/self/timerslack_ns")
    before = slack.read_text()
    with punctual():
        assert not gc.isenabled()
        assert slack.read_text() != before

    assert gc.isenabled()
    assert slack.read_text() == before


def test_a_head_ends_with_an_empty_line():
    assert head("/a", ("Cookie: b",)) == "GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: b\r\n\r\n"
    assert head("/a", (), method="POST").startswith("POST /a HTTP/1.1\r\n")
