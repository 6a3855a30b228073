"""The law of rates: in no window, wherever it begins, are there more requests than may be."""

from __future__ import annotations

import asyncio

from hypothesis import given, strategies as st

from proxy.access.windows import Windows
from proxy.dataplane.model import Rate


STEPS = st.lists(st.sampled_from([0.0, 0.0, 1 / 128, 0.25, 0.5, 1.0, 1.5, 3.0]), max_size=60)


def admitted(amount, seconds, steps):
    """Return when requests were counted, and when and for how long others were refused."""
    now = 0.0
    counted, refused = [], []
    windows = Windows(lambda: now)

    async def run():
        nonlocal now
        for step in steps:
            now += step
            wait = await windows.take(Rate("client", "a", amount, seconds))
            if wait is None:
                counted.append(now)
            else:
                refused.append((now, wait))

    asyncio.run(run())
    return counted, refused


@given(st.integers(1, 5), st.integers(1, 3), STEPS)
def test_no_window_holds_more(amount, seconds, steps):
    """Nor does one that has both its ends in it."""
    counted, _ = admitted(amount, seconds, steps)

    for first in counted:
        assert amount >= sum(first <= each <= first + seconds for each in counted)


@given(st.integers(1, 5), st.integers(1, 3), STEPS)
def test_nobody_is_refused_too_much(amount, seconds, steps):
    """A request is refused only if the window that ends with it is full, until one has left it."""
    counted, refused = admitted(amount, seconds, steps)

    for now, wait in refused:
        within = [each for each in counted if now - seconds <= each <= now]
        assert amount <= len(within)
        assert within[0] + seconds - now == wait
