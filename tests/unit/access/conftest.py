"""An audit file in a directory of its own, a clock that is set, a log that is read."""

from __future__ import annotations

import io
import json

import pytest

from proxy.access.audit import AuditFile
from proxy.observe.log import Log


class Stage:
    """Where audit files are written.

    Attributes:
        path: of the file.
        time: seconds; it stands still until the test moves it.
    """

    def __init__(self, directory):
        self.path = directory / "audit"
        self.time = 1000.0
        self.stream = io.BytesIO()
        self.log = Log(stream=self.stream)
        self._opened = []

    def audit(self, path=None, max_size=1_000_000, keep=3, on_error="deny"):
        """Open an audit file; it is closed with the test."""
        audit = AuditFile(
            path or self.path, max_size, keep, on_error, self.log, now=lambda: self.time
        )
        self._opened.append(audit)
        return audit

    def told(self):
        """Return what the log has told: events without their time."""
        self.log.flush()
        events = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [{k: v for k, v in event.items() if k != "ts"} for event in events]

    def lines(self, *suffixes):
        """Return the lines of the file, or of those behind the suffixes one after another."""
        paths = [self.path.with_name(self.path.name + suffix) for suffix in suffixes or ("",)]
        text = b"".join(path.read_bytes() for path in paths)
        assert not text or text.endswith(b"\n")
        return text.decode().splitlines()

    def close(self):
        """Close what is open."""
        for audit in self._opened:
            audit.close()


@pytest.fixture
def stage(tmp_path):
    """A place for one audit file."""
    directory = tmp_path / "var"
    directory.mkdir()
    stage = Stage(directory)
    yield stage
    stage.close()
