"""How many requests are under way at once, and the most that may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.dataplane.errors import TooManyAtOnce


if TYPE_CHECKING:
    from types import TracebackType


class Gauge:
    """Counts the requests of a client or a route that are under way.

    Args:
        limit: the most at once.
        rule: its place in the configuration.

    Attributes:
        limit: as given; another one counts from the next request on.
        taken: so many are under way.
    """

    __slots__ = ("_rule", "limit", "taken")

    def __init__(self, limit: int, rule: str) -> None:
        self.limit = limit
        self._rule = rule
        self.taken = 0

    def enter(self) -> None:
        """Count one.

        Raises:
            TooManyAtOnce: it would be one too many; it is not counted.
        """
        if self.taken >= self.limit:
            raise TooManyAtOnce(
                "Too many requests are under way at once; try again when one has ended.",
                cause=self._rule,
                fields=((b"Retry-After", b"1"),),
                rule=self._rule,
            )
        self.taken += 1

    def leave(self) -> None:
        """Count one less."""
        self.taken -= 1


class Places:
    """The places that one request takes, for as long as it is under way.

    Args:
        gauges: each counts the request, or none does.
    """

    __slots__ = ("_gauges",)

    def __init__(self, gauges: tuple[Gauge, ...]) -> None:
        self._gauges = gauges

    def and_of(self, gauge: Gauge) -> Places:
        """Return these places and one more."""
        return Places((*self._gauges, gauge))

    def __enter__(self) -> None:
        """Take them.

        Raises:
            TooManyAtOnce: one of them is not to be had; none is taken then.
        """
        taken = 0
        try:
            for gauge in self._gauges:
                gauge.enter()
                taken += 1
        except TooManyAtOnce:
            for gauge in self._gauges[:taken]:
                gauge.leave()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give them back."""
        for gauge in self._gauges:
            gauge.leave()


NO_PLACES: Final = Places(())
"""Of requests that nobody limits."""
