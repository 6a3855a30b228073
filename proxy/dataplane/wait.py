"""What a client's connection waits for, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from proxy.dataplane.limits import ClientLimits


BODY_STEP: Final = 64 * 1024
"""`timeouts.body` is the wait for so much of a body, or for its end: a limit for each byte would
let a client drip, one for the whole body would end large ones."""

READER_STEPS: Final = 4
"""How often in `timeouts.write` it is looked whether the client has taken anything."""

HELD_S: Final = 0.5
"""How often a connection that is not read is asked whether its client is still there."""

# What is waited for. Plain numbers, for they are set several times a request.
NOTHING: Final = 0
HEAD: Final = 1
NEXT: Final = 2
BODY: Final = 3
READER: Final = 4
ROOM: Final = 5


class Wait:
    """One wait at a time; the sweep ends it when it has lasted too long.

    Args:
        limits: how long each kind of wait may last.
        loop: the running loop.
        over: ends what has lasted too long.

    Attributes:
        what: is waited for.
        deadline: see `proxy.upstream.sweep.Waiting`.
    """

    __slots__ = ("_body_s", "_budget_s", "_came", "_limits_s", "_loop", "_over", "deadline", "what")

    def __init__(
        self, limits: ClientLimits, loop: asyncio.AbstractEventLoop, over: Callable[[], None]
    ) -> None:
        self._body_s = limits.body_s or 0.0
        self._budget_s = self._body_s
        """What is left of the time for a step of a body."""
        self._came = 0
        self._limits_s = [
            None,
            limits.head_s,
            limits.keepalive_s,
            limits.body_s,
            None if limits.write_s is None else limits.write_s / READER_STEPS,
            HELD_S,
        ]
        self._loop = loop
        self._over: Callable[[], None] | None = over
        self.deadline: float | None = None
        self.what = NOTHING

    def begin(self, what: int) -> None:
        """Wait for something else."""
        self.what = what
        limit_s = self._limits_s[what]
        if limit_s is None:
            self.deadline = None
            return
        self.deadline = self._loop.time() + (self._budget_s if what == BODY else limit_s)

    def taken(self, *, held: bool) -> None:
        """End the wait for a request; its body has all its time.

        Args:
            held: the connection is not read now: it is looked whether its client is still there.
        """
        self._budget_s = self._body_s
        self.begin(ROOM if held else NOTHING)

    def expire(self) -> None:
        """End what has lasted too long."""
        self.deadline = None
        if self._over is not None:
            self._over()

    def end(self) -> None:
        """Let go of who waits, who holds this: else a connection would wait for the collector."""
        self._over = None

    # A body, step by step.

    def body_came(self, size: int, since: float) -> None:
        """Take off the time for a step what its piece took; the next step has all of it again.

        Args:
            size: bytes that came.
            since: when they began to be waited for.
        """
        self._came += size
        self._budget_s -= self._loop.time() - since
        if self._came >= BODY_STEP:
            self._came = 0
            self._budget_s = self._body_s
