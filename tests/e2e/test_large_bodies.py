"""What large bodies cost the real command beyond their bytes."""

from __future__ import annotations

import contextlib
import http.client
import platform
from pathlib import Path

import pytest

from tests.e2e.rig.command import running
from tests.e2e.rig.nginx import nginx


pytestmark = pytest.mark.e2e

SIZE = 64 * 1024 * 1024
TIMES = 4
WARM_UP = 1
PAGES = TIMES * SIZE // 4096


def faults(pid):
    """Return the pages that were given to a process, without a disk (minflt, proc(5))."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def download(connection):
    """Read the file; return its size."""
    connection.request("GET", "/api/large")
    return len(connection.getresponse().read())


def test_buffers_are_kept(tmp_path):
    """Else every page of every buffer is given back and faulted in again, at the heap's whim."""
    (tmp_path / "www").mkdir()
    with (tmp_path / "www" / "large").open("wb") as file:
        file.truncate(SIZE)
    with (
        nginx(tmp_path) as origin,
        running(
            tmp_path,
            {
                "listen": "127.0.0.1:0",
                "routes": {"api": {"upstream": origin, "credential": "none"}},
            },
        ) as proxy,
        contextlib.closing(http.client.HTTPConnection("127.0.0.1", proxy.port)) as connection,
    ):
        sizes = {download(connection) for _ in range(WARM_UP)}
        before = faults(proxy.process.pid)
        sizes |= {download(connection) for _ in range(TIMES)}
        faulted = faults(proxy.process.pid) - before

    assert platform.libc_ver()[0] == "glibc", "the test's claim is of glibc alone"
    assert {SIZE} == sizes
    assert faulted < PAGES / 50, faulted
