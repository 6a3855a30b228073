"""News of a service that fails and returns, in whatever order requests ask and hear."""

from __future__ import annotations

from hypothesis import given, strategies as st

from proxy.access.breaker import Breaker


@given(
    st.lists(st.tuples(st.sampled_from(["ask", "fail", "work"]), st.integers(0, 9)), max_size=60)
)
def test_news_alternate(events):
    """Away, back, away: each told by who asked after the one before."""
    breaker, now, news_at, away = Breaker(3.0), 0.0, 0.0, False
    asking: list[tuple[int, float]] = []
    for what, number in events:
        now += 1.0
        if what == "ask":
            turn = breaker.asks(now)
            assert turn is not None or away
            asking += [] if turn is None else [(turn, now)]
        elif asking:
            turn, began = asking.pop(number % len(asking))
            if what == "fail":
                news = breaker.failed(turn, now)
            else:
                news = breaker.worked(turn, now) is not None
            assert news is ((what == "work") is away and began > news_at)
            if news:
                away, news_at = not away, now
