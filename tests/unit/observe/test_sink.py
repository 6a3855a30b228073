"""The stream that lines are written to, and a reader that stands still."""

import json
import os

from proxy.observe.sink import MAX_HELD, LineSink


def read_all(descriptor):
    """Return what a pipe holds now."""
    os.set_blocking(descriptor, False)
    data = b""
    while True:
        try:
            data += os.read(descriptor, 65536)
        except BlockingIOError:
            return data


def test_a_reader_that_stands_still_holds_nobody_up_and_is_told_what_it_lost():
    """Every line that is read is whole; the others are counted."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as stream, os.fdopen(reader, "rb"):
        sink = LineSink(stream)
        count = 3 * MAX_HELD // 1000
        for number in range(count):
            sink.msg(json.dumps({"number": number, "text": "x" * 1000}).encode())
        text = read_all(reader)
        for _ in range(MAX_HELD // 4096):
            sink.flush()
            text += read_all(reader)

    lines = [json.loads(line) for line in text.splitlines()]
    lost = [line["lines"] for line in lines if line.get("event") == "log_lines_lost"]
    numbers = [line["number"] for line in lines if "number" in line]
    assert numbers == sorted(set(numbers))
    assert 1 <= len(lost)
    assert count == len(numbers) + sum(lost)


def test_what_a_pipe_takes_is_written_at_once():
    """Outside a loop nothing waits."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as stream, os.fdopen(reader, "rb"):
        LineSink(stream).msg(b"a line")

        assert b"a line\n" == read_all(reader)


def test_a_file_takes_everything(tmp_path):
    """It never makes a writer wait."""
    path = tmp_path / "log"
    with path.open("wb") as stream:
        sink = LineSink(stream)
        for _ in range(3):
            sink.msg(b"x" * MAX_HELD)

    assert 3 * (MAX_HELD + 1) == path.stat().st_size
