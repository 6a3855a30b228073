"""A thousand slow clients neither slow another one down nor fill the memory."""

from __future__ import annotations

import time

import pytest

from tests.e2e.rig.command import running
from tests.e2e.rig.nginx import nginx
from tests.soak.rig.attack import CONNECTIONS, WAYS, attack
from tests.soak.rig.neighbour import Neighbour
from tests.soak.rig.process import Peak, open_files, settled
from tests.soak.rig.table import percentile, show


pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

KIB = 1024
ROUNDS = 3
CALM_S = 4.0
LIMIT_S = 8.0
ENDED_S = 35.0
"""When the last one must be gone: it came in some seconds and had its time, or as a reader left by
itself; the rest is for a busy machine. The others would stay for a minute."""
ENOUGH = CONNECTIONS * 0.99
OTHERS = 10
"""Descriptors for the other client and for what it needs of the upstream."""
TIMES_SLOWER = 3.0
SMALL = b"small and well"
TARGETS = {"slow heads": "large.bin", "slow bodies": "taken/small.txt", "slow readers": "large.bin"}
LARGE = 8 * KIB * KIB
"""More than the kernel takes for a connection: the proxy is left with the rest."""
BOUND = {"slow heads": 32 * KIB, "slow bodies": 64 * KIB, "slow readers": 1024 * KIB}
"""Bytes of resident memory a client may cost. One that sends: the objects of its connection, and of
the upstream's, three times what they take. One that does not read: 256 KiB held from the upstream
and the read that went beyond, and as much again that waits to be written."""


@pytest.fixture
def origin(tmp_path_factory):
    """A small file and a large one, and a place that takes bodies."""
    directory = tmp_path_factory.mktemp("nginx")
    # nginx opens the files as the user it runs as, whom pytest's directories keep out.
    directory.chmod(0o755)
    (directory / "www").mkdir()
    (directory / "www" / "small.txt").write_bytes(SMALL)
    with (directory / "www" / "large.bin").open("wb") as large:
        large.truncate(LARGE)
    with nginx(directory) as origin:
        yield origin


@pytest.fixture
def proxy(origin, tmp_path):
    """The command with short limits."""
    limit = f"{LIMIT_S:.0f}s"
    config = {
        "listen": "127.0.0.1:0",
        "timeouts": {"head": limit, "body": limit, "write": limit},
        "routes": {
            "api": {"upstream": origin, "credential": {"bearer": {"value": "FAKE-token"}}},
        },
    }
    with running(tmp_path, config) as proxy:
        yield proxy


class Siege:
    """An attack that is watched from its begin to the end that the proxy makes of it.

    Attributes:
        most: the most descriptors that the proxy had more, those towards the upstream too.
        lasted_s: until it had them no more.
    """

    def __init__(self, pid):
        self._pid = pid
        self._before = open_files(pid)
        self._began = time.monotonic()
        self.most = 0
        self.lasted_s = 0.0

    def over(self):
        """Look; return whether it is over: the attacker may have much to read even then."""
        more = open_files(self._pid) - self._before
        self.most = max(self.most, more)
        self.lasted_s = time.monotonic() - self._began
        assert self.lasted_s < ENDED_S, f"{more} descriptors more, {self.most} at most"
        return self.most >= ENOUGH and more <= OTHERS


def calm(neighbour):
    """Measure without an attack."""
    ends = time.monotonic() + CALM_S
    return neighbour.measure(lambda: time.monotonic() > ends)


def besieged(neighbour, pid, way, url):
    """Measure under an attack; return the figures and the siege."""
    siege = Siege(pid)
    with attack(way, url):
        return neighbour.measure(siege.over), siege


def compared(quiet, loud, kind):
    """Return the p90 without and under attack, in milliseconds, of the round that tells them best.

    What else the machine does only adds, and does not do so in every round.
    """
    rounds = []
    for before, attacked, after in zip(quiet, loud, quiet[1:], strict=False):
        without = percentile(before[kind] + after[kind], 0.9)
        rounds.append((without * 1000, percentile(attacked[kind], 0.9) * 1000))
    return min(rounds, key=lambda both: both[1] / both[0])


@pytest.mark.parametrize("way", WAYS)
def test_slow_clients_harm_nobody(way, proxy):
    """Another client's p90 stays, so does the memory, and each of them has an end."""
    pid = proxy.process.pid
    base = f"http://127.0.0.1:{proxy.port}/api/"
    quiet, loud, sieges = [], [], []
    with Neighbour(proxy.port, "/api/small.txt", SMALL) as neighbour:
        calm(neighbour)
    files = open_files(pid)
    with Peak(pid) as memory, Neighbour(proxy.port, "/api/small.txt", SMALL) as neighbour:
        for _ in range(ROUNDS):
            quiet.append(calm(neighbour))
            times, siege = besieged(neighbour, pid, way, base + TARGETS[way])
            loud.append(times)
            sieges.append(siege)
        quiet.append(calm(neighbour))
    settled(lambda: open_files(pid) <= files, f"{open_files(pid)} descriptors to be {files}")
    p90 = {kind: compared(quiet, loud, kind) for kind in ("kept", "new")}
    figures = [f"{each:.2f}" for both in p90.values() for each in both]
    heads = ["kept: p90 ms", "attacked", "new: p90 ms", "attacked", "requests", "connections"]
    show(
        f"{CONNECTIONS} {way} and another client",
        [*heads, "ended after s", "RSS growth MiB"],
        [
            [
                *figures,
                sum(len(each) for times in loud for each in times.values()),
                max(siege.most for siege in sieges),
                f"{max(siege.lasted_s for siege in sieges):.1f}",
                f"{memory.growth / KIB / KIB:.1f}",
            ]
        ],
    )

    for kind, (without, attacked) in p90.items():
        assert attacked <= TIMES_SLOWER * without, kind
    assert memory.growth < CONNECTIONS * BOUND[way]
    assert {None} == {
        line.get("error") for line in proxy.log if line.get("path") == "/api/small.txt"
    }
