"""What wrk is asked and what is read out of its report."""

from __future__ import annotations

import pytest

from benchmarks import load
from benchmarks.load import Answered, Load, Slice, command_line, parse, total
from benchmarks.rounds import TurnError


REPORT = """\
Running 1s test @ http://127.0.0.1:1/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms  200.00us   4.00ms   90.00%
    Req/Sec    31.00k     1.00k   32.00k    80.00%
  31000 requests in 1.10s, 5.00MB read
{trouble}Requests/sec:  28181.81
"""


def test_the_requests_and_their_time_are_read():
    assert Answered(31000, 1.1) == parse(REPORT.format(trouble=""))


@pytest.mark.parametrize(
    "trouble",
    [
        "  Non-2xx or 3xx responses: 3\n",
        "  Socket errors: connect 0, read 1, write 0, timeout 0\n",
    ],
)
def test_trouble_is_an_error(trouble):
    with pytest.raises(TurnError, match=trouble.split(":", maxsplit=1)[0].strip()):
        parse(REPORT.format(trouble=trouble))


def test_no_report_is_an_error():
    with pytest.raises(TurnError):
        parse("unable to connect")


def test_a_round_is_the_sum_of_its_slices():
    """CPU time by request over all of them; a slice in which nothing was answered counts too."""
    slices = [
        Slice(Answered(1000, 1.0), 0.02, 2 * 1024**2),
        Slice(Answered(3000, 1.0), 0.02, 3 * 1024**2),
        Slice(Answered(0, 1.0), 0.04, 3 * 1024**2),
    ]

    assert {
        "cpu_us": pytest.approx(20),
        "per_second": pytest.approx(4000 / 3),
        "rss_mib": 3,
    } == total(slices)


def test_a_round_without_any_answer_is_an_error():
    with pytest.raises(TurnError):
        total([Slice(Answered(0, 1.0), 0.5, 1)])


def test_the_command_line_has_what_the_load_is(monkeypatch):
    monkeypatch.setattr(load, "tool", lambda name, _: name)
    line = command_line(Load("/10k", connections=1, posts=True, closes=True), 8080, 2)

    assert ["wrk", "-t1", "-c1", "-d2s"] == line[:4]
    assert "Connection: close" in line
    assert "-s" in line
    assert "http://127.0.0.1:8080/10k" == line[-1]
