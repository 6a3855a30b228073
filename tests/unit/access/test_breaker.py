"""When a service that failed is asked again."""

from __future__ import annotations

from proxy.access.breaker import Breaker


def asked(breaker, now):
    """Let a request ask; return its turn."""
    turn = breaker.asks(now)
    assert turn is not None
    return turn


def test_a_service_that_works_is_asked():
    """And there is nothing to tell of it."""
    breaker = Breaker(0.5)
    turn = asked(breaker, 7.0)

    assert breaker.worked(turn, 7.1) is None
    assert turn == breaker.asks(7.1)


def test_one_that_failed_is_left_alone_for_a_while():
    """Nobody waits for it till then."""
    breaker = Breaker(0.5)

    breaker.failed(asked(breaker, 9.9), 10.0)

    assert breaker.asks(10.0) is None
    assert breaker.asks(10.49) is None
    assert breaker.asks(10.5) is not None


def test_one_asks_for_all():
    """While it waits, the others do not; if it never tells, another one asks."""
    breaker = Breaker(0.5)

    breaker.failed(asked(breaker, 9.9), 10.0)

    assert breaker.asks(10.6) is not None
    assert breaker.asks(10.7) is None
    assert breaker.asks(11.1) is not None


def test_one_that_asked_in_vain_asked_for_all():
    """The pause begins anew when it hears so."""
    breaker = Breaker(0.5)
    breaker.failed(asked(breaker, 9.9), 10.0)

    assert not breaker.failed(asked(breaker, 10.5), 10.8)

    assert breaker.asks(11.2) is None
    assert breaker.asks(11.3) is not None


def test_a_failure_is_news_once():
    """However many requests meet it; the pause is that of the first."""
    breaker = Breaker(0.5)
    turns = [asked(breaker, 0.9) for _ in range(3)]

    assert [True, False, False] == [
        breaker.failed(turn, at) for turn, at in zip(turns, (1.0, 1.1, 1.4), strict=True)
    ]
    assert breaker.asks(1.5) is not None


def test_the_return_is_news_once():
    """With the time since the failure; a next failure is news again."""
    breaker = Breaker(0.5)
    breaker.failed(asked(breaker, 0.9), 1.0)
    first, second = asked(breaker, 3.0), asked(breaker, 3.5)

    assert 2.6 == breaker.worked(first, 3.6)
    assert breaker.worked(second, 3.7) is None
    again = asked(breaker, 3.7)
    assert breaker.worked(again, 3.8) is None
    assert breaker.failed(again, 4.0)


def test_an_answer_from_before_the_outage_does_not_end_it():
    """A service that was killed has left some that are not read yet."""
    breaker = Breaker(0.5)
    killed, answered = asked(breaker, 0.9), asked(breaker, 0.9)
    breaker.failed(killed, 1.0)

    assert breaker.worked(answered, 1.1) is None

    assert breaker.asks(1.2) is None


def test_a_failure_from_the_outage_does_not_begin_another():
    """Of a request that asked before the service was back, and heard of it later than others."""
    breaker = Breaker(0.5)
    late = asked(breaker, 0.8)
    breaker.failed(asked(breaker, 0.9), 1.0)
    probe, works = asked(breaker, 1.5), asked(breaker, 2.0)
    assert breaker.worked(works, 2.1) is not None

    assert not breaker.failed(probe, 2.2)
    assert not breaker.failed(late, 2.3)

    assert breaker.asks(2.3) is not None
