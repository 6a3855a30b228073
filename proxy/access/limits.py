"""Rates: each request is counted for its client and its route, and one too many is refused."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, Literal

from proxy.access.comeback import Policy, comeback_fields
from proxy.access.counts import CountsAway
from proxy.dataplane.errors import CountUnavailable, RateLimited


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from proxy.access.counts import Counts
    from proxy.dataplane.model import Rate
    from proxy.observe.log import Log

MEMORY: Final = "memory"
_REMEMBERED: Final = 20_000
"""Rates that are known to be full. All are forgotten when there are more: it is asked anew then."""
ASKED_AGAIN_S: Final = 1.0
"""So soon after a refusal it is asked anew whether a window is full."""
_NOT_KNOWN: Final = (-math.inf, -math.inf)
_SCOPES: Final = {
    "client": ("This client has made as many requests as it may", "clients.{}.rate"),
    "route": ("This route has had as many requests as it may", "routes.{}.limits.rate"),
}


class Rates:
    """Counts the requests of a gateway, by itself or together with its replicas.

    A window that is full mostly stays so until its oldest request is old enough, whoever else
    counts: for a moment it is remembered here, and asked for nothing. Not for longer: a request
    that another rate refuses is given back, and an operator may empty the Redis.

    Args:
        storage: `memory`, or the URL of a Redis: `redis://`, `rediss://` or `unix://`. It may hold
            a password, and is never shown.
        on_storage_error: what becomes of a request that cannot be counted.
        log: is told once when the Redis is away, and once when it is back.
        clock: monotonic, in seconds.

    Raises:
        ValueError: `storage` is neither; the message says why and holds nothing of it.
        ImportError: a Redis is asked for without the packages of the extra `gateway`.
    """

    def __init__(
        self,
        storage: str,
        on_storage_error: Literal["deny", "allow"],
        log: Log,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = _counts(storage, on_storage_error, log, clock)
        self._allow = on_storage_error == "allow"
        self._clock = clock
        self._full: dict[tuple[str, str, int, int], tuple[float, float]] = {}
        """Until when a window is taken for full without asking, and until when it is, if so."""

    async def admit(self, rates: Sequence[Rate]) -> None:
        """Count a request for all its rates, or for none.

        Raises:
            RateLimited: it is one too many; a client that waits as long as its fields say gets
                through.
            CountUnavailable: the Redis is away, and `on_storage_error` is `deny`.
        """
        if full := self._known_full(rates):
            raise _too_many(rates, full)
        # The client's comes first: who is over its own rate must not use up the route's.
        ordered = sorted(rates, key=_scope) if len(rates) > 1 else rates
        try:
            full = await self._take(ordered)
        except CountsAway:
            self._full.clear()  # a Redis that comes back may have lost its counts
            if self._allow:
                return
            raise CountUnavailable(
                "Requests cannot be counted at the moment, so none passes; try again.",
                fields=((b"Retry-After", b"1"),),
                rule="limits.on_storage_error",
            ) from None
        if full:
            raise _too_many(rates, full)

    async def close(self) -> None:
        """Close the connections to the Redis. Nothing may be counted any more."""
        await self._counts.close()

    async def _take(self, rates: Iterable[Rate]) -> list[tuple[Rate, float]]:
        taken: list[Rate] = []
        for rate in rates:
            wait = await self._counts.take(rate)
            if wait is not None:
                self._remember(rate, wait)
                for each in taken:
                    await self._counts.give_back(each)
                    self._full.pop(_identity(each), None)
                return [(rate, wait)]
            taken.append(rate)
        return []

    def _known_full(self, rates: Iterable[Rate]) -> list[tuple[Rate, float]]:
        if not self._full:
            return []
        now = self._clock()
        known = ((rate, self._full.get(_identity(rate), _NOT_KNOWN)) for rate in rates)
        return [(rate, until - now) for rate, (asked, until) in known if now <= min(asked, until)]

    def _remember(self, rate: Rate, wait: float) -> None:
        if len(self._full) >= _REMEMBERED:
            self._full.clear()
        now = self._clock()
        self._full[_identity(rate)] = now + ASKED_AGAIN_S, now + wait


def _counts(
    storage: str,
    on_storage_error: Literal["deny", "allow"],
    log: Log,
    clock: Callable[[], float],
) -> Counts:
    if storage == MEMORY:
        from proxy.access.windows import Windows  # noqa: PLC0415 -- as below

        return Windows(clock)
    # Loaded when a Redis is asked for: redis and limits take longer than all the rest of a start.
    from proxy.access.shared import SharedCounts  # noqa: PLC0415

    return SharedCounts(storage, on_storage_error, log, clock)


def _scope(rate: Rate) -> str:
    return rate.scope


def _identity(rate: Rate) -> tuple[str, str, int, int]:
    return rate.scope, rate.name, rate.amount, rate.seconds


def _too_many(rates: Sequence[Rate], full: Sequence[tuple[Rate, float]]) -> RateLimited:
    """Refuse a request.

    Args:
        rates: all that it counts for.
        full: those that refuse it, with the seconds until their oldest request is old enough.
    """
    first = full[0][0]
    sentence, rule = _SCOPES[first.scope]
    return RateLimited(
        f"{sentence}; wait as many seconds as Retry-After says.",
        cause=", ".join(f"{rate.scope} {rate.name}" for rate, _ in full),
        fields=comeback_fields(
            [_policy(rate) for rate in rates], [(_policy(rate), wait) for rate, wait in full]
        ),
        rule=rule.format(first.name),
    )


def _policy(rate: Rate) -> Policy:
    return Policy(rate.scope, rate.amount, rate.seconds)
