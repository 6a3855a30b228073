"""The audit file in an event loop: one write a turn, and trying again unasked."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os

import pytest

from proxy.access import audit as module
from proxy.access.audit import AuditFile
from proxy.observe.log import Log


class Heard(io.BytesIO):
    """A log's stream that sets an event once a text has come."""

    def __init__(self, text):
        super().__init__()
        self._text = text
        self.event = asyncio.Event()

    def write(self, data):
        """Look for the text."""
        if self._text in data:
            self.event.set()
        return super().write(data)


@pytest.fixture
def writes(monkeypatch):
    """What is written by each system call."""
    writes = []

    def write(descriptor, data):
        writes.append(bytes(data))
        return real(descriptor, data)

    real = os.write
    monkeypatch.setattr(os, "write", write)
    return writes


async def turn():
    """Let the loop go round."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_the_lines_of_one_turn_are_one_write(stage, writes):
    """A call each would be a tenth of a request."""
    audit = stage.audit()
    for number in range(100):
        audit.line(b"%d" % number)
    assert [] == writes
    await turn()
    audit.line(b"later")
    await turn()

    assert [100, 1] == [data.count(b"\n") for data in writes]
    assert [*map(str, range(100)), "later"] == stage.lines()


async def test_the_lines_of_one_turn_fill_as_many_files_as_they_need(stage):
    """None is longer than it may be."""
    audit = stage.audit(max_size=100, keep=9)
    lines = [f"line {number:04d}" for number in range(80)]
    for line in lines:
        audit.line(line.encode())
    await turn()

    assert lines == stage.lines(*(f".{number}" for number in range(7, 0, -1)), "")
    assert {100} == {each.stat().st_size for each in stage.path.parent.iterdir()}


async def test_what_waits_is_written_at_the_end(stage, writes):
    """Before the descriptor is closed."""
    audit = stage.audit()
    audit.line(b"1")

    audit.close()

    assert ["1"] == stage.lines()


async def test_a_file_that_works_again_is_noticed_without_a_request(stage, monkeypatch):
    """The lines that are held are not to wait for one."""
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    stream = Heard(b"audit_writable")
    directory, away = stage.path.parent, stage.path.parent.with_name("elsewhere")
    audit = AuditFile(stage.path, 1000, 1, "deny", Log(stream=stream))
    directory.rename(away)
    audit.reopen()
    audit.line(b"1")
    await turn()
    assert [b"1"] == audit._waiting

    away.rename(directory)
    async with asyncio.timeout(10):
        await stream.event.wait()

    assert ["1"] == stage.lines()
    audit.close()


async def test_another_process_that_has_the_lock_does_not_hold_up_the_loop(stage):
    """The lines wait, in their order, and are written once it lets go."""
    audit = stage.audit()
    with stage.path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        audit.line(b"1")
        await turn()
        audit.line(b"2")
        await turn()
        assert [] == stage.lines()
    async with asyncio.timeout(10):
        while audit._waiting:
            await turn()

    assert ["1", "2"] == stage.lines()
    assert [] == stage.told()
