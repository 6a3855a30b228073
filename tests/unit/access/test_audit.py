"""The audit file as it is used: lines, rotation, and what happens when it cannot be written."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from proxy.access import audit as module
from proxy.access.audit import MAX_HELD, PATIENCE_S, RETRY_S
from proxy.access.journal import LOOK_S
from proxy.dataplane.errors import AuditUnavailable


def numbered(count, size=0):
    """Return lines that differ."""
    return [json.dumps({"ts": "", "number": n, "pad": "x" * size}) for n in range(count)]


def take_away(stage):
    """Take the directory away; the next look at the file finds it missing."""
    stage.path.parent.rename(stage.path.parent.with_name("elsewhere"))
    stage.time += LOOK_S


def give_back(stage):
    """Put the directory back, and let the time pass after which it is tried again."""
    stage.path.parent.with_name("elsewhere").rename(stage.path.parent)
    stage.time += RETRY_S


def refused(audit):
    """Return how a new request is refused, or None."""
    try:
        audit.check()
    except AuditUnavailable as refusal:
        return refusal
    return None


class TestRotation:
    """A file that is full becomes an older one."""

    def test_no_line_is_cut_and_only_so_many_files_are_kept(self, stage):
        """The youngest is `.1`."""
        audit = stage.audit(max_size=20, keep=2)

        for number in range(10):
            audit.line(b"line %03d" % number)

        assert ["line 008", "line 009"] == stage.lines()
        assert ["line 006", "line 007"] == stage.lines(".1")
        assert ["line 004", "line 005"] == stage.lines(".2")
        assert 3 == len(list(stage.path.parent.iterdir()))
        assert 20 >= stage.path.stat().st_size

    def test_a_line_longer_than_a_file_is_written_whole(self, stage):
        """It is a decision like any other."""
        audit = stage.audit(max_size=5)

        audit.line(b"a long line")
        audit.line(b"another one")

        assert ["another one"] == stage.lines()
        assert ["a long line"] == stage.lines(".1")

    def test_what_was_full_before_is_rotated_by_the_next_line(self, stage):
        """Sizes are counted from what is there, not from our start."""
        stage.path.write_text("before\n")

        stage.audit(max_size=10).line(b"after")

        assert ["after"] == stage.lines()
        assert ["before"] == stage.lines(".1")

    def test_where_it_cannot_be_rotated_it_grows_and_that_is_said_once(self, stage):
        """A decision more is worth more than a file that is not too long."""
        in_the_way = stage.path.with_name("audit.1")
        in_the_way.mkdir()
        audit = stage.audit(max_size=10, keep=1)

        for number in range(3):
            audit.line(b"line %d" % number)
            stage.time += LOOK_S
        in_the_way.rmdir()
        audit.line(b"line 3")

        assert ["line 0", "line 1", "line 2", "line 3"] == stage.lines(".1", "")
        assert ["audit_not_rotated", "audit_rotated_again"] == [e["event"] for e in stage.told()]
        assert "Is a directory" == stage.told()[0]["cause"]

    @pytest.mark.parametrize("again", ["in time", "at once"])
    def test_a_file_that_was_moved_away_is_made_again(self, stage, again):
        """By logrotate, which may tell us or not."""
        audit = stage.audit()
        audit.line(b"before")
        stage.path.rename(stage.path.with_name("audit.old"))

        if again == "in time":
            stage.time += LOOK_S
        else:
            audit.reopen()
        audit.line(b"after")

        assert ["after"] == stage.lines()
        assert ["before"] == stage.lines(".old")
        assert LOOK_S < 1

    def test_a_file_that_was_removed_takes_no_line(self, stage):
        """It would be lost without a word."""
        audit = stage.audit()
        audit.line(b"before")

        stage.path.unlink()
        audit.line(b"after")

        assert ["after"] == stage.lines()

    def test_a_file_system_that_counts_no_links_will_do(self, stage, monkeypatch):
        """What is in its place has not been removed."""
        audit = stage.audit()
        found = os.stat_result([0o100600, *stage.path.stat()[1:3], 0, *stage.path.stat()[4:]])
        monkeypatch.setattr("proxy.access.place.os.fstat", lambda _: found)
        audit.line(b"one")

        assert ["one"] == stage.lines()

    def test_a_file_that_was_emptied_is_gone_on_with(self, stage):
        """As logrotate's copytruncate does it."""
        audit = stage.audit()
        audit.line(b"before")
        os.truncate(stage.path, 0)

        audit.line(b"after")

        assert ["after"] == stage.lines()
        assert [] == stage.told()


class TestDeny:
    """While it cannot be written, no request begins."""

    def test_requests_are_refused_until_it_can_be_written(self, stage):
        """What was under way is written first."""
        audit = stage.audit()
        audit.line(b"0")
        take_away(stage)
        assert refused(audit) is None
        audit.line(b"1")

        refusal = refused(audit)
        audit.line(b"2")
        give_back(stage)

        assert (503, "audit-unavailable") == (refusal.status, refusal.code)
        assert "No such file or directory" == refusal.cause
        assert refused(audit) is None
        audit.line(b"3")
        *lines, last = stage.lines()
        assert ["0", "1", "2"] == lines[:3]
        assert "3" == last
        gap = json.loads(lines[3])
        assert {"event": "audit_gap", "lines_lost": 0, "refused": 1}.items() <= gap.items()

    def test_it_is_tried_again_only_every_half_second(self, stage):
        """A full disk is not to be hammered at by every request."""
        audit = stage.audit()
        take_away(stage)
        audit.line(b"1")
        stage.path.parent.with_name("elsewhere").rename(stage.path.parent)

        assert refused(audit) is not None
        audit.line(b"2")
        stage.time += 0.99 * RETRY_S
        assert refused(audit) is not None
        stage.time += 0.02 * RETRY_S
        assert refused(audit) is None

    def test_it_is_said_once_when_it_begins_and_once_when_it_ends(self, stage):
        """With the reason, and nothing of a line."""
        audit = stage.audit()
        take_away(stage)
        for number in range(50):
            audit.line(b"canary %d" % number)
            refused(audit)
            stage.time += RETRY_S
        give_back(stage)
        refused(audit)

        begun, ended = stage.told()
        assert {
            "level": "error",
            "event": "audit_unwritable",
            "file": str(stage.path),
            "cause": "No such file or directory",
            "on_error": "deny",
        } == begun
        assert ("error", "audit_writable") == (ended["level"], ended["event"])
        assert (0, 50) == (ended["lines_lost"], ended["refused"])
        assert 51 * RETRY_S == ended["seconds"]
        assert b"canary" not in stage.stream.getvalue()

    def test_a_device_that_is_full_is_an_outage(self, stage):
        """And not an error of the request's."""
        audit = stage.audit(Path("/dev/full"))

        audit.line(b"1")

        assert "No space left on device" == refused(audit).cause
        assert ["audit_unwritable"] == [event["event"] for event in stage.told()]


class TestAllow:
    """Requests go on; what is missing is counted."""

    def test_lines_beyond_the_bound_are_counted_and_the_number_is_written(self, stage):
        """In the file, behind what could be held, and in the log."""
        audit = stage.audit(max_size=10 * MAX_HELD, on_error="allow")
        lines = numbered(300, size=10_000)
        take_away(stage)
        for line in lines:
            assert refused(audit) is None
            audit.line(line.encode())
        held = sum(len(line) + 1 for line in audit._waiting)
        give_back(stage)
        audit.check()
        audit.line(b"after")

        *written, gap, after = stage.lines()
        assert held <= MAX_HELD < held + 11_000
        assert lines[: len(written)] == written
        assert "after" == after
        told = json.loads(gap)
        assert "audit_gap" == told["event"]
        assert len(lines) == len(written) + told["lines_lost"]
        assert told["lines_lost"] == stage.told()[-1]["lines_lost"]


class TestDescriptor:
    """A number that is not our file any more."""

    def test_one_that_was_closed_is_an_outage_that_ends(self, stage):
        """By whatever mistake."""
        audit = stage.audit()
        os.close(audit._journal._file.descriptor)

        audit.line(b"1")
        assert "Bad file descriptor" == refused(audit).cause
        stage.time += RETRY_S

        assert refused(audit) is None
        assert "1" == stage.lines()[0]

    def test_one_that_is_another_file_now_is_neither_written_nor_closed(self, stage, tmp_path):
        """It may be the connection of a client."""
        audit = stage.audit()
        number = audit._journal._file.descriptor
        other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
        os.dup2(other, number)
        os.close(other)

        audit.line(b"1")
        stage.time += RETRY_S
        audit.flush()

        assert ["1"] == stage.lines()
        assert b"" == os.read(number, 100)
        os.close(number)


class TestLock:
    """Another process that has the file."""

    @pytest.fixture
    def other(self, stage):
        """Lock the file as another process would."""
        stage.path.touch()
        with stage.path.open() as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            yield other

    def test_one_that_keeps_it_is_an_outage(self, stage, other, monkeypatch):
        """It may have been stopped; the requests must not stop with it."""
        audit = stage.audit()
        monkeypatch.setattr(module, "sleep", lambda _: setattr(stage, "time", stage.time + 1))

        audit.line(b"1")

        assert "Locked by another process" == refused(audit).cause
        assert stage.time > 1000 + PATIENCE_S
        fcntl.flock(other, fcntl.LOCK_UN)
        stage.time += RETRY_S
        assert refused(audit) is None
        assert "1" == stage.lines()[0]

    def test_a_moment_of_it_is_waited_for(self, stage, other, monkeypatch):
        """Nothing is said of it."""
        audit = stage.audit()
        monkeypatch.setattr(module, "sleep", lambda _: fcntl.flock(other, fcntl.LOCK_UN))

        audit.line(b"1")

        assert ["1"] == stage.lines()
        assert [] == stage.told()


class TestHalfLine:
    """What a writer that was killed has left."""

    @pytest.mark.parametrize(
        ("left", "lines"),
        [
            ('{"ts":"2026', []),
            ('{"t', []),
            ('{"ts":"now","path":"}', []),
            ('{"ts":"now"}', ['{"ts":"now"}']),
            ("somebody else's", ["somebody else's"]),
            ("\0\0", ["\0\0"]),
        ],
    )
    @pytest.mark.parametrize("before", [[], ["whole"]], ids=["alone", "behind another"])
    def test_it_is_cut_away_or_ended(self, stage, before, left, lines):
        """A half line of ours is no evidence; anything else is kept, on a line of its own."""
        stage.path.write_text("".join(f"{line}\n" for line in before) + left)

        stage.audit().line(b"after")

        assert [*before, *lines, "after"] == stage.lines()
        [told] = stage.told()
        assert ("audit_half_line_mended", len(left)) == (told["event"], told["bytes"])

    def test_one_of_another_process_is_found_while_we_run(self, stage):
        """The size is not what we have left."""
        audit = stage.audit()
        audit.line(b"before")
        with stage.path.open("a") as other:
            other.write('{"ts":"2026')

        audit.line(b"after")

        assert ["before", "after"] == stage.lines()


class TestPartialWrite:
    """A disk that is full in the middle of a line."""

    @pytest.fixture
    def room(self, monkeypatch):
        """Let so many bytes be written, in a list to be changed."""

        def write(descriptor, data):
            done = real(descriptor, data[: room[0]]) if room[0] else 0
            if not done:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            room[0] -= done
            return done

        real, room = os.write, [1 << 30]
        monkeypatch.setattr(os, "write", write)
        return room

    def test_whole_lines_stay_and_the_half_one_is_cut_away(self, stage, room):
        """It is written again with the rest."""
        audit = stage.audit()
        audit.line(b"before")
        audit._waiting += [b"first", b"second", b"third"]
        room[0] = 8
        audit.flush()
        assert ["before", "first"] == stage.lines()
        room[0] = 1 << 30
        audit.flush()

        assert ["before", "first", "second", "third"] == stage.lines()

    def test_a_half_line_that_cannot_be_cut_away_is_ended(self, stage, room, monkeypatch):
        """So that the lines behind it can be read (`chattr +a` forbids to cut)."""
        audit = stage.audit()
        audit.line(b"before")
        room[0] = 3
        with monkeypatch.context() as patch:
            patch.setattr(os, "ftruncate", lambda *_: os.truncate("/", 0))
            audit.line(b'{"ts":"now"}')
            room[0] = 1 << 30
            audit.flush()

        assert ["before", '{"t', '{"ts":"now"}'] == stage.lines()


class TestClose:
    """The end of the process."""

    def test_what_cannot_be_written_at_the_end_is_told(self, stage):
        """The number; never a line."""
        audit = stage.audit()
        take_away(stage)
        audit.line(b"canary")
        audit.line(b"canary")

        audit.close()
        audit.close()

        assert ["audit_unwritable", "audit_lines_lost"] == [e["event"] for e in stage.told()]
        assert 2 == stage.told()[-1]["lines"]
        assert b"canary" not in stage.stream.getvalue()

    def test_a_later_line_is_written_all_the_same(self, stage):
        """A request that is broken off last of all has been decided too."""
        audit = stage.audit()
        audit.close()

        audit.line(b"last")

        assert ["last"] == stage.lines()
