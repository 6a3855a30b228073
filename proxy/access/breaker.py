"""When to ask a service again that has failed."""

from __future__ import annotations


class Breaker:
    """Keeps requests from waiting for a service that is away: one in a while asks, for all.

    The request that asks need not tell how it went on: it may have been cancelled.

    Args:
        pause_s: how long nobody asks after a failure, or after one began to ask.
    """

    __slots__ = ("_ask_at", "_away_since", "_pause_s")

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._away_since: float | None = None
        self._ask_at = 0.0

    def asks(self, now: float) -> bool:
        """Return whether a request may ask the service."""
        if self._away_since is None:
            return True
        if now < self._ask_at:
            return False
        self._ask_at = now + self._pause_s
        return True

    def failed(self, now: float) -> bool:
        """Take note of a failure; return whether it is the first."""
        self._ask_at = now + self._pause_s
        if self._away_since is not None:
            return False
        self._away_since = now
        return True

    def worked(self, now: float) -> float | None:
        """Take note of an answer; return how long the service was away if it is the first."""
        if self._away_since is None:
            return None
        away, self._away_since = now - self._away_since, None
        return away
