"""The log: JSON lines (or a console's) on one stream, one line a request."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Final, Literal

import orjson
import structlog


if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]
Logger = structlog.typing.FilteringBoundLogger

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class LineSink:
    """Write whole lines to a stream, all those of one turn of the loop at once.

    A system call a line would cost as much as a quarter of a request. Outside a loop a line is
    written at once, and nothing waits longer than the turn that it was logged in.

    Args:
        stream: binary, as `sys.stderr.buffer`.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lines: list[bytes] = []

    def msg(self, line: bytes) -> None:
        """Take a line, without its end."""
        if not self._lines:
            try:
                asyncio.get_running_loop().call_soon(self.flush)
            except RuntimeError:
                self._lines.append(line)
                self.flush()
                return
        self._lines.append(line)

    debug = info = warning = error = msg

    def flush(self) -> None:
        """Write what has been taken."""
        if self._lines:
            data = b"\n".join([*self._lines, b""])
            self._lines.clear()
            # A reader of our log that has gone away must not end the requests.
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(data)
                self._stream.flush()


def logger(
    level: Level = "info", form: Format = "json", stream: IO[bytes] | None = None
) -> tuple[Logger, LineSink]:
    """Return a logger and the sink to flush at the end.

    Args:
        level: what is less than this is not logged.
        form: `json`, or `console` for people.
        stream: where to; stderr by default.
    """
    sink = LineSink(sys.stderr.buffer if stream is None else stream)
    render = _json if form == "json" else _console
    bound: Logger = structlog.wrap_logger(
        sink,
        processors=[_stamp, render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        cache_logger_on_first_use=True,
    ).bind()
    return bound, sink


def _stamp(_: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"ts": now, "level": level, "event": event.pop("event"), **event}


def _json(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
    return orjson.dumps(event, default=repr)


def _console(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
    shown = " ".join(f"{name}={value}" for name, value in event.items() if _is_told(name, value))
    line = f"{event['ts'][11:19]} {event['level']:<7} {event.get('event', '')} {shown}"
    return line.rstrip().encode("utf-8", "backslashreplace")


def _is_told(name: str, value: Any) -> bool:
    return name not in ("ts", "level", "event") and value is not None and value != []


def request_ids(prefix: str) -> Callable[[], str]:
    """Return a source of identifiers: the process's random prefix and a count."""
    count = 0

    def next_id() -> str:
        nonlocal count
        count += 1
        return f"{prefix}{count:06x}"

    return next_id
