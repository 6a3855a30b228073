"""Several processes with one audit file, one that is killed, one that meets a limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest


WRITER = Path(__file__).with_name("writer.py")


def started(*args):
    """Start a process that writes."""
    return subprocess.Popen(
        [sys.executable, WRITER, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        text=True,
    )


def ended(process, status=0):
    """Wait for its end; return what it has printed and logged."""
    out, log = process.communicate(timeout=40)
    assert status == process.returncode, log
    return out, log


def told(path):
    """Return the lines of a file, each of which has to be whole."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("max_size", [2_000, 1 << 30], ids=["rotated often", "never rotated"])
def test_no_line_is_lost_or_mixed_or_written_twice(tmp_path, max_size):
    """By two processes that rotate the same file."""
    path = tmp_path / "audit"
    names, count = ("first", "second"), 3_000
    processes = [started("many", path, name, count, max_size) for name in names]
    for process in processes:
        assert "ready\n" == process.stdout.readline()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    logs = [ended(process)[1] for process in processes]

    files = sorted(tmp_path.iterdir(), key=lambda each: int(each.suffix[1:] or 0), reverse=True)
    lines = [line for each in files for line in told(each)]
    assert Counter({(name, n): 1 for name in names for n in range(count)}) == Counter(
        (line["by"], line["number"]) for line in lines
    )
    for name in names:
        assert list(range(count)) == [line["number"] for line in lines if line["by"] == name]
    assert ["", ""] == logs
    sizes = [each.stat().st_size for each in files]
    assert (len(files) > 1) == (max_size < 1 << 30)
    # Rotated twice for one full file, there would be files with hardly a line.
    assert all(max_size / 2 < size <= max_size for size in sizes[:-1])


def test_a_writer_that_is_killed_leaves_whole_lines_behind(stage):
    """At the latest with the next line of anybody."""
    kills = 4
    for number in range(kills):
        process = started("endless", stage.path)
        for _ in range(5 + number):
            process.stdout.readline()
        process.kill()
        process.communicate()
        stage.audit(max_size=1 << 40).line(json.dumps({"ts": "now", "by": "parent"}).encode())

    lines = told(stage.path)
    assert kills == sum(line["by"] == "parent" for line in lines)
    assert 5 * kills <= sum(line["by"] == "killed" for line in lines)


def test_a_limit_in_the_middle_of_a_line_leaves_no_half_line(tmp_path):
    """Nor does it lose one: each is there once when the limit has gone."""
    path = tmp_path / "audit"
    limit = 10_000

    out, log = ended(started("limited", path, limit))

    decided, size, whole, cause = out.split(maxsplit=3)
    *lines, gap = told(path)
    assert list(range(int(decided))) == [line["number"] for line in lines]
    assert ("True", "File too large") == (whole, cause.strip())
    assert limit - 200 < int(size) <= limit
    assert "audit_gap" == gap["event"]
    assert ["audit_unwritable", "audit_writable"] == [
        json.loads(line)["event"] for line in log.splitlines()
    ]
