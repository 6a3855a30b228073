"""Many lives of the command under light load leave nothing behind."""

from __future__ import annotations

import signal
import socket
import threading
import time

import pytest

from tests.e2e.rig.command import running
from tests.soak.rig.process import processes_in
from tests.soak.rig.table import percentile, show
from tests.soak.rig.upstream import upstream


pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

CYCLES = 200
LIMIT_S = 120.0
"""The cycles end after this time on a slow machine, but not before the fewest."""
FEWEST = 50
KILLED_EVERY = 10
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Load:
    """A client that asks one request after the other until the proxy is gone.

    Attributes:
        served: how many whole answers it got.
        wrong: answers that are neither the upstream's nor a refusal while draining.
    """

    def __init__(self, path):
        self.served = 0
        self.wrong = []
        self._path = path
        self.first = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self._path))
                connection.settimeout(10)
                self._ask(connection)
        except (ConnectionError, FileNotFoundError):
            pass  # it has ended
        finally:
            self.first.set()

    def _ask(self, connection):
        while True:
            connection.sendall(REQUEST)
            answer = b""
            while not answer.endswith(b"ok"):
                piece = connection.recv(4096)
                if not piece:
                    return
                answer += piece
            if not answer.startswith(b"HTTP/1.1 200 OK\r\n"):
                self.wrong.append(answer)
            self.served += 1
            self.first.set()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join()


def cycle(directory, config, *, kill):
    """Start, load, end; return the status, the client, and the seconds to ready and to the end."""
    began = time.perf_counter()
    with running(directory, config) as proxy:
        ready = time.perf_counter()
        with Load(directory / "kb.sock") as load:
            assert load.first.wait(20)
            assert [proxy.process.pid] == processes_in(directory)
            ending = time.perf_counter()
            proxy.signal(signal.SIGKILL if kill else signal.SIGTERM)
            status = proxy.wait()
    return status, load, (ready - began, time.perf_counter() - ending)


def test_starts_and_stops_leave_no_process_and_no_socket(tmp_path):
    """Ended by SIGTERM with 0; a socket that a killed one leaves is taken over by the next."""
    statuses, served, times = [], 0, []
    with upstream(lambda peer, _: peer.send(OK)) as origin:
        route = {"upstream": origin, "credential": {"bearer": {"value": "FAKE-token"}}}
        config = {"listen": "unix:kb.sock", "routes": {"api": route}}
        began = time.monotonic()
        for number in range(CYCLES):
            if time.monotonic() - began > LIMIT_S and number >= FEWEST:
                break
            kill = number % KILLED_EVERY == KILLED_EVERY - 2
            status, load, took = cycle(tmp_path, config, kill=kill)
            statuses.append(status)
            times.append(took)
            served += load.served
            assert load.served >= 1
            assert [] == load.wrong
            assert kill == (tmp_path / "kb.sock").exists()
    ready, end = ([each[index] * 1000 for each in times] for index in (0, 1))
    show(
        "starts and stops under load",
        ["cycles", "killed", "requests", "ready p50 ms", "p99", "end p50 ms", "p99"],
        [
            [
                len(statuses),
                statuses.count(-signal.SIGKILL),
                served,
                *(f"{percentile(ready, part):.0f}" for part in (0.5, 0.99)),
                *(f"{percentile(end, part):.0f}" for part in (0.5, 0.99)),
            ]
        ],
    )

    assert {0, -signal.SIGKILL} == set(statuses)
    assert [] == processes_in(tmp_path)
    assert {"keybearer.yaml", "stderr"} == {each.name for each in tmp_path.iterdir()}
