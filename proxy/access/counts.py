"""Where requests are counted, as `Rates` sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol


if TYPE_CHECKING:
    from proxy.dataplane.model import Rate


class CountsAway(Exception):
    """The counts cannot be reached."""


class Counts(Protocol):
    """Counts requests: never more than a rate's amount in any of its windows."""

    async def take(self, rate: Rate) -> float | None:
        """Count a request.

        Returns:
            None: it is counted. Else it is not, and one that comes more than so many seconds later
            will be, unless others come first.

        Raises:
            CountsAway: nobody knows.
        """
        ...

    async def give_back(self, rate: Rate) -> None:
        """Take the newest request back, for another rate refused it. A failure is not told."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...
