"""Signals that end the service, and the one that does not reload it yet."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from proxy.observe.log import Log


ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""The first one begins the end, a second one hastens it."""

_ADVICE: Final = (
    "the configuration and the secrets are read at start: restart to have them read again; "
    "clients_file and certificates of listeners are followed by themselves"
)


def end_at_once() -> None:
    """Until the loop runs nothing is under way: let SIGTERM and SIGQUIT be a clean stop."""

    def end(_number: int, _frame: object) -> None:
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, end)


class Stop:
    """Watches for signals from now on; needs a running loop.

    Args:
        log: is told once that SIGHUP changes nothing.

    Attributes:
        asked: somebody wants the service to end.
        now: somebody wants it to end at once.
    """

    def __init__(self, log: Log) -> None:
        self.asked = asyncio.Event()
        self.now = asyncio.Event()
        self._log = log
        self._told = False
        loop = asyncio.get_running_loop()
        for number in ENDING:
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _end(self) -> None:
        if self.asked.is_set():
            self.now.set()
        self.asked.set()

    def _hang_up(self) -> None:
        if not self._told:
            self._log.events.warning("signal_ignored", signal="SIGHUP", detail=_ADVICE)
        self._told = True
