"""When to ask a service again that has failed."""

from __future__ import annotations


class Breaker:
    """Keeps requests from waiting for a service that is away: one in a while asks, for all.

    What comes of a request counts only in the turn in which it asked; a turn ends when the service
    goes away and when it comes back. So an outage is told once, whatever those that it caught hear
    at its end, and however late. The request that asks need not tell how it went on: it may have
    been cancelled.

    Args:
        pause_s: how long nobody asks after a failure, or after one began to ask.
    """

    __slots__ = ("_ask_at", "_away_since", "_pause_s", "_turn")

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._away_since: float | None = None
        self._ask_at = 0.0
        self._turn = 0

    def asks(self, now: float) -> int | None:
        """Return the turn in which a request may ask the service; None if it may not."""
        if self._away_since is not None:
            if now < self._ask_at:
                return None
            self._ask_at = now + self._pause_s
        return self._turn

    def failed(self, turn: int, now: float) -> bool:
        """Take note of a failure; return whether it is the first."""
        if turn != self._turn:
            return False
        self._ask_at = now + self._pause_s
        if self._away_since is not None:
            return False
        self._away_since = now
        self._turn += 1
        return True

    def worked(self, turn: int, now: float) -> float | None:
        """Take note of an answer; return how long the service was away if it is the first."""
        if self._away_since is None or turn != self._turn:
            return None
        away, self._away_since = now - self._away_since, None
        self._turn += 1
        return away
