"""Signals that end the service, and the one that does not reload it yet."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from proxy.observe.log import Log


ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""The first one begins the end, a second one hastens it."""

_ADVICE: Final = (
    "the configuration and the secrets are read at start: restart to have them read again; "
    "clients_file and certificates of listeners are followed by themselves"
)


def heed_no_more() -> None:
    """Ignore the signals of `Stop` once the exit status is decided.

    The interpreter would have them end the process with another one while it cleans up.
    """
    for number in (*ENDING, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


class Stop:
    """Watch for signals from now on, until `heed_no_more`; needs a running loop.

    Args:
        log: where the first SIGHUP is answered that nothing is reloaded.

    Attributes:
        asked: somebody wants the service to end.
        now: somebody wants it to end at once.
    """

    def __init__(self, log: Log) -> None:
        self.asked = asyncio.Event()
        self.now = asyncio.Event()
        self._log = log
        self._told = False
        self._loop = asyncio.get_running_loop()
        # Not the loop's own handlers: as it closes, each of these signals would end the process.
        for number in (*ENDING, signal.SIGHUP):
            signal.signal(number, self._notify)

    def _notify(self, number: int, _frame: object) -> None:
        act = self._hang_up if number == signal.SIGHUP else self._end
        with contextlib.suppress(RuntimeError):  # closed: the process ends anyway
            self._loop.call_soon_threadsafe(act)

    def _end(self) -> None:
        if self.asked.is_set():
            self.now.set()
        self.asked.set()

    def _hang_up(self) -> None:
        if not self._told:
            self._log.events.warning("signal_ignored", signal="SIGHUP", detail=_ADVICE)
        self._told = True
