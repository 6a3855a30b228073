"""One limit for every wait of a test: what has not come by then hangs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S: Final = 8.0
TURNS: Final = 50
PAUSE_S: Final = 0.002
"""How long `seen` lets others compute when so many turns of the loop have shown nothing."""


class Bell:
    """Lets tasks wait until something about an object is true; its owner rings at each change."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Let every waiter look again."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def until(
        self, condition: Callable[[], object], what: str = "", limit_s: float = PATIENCE_S
    ) -> None:
        """Wait until the condition holds.

        Raises:
            AssertionError: it does not in time.
        """
        try:
            async with asyncio.timeout(limit_s):
                while not condition():
                    future = asyncio.get_running_loop().create_future()
                    self._waiting.add(future)
                    try:
                        await future
                    finally:
                        self._waiting.discard(future)
        except TimeoutError:
            raise AssertionError(f"waited {limit_s} s in vain {what}") from None


async def seen(condition: Callable[[], object]) -> None:
    """Wait until the condition holds for something inside the proxy, which rings no bell."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            turns = 0
            while not condition():
                await asyncio.sleep(0 if turns < TURNS else PAUSE_S)
                turns += 1
    except TimeoutError:
        raise AssertionError(f"looked for {PATIENCE_S} s in vain") from None
