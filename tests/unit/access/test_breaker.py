"""When a service that failed is asked again."""

from __future__ import annotations

from proxy.access.breaker import Breaker


def test_a_service_that_works_is_asked():
    """And there is nothing to tell of it."""
    breaker = Breaker(0.5)

    assert breaker.asks(7.0)
    assert breaker.worked(7.1) is None


def test_one_that_failed_is_left_alone_for_a_while():
    """Nobody waits for it till then."""
    breaker = Breaker(0.5)

    breaker.failed(10.0)

    assert not breaker.asks(10.0)
    assert not breaker.asks(10.49)
    assert breaker.asks(10.5)


def test_one_asks_for_all():
    """While it waits, the others do not; if it never tells, another one asks."""
    breaker = Breaker(0.5)

    breaker.failed(10.0)

    assert breaker.asks(10.6)
    assert not breaker.asks(10.7)
    assert breaker.asks(11.1)


def test_a_failure_is_news_once():
    """However many requests meet it."""
    breaker = Breaker(0.5)

    assert [True, False, False] == [breaker.failed(at) for at in (1.0, 1.1, 2.0)]


def test_the_return_is_news_once():
    """With the time since the first failure; a next failure is news again."""
    breaker = Breaker(0.5)
    breaker.failed(1.0)
    breaker.failed(2.0)

    assert 2.5 == breaker.worked(3.5)
    assert breaker.worked(3.6) is None
    assert breaker.asks(3.6)
    assert breaker.failed(4.0)
