"""The log: whole lines, one an event."""

from __future__ import annotations

import asyncio
import io
import json
import re
from types import SimpleNamespace

import pytest

from proxy.observe.log import Log, request_ids
from proxy.observe.sink import FLUSH_S, LineSink


def line(**fields):
    """Return a request's line as the data plane makes it."""
    told = {"level": "info", "event": "request", **fields}
    return SimpleNamespace(json=lambda now: json.dumps({"ts": now, **told}).encode())


class Counting(io.BytesIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, data):
        """Take bytes, or not."""
        self.writes += 1
        return super().write(data)


class Gone(io.BytesIO):
    """A reader that has left."""

    def write(self, data):
        """Take bytes, or not."""
        raise BrokenPipeError


def lines(stream):
    """Return what has been written, line by line."""
    return stream.getvalue().splitlines()


def test_a_line_is_json():
    """Time, level and event first, then the fields as they were given."""
    stream = io.BytesIO()
    log = Log(stream=stream)
    log.events.warning("something", a=1, b=None, c=["x"])
    log.request(line(status=200))

    event, request = map(json.loads, lines(stream))
    stamps = [event.pop("ts"), request.pop("ts")]
    assert {"level": "warning", "event": "something", "a": 1, "b": None, "c": ["x"]} == event
    assert {"level": "info", "event": "request", "status": 200} == request
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each) for each in stamps)


def test_a_console_line_is_for_people():
    """Without what is not there."""
    stream = io.BytesIO()
    Log(form="console", stream=stream).request(line(status=200, error=None, stripped=[]))

    [told] = lines(stream)
    assert re.fullmatch(rb"\d\d:\d\d:\d\d info    request status=200", told)


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    "value",
    ["a\nlevel=error forged", "a\r\nb", "\x1b[2J", "\x9b2J", "a\u2028b", "a\x00b", "a\x85b"],
    ids=["line feed", "CRLF", "escape", "C1", "line separator", "NUL", "next line"],
)
def test_a_value_cannot_forge_a_line(form, value):
    """Nor drive the terminal that shows it."""
    stream = io.BytesIO()
    Log(form=form, stream=stream).request(line(path=value))

    assert 1 == len(lines(stream))
    assert 1 == len(stream.getvalue().decode().splitlines()) or form == "json"
    assert value.encode() not in stream.getvalue() or form == "json"


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_value_that_is_no_text_is_told_all_the_same(form):
    """A lone surrogate, a huge number, bytes, an object: a line that fails would fail a request."""
    stream = io.BytesIO()
    log = Log(form=form, stream=stream)
    log.events.info("event", a="x\udcff", b=1 << 70, c=b"\xff", d={1: 2})

    [told] = lines(stream)
    assert b"udcff" in told


@pytest.mark.parametrize("form", ["json", "console"])
def test_text_beyond_ascii_is_shown(form):
    """What is printable is printed."""
    stream = io.BytesIO()
    Log(form=form, stream=stream).events.info("x", name="Zo\xeb \u4f60")

    assert "Zo\xeb \u4f60" in stream.getvalue().decode()


@pytest.mark.parametrize(
    ("level", "told"),
    [("debug", 4), ("info", 3), ("warning", 1), ("error", 0)],
)
def test_what_is_less_than_the_level_is_not_logged(level, told):
    """Requests are `info`."""
    stream = io.BytesIO()
    log = Log(level, stream=stream)
    log.events.debug("d")
    log.events.info("i")
    log.events.warning("w")
    log.request(line())

    assert told == len(lines(stream))


async def test_lines_of_a_short_while_are_written_at_once():
    """A system call a line would cost a tenth of a request."""
    stream = Counting()
    log = Log(stream=stream)
    for number in range(3):
        log.request(line(number=number))
    before = stream.writes
    await asyncio.sleep(FLUSH_S * 2)
    log.request(line(number=3))
    await asyncio.sleep(FLUSH_S * 2)

    assert (0, 2) == (before, stream.writes)
    assert [0, 1, 2, 3] == [json.loads(each)["number"] for each in lines(stream)]


async def test_what_is_left_is_written_at_the_end():
    """Before the loop stops."""
    stream = io.BytesIO()
    log = Log(stream=stream)
    log.request(line())
    log.flush()
    log.flush()

    assert 1 == len(lines(stream))


def test_a_log_that_nobody_reads_does_not_end_the_requests():
    """A broken pipe, or a stream that is closed."""
    closed = io.BytesIO()
    closed.close()
    for stream in (Gone(), closed):
        LineSink(stream).msg(b"x")
        Log(stream=stream).request(line())


def test_request_ids_are_a_prefix_and_a_count():
    """Unique in the process, and short."""
    next_id, other = request_ids("ab"), request_ids("cd")

    assert ["ab000001", "ab000002", "cd000001"] == [next_id(), next_id(), other()]


def test_request_ids_are_counted_on():
    """Also where the count outgrows its six digits."""
    next_id = request_ids("")
    ids = [next_id() for _ in range(70_000)]

    assert [f"{each:06x}" for each in range(1, 70_001)] == ids
