"""Write lines to a stream, those of a short while at once, and never wait for its reader."""

from __future__ import annotations

import asyncio
import os
import select
import stat
from typing import IO, Final

import orjson


MAX_LINES: Final = 64
"""So many lines wait for others at most. More would grow the heap and give it back again and
again, and every page of it would be faulted in anew: that cost a quarter of a request."""

FLUSH_S: Final = 0.05
"""How long a line may wait for others. Envoy's log waits for 10 s or 64 KiB."""

MAX_HELD: Final = 1024 * 1024
"""Bytes that are held for a reader that does not read; what comes then is counted and lost."""


class LineSink:
    """Write whole lines, a few dozen at once: a system call each costs a tenth of a request.

    A pipe whose reader stands still must not hold up the requests, nor the end of the process. So
    it is asked before each write whether it takes one without waiting. Outside a loop a line is
    written at once. Whoever ends the process flushes.

    Args:
        stream: binary, as `sys.stderr.buffer`. One without a descriptor is just written to.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._held = b""
        self._lost = 0
        self._timer: asyncio.TimerHandle | None = None
        self._pipe = _pipe_of(stream)
        self._poll = select.poll()
        if self._pipe is not None:
            self._poll.register(self._pipe, select.POLLOUT)

    def msg(self, line: bytes) -> None:
        """Take a line, without its end."""
        self._lines.append(line)
        if len(self._lines) >= MAX_LINES or (self._timer is None and not self._flush_later()):
            self.flush()

    def _flush_later(self) -> bool:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        self._timer = loop.call_later(FLUSH_S, self.flush)
        return True

    def flush(self) -> None:
        """Write what has been taken, as far as the stream takes it now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines and not self._held:
            return
        self._lines.append(b"")
        data = self._held + b"\n".join(self._lines)
        self._lines.clear()
        self._held = b""
        try:
            if self._pipe is None:
                self._stream.write(data)
                self._stream.flush()
            else:
                self._write(self._pipe, data)
        except (OSError, ValueError):
            pass  # a reader of our log that has gone away must not end the requests

    def _write(self, pipe: int, data: bytes) -> None:
        view = memoryview(data)
        # A pipe that is writable takes this much without waiting (POSIX, pipe and poll).
        while view and self._poll.poll(0):
            view = view[os.write(pipe, view[: select.PIPE_BUF]) :]
        if view:
            self._hold(bytes(view))
        elif self._lost:
            lost, self._lost = self._lost, 0
            self.msg(orjson.dumps({"level": "error", "event": "log_lines_lost", "lines": lost}))

    def _hold(self, rest: bytes) -> None:
        if len(rest) > MAX_HELD:
            # The line that has been begun is kept, or what comes later could not be read.
            end = rest.find(b"\n") + 1
            self._lost += rest.count(b"\n", end)
            rest = rest[:end]
        self._held = rest
        self._flush_later()


def _pipe_of(stream: IO[bytes]) -> int | None:
    """Return the descriptor of what may make a writer wait: anything but a file."""
    try:
        descriptor = stream.fileno()
        return None if stat.S_ISREG(os.fstat(descriptor).st_mode) else descriptor
    except (AttributeError, OSError, ValueError):
        return None
