"""Where connections or descriptors run out, the listener goes on."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections import Counter

import pytest

from tests.e2e.rig.command import running
from tests.soak.rig.process import open_files, settled
from tests.soak.rig.table import show
from tests.soak.rig.upstream import upstream


pytestmark = [pytest.mark.soak, pytest.mark.timeout(120)]

LIMIT = 50
TOO_MANY = 200
"""How many are refused, one after the other: none of them may take a place."""
SPARE = 20
"""Descriptors that the proxy may open before there are none."""
CROWD = 100
PATIENCE_S = 10
REQUEST = b"GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer(peer, _):
    """Answer."""
    peer.send(OK)


def connect(port):
    """Connect."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE_S)


def ask(connection):
    """Return the status and the whole of an answer; 0 where there is none."""
    connection.sendall(REQUEST)
    return take(connection)


def ask_together(connections):
    """Return the statuses of requests that were there before the first answer."""
    for each in connections:
        each.sendall(REQUEST)
    return [take(each)[0] for each in connections]


def take(connection):
    """Return the status and the whole of an answer; 0 where there is none."""
    data = b""
    try:
        while not data.endswith((b"ok", b"}", b"}\n")):
            piece = connection.recv(4096)
            if not piece:
                break
            data += piece
    except (ConnectionError, TimeoutError):
        pass
    return int(data[9:12] or b"0"), data


def ask_once(port):
    """Return the status of a request on a connection of its own."""
    with connect(port) as connection:
        return ask(connection)[0]


def config_for(origin, **more):
    """Return a configuration with the route `api`."""
    route = {"upstream": origin, "credential": {"bearer": {"value": "FAKE-token"}}}
    return {"listen": "127.0.0.1:0", "routes": {"api": route}, **more}


def connected(stack, port, count):
    """Return connections that end with the stack, as many as can be had."""
    crowd = []
    for _ in range(count):
        with contextlib.suppress(ConnectionError, TimeoutError):
            crowd.append(stack.enter_context(connect(port)))
    return crowd


def refused_by(port):
    """Return the answers to connections that are too many, one after the other."""
    answers = []
    for _ in range(TOO_MANY):
        with connect(port) as connection:
            answers.append(ask(connection))
    return answers


def back_to(pid, files, what):
    """Wait until the proxy has no more descriptors than these."""
    settled(lambda: open_files(pid) <= files, what)


def test_at_the_limit_new_connections_get_503_and_then_are_served_again(tmp_path):
    """Those that are open are served as before; each that ends makes room for one."""
    with (
        upstream(answer) as origin,
        running(tmp_path, config_for(origin, limits={"connections": LIMIT})) as proxy,
        contextlib.ExitStack() as stack,
    ):
        assert 200 == ask_once(proxy.port)
        files = open_files(proxy.process.pid)
        full = connected(stack, proxy.port, LIMIT)
        served = [ask(each)[0] for each in full]
        refused = refused_by(proxy.port)
        served_on = [ask(each)[0] for each in full]
        for each in full[: LIMIT // 2]:
            each.close()
        back_to(proxy.process.pid, files + LIMIT // 2, "those that left to be gone")
        again = [ask(each)[0] for each in connected(stack, proxy.port, LIMIT // 2)]
        one_more = ask_once(proxy.port)
        stack.close()
        back_to(proxy.process.pid, files, "all to be gone")
        last = ask_once(proxy.port)
    statuses = [status for status, _ in refused]
    row = [LIMIT, statuses.count(503), len(served_on), len(again)]
    show("at the connection limit", ["limit", "refused", "served on", "served again"], [row])

    assert [200] * LIMIT == served == served_on
    assert [503] * TOO_MANY == statuses
    assert all(b"\r\nProxy-Status: keybearer;" in data for _, data in refused)
    assert [200] * (LIMIT // 2) == again
    assert (503, 200) == (one_more, last)


def environment_of(loop, directory):
    """Return variables with which the command takes this loop."""
    if loop == "uvloop":
        return {}
    # It takes asyncio's own where uvloop cannot be imported.
    (directory / "uvloop.py").write_text("raise ImportError\n")
    path = os.pathsep.join(filter(None, [str(directory), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path}


class Shortage:
    """A proxy without descriptors.

    Attributes:
        limit: how many it may have.
        most: how many it had.
        kept: the status on a connection that was there before.
        crowd: the statuses of some that came too many.
    """

    def __init__(self, proxy, kept):
        pid = proxy.process.pid
        files = open_files(pid)
        self.limit = files + SPARE
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (self.limit, self.limit))
        with contextlib.ExitStack() as stack:
            crowd = connected(stack, proxy.port, CROWD)
            settled(lambda: open_files(pid) >= self.limit - 1, "the descriptors to run out")
            self.most = open_files(pid)
            # Its upstream's connection is there; those who need another one are refused.
            self.kept = ask(kept)[0]
            self.crowd = Counter(ask_together(crowd[: SPARE // 2]))
        back_to(pid, files + 1, "the crowd to be gone")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_running_out_of_descriptors_is_survived(loop, tmp_path):
    """Whatever becomes of those who come meanwhile; afterwards all is as before."""
    environ = environment_of(loop, tmp_path)
    with (
        upstream(answer) as origin,
        running(tmp_path, config_for(origin), environ=environ) as proxy,
        connect(proxy.port) as kept,
    ):
        assert 200 == ask(kept)[0]
        shortage = Shortage(proxy, kept)
        again = [ask_once(proxy.port) for _ in range(CROWD)]
        kept_on = ask(kept)[0]
        lines = proxy.log
        status = proxy.stop()
    heads = ["limit", "most", "kept one", "the crowd", "served again", "log lines"]
    row = [shortage.limit, shortage.most, shortage.kept, dict(shortage.crowd), again.count(200)]
    show(f"without descriptors, {loop}", heads, [[*row, len(lines)]])

    assert shortage.limit >= shortage.most
    assert (200, 200) == (shortage.kept, kept_on)
    assert shortage.crowd.keys() <= {200, 502}
    assert shortage.crowd[502] > 0
    assert [200] * CROWD == again
    assert [] == [line for line in lines if line.get("error") == "internal"]
    assert len(lines) < 4 * CROWD
    assert 0 == status
