"""What large bodies cost the real command beyond their bytes."""

from __future__ import annotations

import contextlib
import http.client
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.rig.command import running
from tests.e2e.rig.nginx import nginx


pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
WHOLE = 64 * MIB
"""For all clients together."""
TIMES = 4
PAGES = TIMES * WHOLE // 4096


def faults(pid):
    """Return the pages that were given to a process, without a disk (minflt, proc(5))."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def downloaded(port, times):
    """Read the file so often on a connection; return its sizes."""
    sizes = set()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        for _ in range(times):
            connection.request("GET", "/api/large")
            sizes.add(len(connection.getresponse().read()))
    return sizes


@pytest.mark.parametrize("clients", [1, 32])
def test_buffers_are_kept(tmp_path, clients):
    """Else every page of every buffer is given back and faulted in again, at the heap's whim."""
    size = WHOLE // clients
    (tmp_path / "www").mkdir()
    with (tmp_path / "www" / "large").open("wb") as file:
        file.truncate(size)
    listen = "127.0.0.1:0"
    with nginx(tmp_path) as origin:
        config = {"listen": listen, "routes": {"api": {"upstream": origin, "credential": "none"}}}
        with running(tmp_path, config) as proxy, ThreadPoolExecutor(clients) as crowd:
            ports = [proxy.port] * clients
            sizes = set().union(*crowd.map(downloaded, ports, [1] * clients))
            before = faults(proxy.process.pid)
            sizes |= set().union(*crowd.map(downloaded, ports, [TIMES] * clients))
            faulted = faults(proxy.process.pid) - before

    assert platform.libc_ver()[0] == "glibc", "the test's claim is of glibc alone"
    assert {size} == sizes
    assert faulted < PAGES / 20, faulted
