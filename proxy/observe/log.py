"""The log: JSON lines (or a console's) on one stream, one line a request."""

from __future__ import annotations

import json
import sys
import time
from functools import cached_property
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Protocol

import orjson

from proxy.observe.sink import LineSink


if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from structlog.typing import FilteringBoundLogger

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Line(Protocol):
    """A request's line."""

    def json(self, now: str) -> bytes:
        """Return it as JSON; `now` as `Clock.now` tells it."""
        ...


class Log:
    """Where the process writes what happens.

    Args:
        level: what is less than this is not logged; requests are `info`.
        form: `json`, or `console` for people.
        stream: where to; stderr by default.
    """

    def __init__(
        self, level: Level = "info", form: Format = "json", stream: IO[bytes] | None = None
    ) -> None:
        self._sink = LineSink(sys.stderr.buffer if stream is None else stream)
        self._as_json = form == "json"
        self._clock = Clock()
        self._level = _LEVELS[level]

    @cached_property
    def events(self) -> FilteringBoundLogger:
        """A structlog logger for everything but requests."""
        import structlog  # noqa: PLC0415 -- a tenth of the time to ready, and not needed till then

        render = _json if self._as_json else _console
        logger: FilteringBoundLogger = structlog.wrap_logger(
            SimpleNamespace(**dict.fromkeys(_LEVELS, self._sink.msg)),
            processors=[self._stamped, lambda _, __, event: render(event)],
            wrapper_class=structlog.make_filtering_bound_logger(self._level),
            cache_logger_on_first_use=True,
        ).bind()
        return logger

    def now(self) -> str:
        """Return the time as lines tell it."""
        return self._clock.now()

    def request(self, line: Line) -> None:
        """Write the one line of a request.

        It goes past structlog's binding and processors, which cost more than all the rest of it.
        """
        if self._level <= _LEVELS["info"]:
            told = line.json(self._clock.now())
            self._sink.msg(told if self._as_json else _console(json.loads(told)))

    def _stamped(
        self, _: Any, level: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {"ts": self._clock.now(), "level": level, "event": event.pop("event"), **event}

    def flush(self) -> None:
        """Write what has been taken."""
        self._sink.flush()


_MILLISECONDS: Final = tuple([f".{each:03d}Z" for each in range(1000)])


class Clock:
    """Tells the time as RFC 3339 spells it."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def now(self) -> str:
        """Return the time in UTC, with milliseconds; a second is spelled once."""
        milliseconds = int(time.time() * 1000)
        second = milliseconds // 1000
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return self._text + _MILLISECONDS[milliseconds % 1000]


def _json(event: MutableMapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(event, default=repr)
    except TypeError:
        # A lone surrogate (a byte of a name that is not UTF-8): slower, but never no line.
        return json.dumps(event, default=repr).encode("ascii")


def quoted(text: str) -> str:
    """Return a JSON string."""
    try:
        return orjson.dumps(text).decode()
    except TypeError:
        return json.dumps(text)


def _console(event: MutableMapping[str, Any]) -> bytes:
    shown = " ".join(
        f"{name}={_printable(value)}" for name, value in event.items() if _is_told(name, value)
    )
    line = f"{event['ts'][11:19]} {event['level']:<7} {event.get('event', '')} {shown}"
    return line.rstrip().encode("utf-8", "backslashreplace")


def _is_told(name: str, value: Any) -> bool:
    return name not in ("ts", "level", "event") and value is not None and value != []


def _printable(value: Any) -> str:
    # A line break would forge a line, an escape sequence would drive the terminal.
    text = str(value)
    return text if text.isprintable() else repr(text)[1:-1]


def request_ids(prefix: str) -> Callable[[], str]:
    """Return a source of identifiers: the process's random prefix and a count."""
    # Formatting a number costs as much as judging a request: only every 256th is formatted.
    low = [f"{each:02x}" for each in range(256)]
    high = f"{prefix}0000"
    count = 0

    def next_id() -> str:
        nonlocal count, high
        count += 1
        last = count & 255
        if not last:
            high = f"{prefix}{count >> 8:04x}"
        return high + low[last]

    return next_id
