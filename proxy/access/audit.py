"""The audit file: a line for each decision, none of them lost without a word."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final, Literal

import orjson

from proxy.access.journal import Busy, Journal
from proxy.dataplane.errors import AuditUnavailable
from proxy.observe.log import Clock


if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proxy.observe.log import Log


OnError = Literal["deny", "allow"]

RETRY_S: Final = 0.5
"""How often a file that could not be written is tried again."""

BUSY_S: Final = 0.002
"""How soon it is tried again while another process writes."""

PATIENCE_S: Final = 1.0
"""How long another process may keep us from writing; its own lines take microseconds."""

MAX_HELD: Final = 1024 * 1024
"""Bytes that are held until the file can be written; what comes then is counted and lost."""


class AuditError(Exception):
    """The audit file cannot be opened; the message says why and what to do."""


@dataclass(slots=True)
class _Outage:
    """A time in which the file cannot be written."""

    reason: str
    since: str
    began: float
    retry_at: float = 0.0
    lost: int = 0
    refused: int = 0


class AuditFile:
    """Appends a line for each decision to a file of its own; those of one turn of the loop at once.

    While the file cannot be written, lines are held up to a bound, then counted; they are written
    first when it works again, and then a line that tells how many are missing. Nothing is written
    through to the disk (fsync): what the system has taken survives us, not the system.

    Outside a loop a line is written at once.

    Args:
        path: of the file; its directory has to be there.
        max_size: in bytes; then it becomes `file.1`.
        keep: how many of these there are; 1 or more.
        on_error: what becomes of requests while it cannot be written.
        log: where it is said when that begins and ends.
        now: seconds, as `time.monotonic`.

    Raises:
        AuditError: it cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        max_size: int,
        keep: int,
        on_error: OnError,
        log: Log,
        *,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._path = path
        self._on_error = on_error
        self._events = log.events  # structlog is read now: later there may be no descriptor for it
        self._now = now
        self._clock = Clock()
        self._waiting: list[bytes] = []
        self._size = 0
        self._handle: asyncio.Handle | None = None
        self._busy_since: float | None = None
        self._outage: _Outage | None = None
        self._journal = Journal(path, max_size, keep, log, now)
        try:
            self._journal.open()
        except OSError as error:
            raise AuditError(_advice(error)) from error

    def check(self) -> None:
        """Ask whether a new request may begin. One that is refused needs no line: it is counted.

        Raises:
            AuditUnavailable: lines cannot be written, and `on_error` is `deny`.
        """
        if self._outage is not None:
            self._check_again(self._outage)

    def _check_again(self, outage: _Outage) -> None:
        if self._may_try():
            self.flush()
        if self._outage is None or self._on_error == "allow":
            return
        outage.refused += 1
        raise AuditUnavailable(
            "The proxy cannot write down what it decides, so it refuses; try again later.",
            cause=outage.reason,
            fields=((b"Retry-After", b"1"),),
        )

    def line(self, text: bytes) -> None:
        """Take a line, without its end."""
        outage = self._outage
        if outage is not None and self._size + len(text) >= MAX_HELD:
            outage.lost += 1
            return
        self._waiting.append(text)
        self._size += len(text) + 1
        if self._handle is None and not self._later(0.0) and self._may_try():
            self._write_patiently()

    def flush(self) -> None:
        """Write what waits."""
        self._cancel()
        self._write()

    def reopen(self) -> None:
        """Write what waits, then open the file at the path again: somebody has moved it."""
        self.flush()
        self._journal.close()

    def close(self) -> None:
        """Write what waits, or tell in the log how much of it is lost; a later line opens again."""
        self._write_patiently()
        self._cancel()
        outage = self._outage
        lost = len(self._waiting) + (0 if outage is None else outage.lost)
        if lost:
            self._events.error("audit_lines_lost", file=str(self._path), lines=lost)
        self._outage = None
        self._waiting.clear()
        self._size = 0
        self._journal.close()

    def _later(self, delay: float) -> bool:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        self._cancel()
        if delay:
            self._handle = loop.call_later(delay, self.flush)
        else:
            self._handle = loop.call_soon(self.flush)
        return True

    def _may_try(self) -> bool:
        return self._outage is None or self._now() >= self._outage.retry_at

    def _cancel(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.cancel()

    def _write_patiently(self) -> None:
        """Write, and wait for another process where no loop can call us again."""
        self._write()
        while self._busy_since is not None:
            sleep(BUSY_S)
            self._write()

    def _write(self) -> None:
        try:
            while self._waiting:
                self._append()
            if self._outage is not None:
                self._end(self._outage)
        except Busy:
            self._wait_for_other()
        except OSError as error:
            self._fail(error.strerror or type(error).__name__)

    def _append(self) -> None:
        lines = self._waiting
        data = b"\n".join([*lines, b""])
        done = self._journal.append(data)
        self._busy_since = None
        if done == len(data):
            lines.clear()
        else:
            del lines[: data.count(b"\n", 0, done)]
        self._size -= done

    def _wait_for_other(self) -> None:
        if self._busy_since is None:
            self._busy_since = self._now()
        waited = self._now() - self._busy_since
        if self._outage is not None or waited > PATIENCE_S or self._size > MAX_HELD:
            self._fail("Locked by another process")
        else:
            self._later(BUSY_S)

    def _fail(self, reason: str) -> None:
        self._busy_since = None
        now = self._now()
        outage = self._outage
        if outage is None:
            self._outage = outage = _Outage(reason, self._clock.now(), now)
            told = {"file": str(self._path), "cause": reason, "on_error": self._on_error}
            self._events.error("audit_unwritable", **told)
        outage.retry_at = now + RETRY_S
        self._later(RETRY_S)

    def _end(self, outage: _Outage) -> None:
        """Tell, in the file and in the log, what the outage has cost.

        Raises:
            Busy, OSError: it has not ended.
        """
        told = {"lines_lost": outage.lost, "refused": outage.refused, "since": outage.since}
        if outage.lost or outage.refused:
            line = {"ts": self._clock.now(), "event": "audit_gap", **told, "cause": outage.reason}
            self._journal.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        self._outage = None
        seconds = round(self._now() - outage.began, 3)
        self._events.error("audit_writable", file=str(self._path), seconds=seconds, **told)


def _advice(error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return f"cannot be opened: {reason}; its directory has to be there"
    return f"cannot be opened: {reason}; it has to be a file that the proxy may read and write"
