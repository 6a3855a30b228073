"""10,000 clients in the file: how long they take to load, and what requests feel of a reload."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from dataclasses import dataclass

import pytest

from proxy.process.gateway import Gateway
from proxy.process.loop import calm_gc
from tests.integration.rig.client_keys import new
from tests.integration.rig.proxy import get, one_route, running
from tests.soak.rig.gaps import Gaps
from tests.soak.rig.table import percentile, show


pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

CLIENTS = 10_000
LOAD_S = 3.0
STALL_S = 0.05
REVOKED_S = 1.0
RATE = 200
RUN_S = 6.0
CHANGE_AFTER_S = 0.5
TRIES = 3
"""A machine that others use stalls, too; the best of so many counts."""

STORED = [[new(f"client-{i}", seed).stored for seed in (0, 1)] for i in range(CLIENTS)]
KEY = new("client-1")


def text(version=0):
    """Return the file; of another version, every client is another."""
    lines = []
    for i, keys in enumerate(STORED):
        lines += [f"# number {i}, version {version}", f"client-{i}:"]
        lines.append(f"  key: [{', '.join(keys)}]" if i % 2 else f"  key: {keys[0]}")
        lines.append("  routes: [api]" if i % 3 else "  routes: '*'")
        if i % 4 == 0:
            lines.append("  methods: [GET, HEAD, POST]")
        if i % 5 == 0:
            lines.append(
                f"  rules: [{{methods: [GET], paths: [/p/{i}/**, /q/*/x{i}], action: allow}}, "
                "{paths: [/admin/**], action: deny}]"
            )
        if i % 6 == 0:
            lines.append(f"  rate: {1000 + version}/minute")
        if i % 7 == 0:
            lines.append("  concurrency: 20")
        if i % 8 == 0:
            lines.append("  credentials: {api: own}")
        lines.append(f"  expires: {2090 + version}-01-01")
    return "\n".join(lines) + "\n"


def put(path, data):
    """Replace the file at once."""
    other = path.with_suffix(".new")
    other.write_text(data)
    other.replace(path)


@dataclass
class Run:
    """What a load met."""

    took: list[float]
    own_s: float
    worst_s: float
    reload_s: float | None

    def row(self, name):
        """Return its figures in milliseconds."""
        ms = [f"{percentile(self.took, part) * 1000:.1f}" for part in (0.5, 0.99, 1)]
        reload = "-" if self.reload_s is None else f"{self.reload_s:.2f}"
        gaps = [f"{self.own_s * 1000:.1f}", f"{self.worst_s * 1000:.1f}"]
        return [name, len(self.took), *ms, *gaps, reload]


@pytest.fixture
async def steady():
    """Start the process that sends requests; it ends with the test."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.soak.rig.steady"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    yield process
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


@pytest.fixture
async def place(tmp_path):
    """The file."""
    path = tmp_path / "clients.yaml"
    path.write_text(text())
    return path


@pytest.fixture
async def loads(monkeypatch):
    """How long each load took: wall clock and the process's own time."""
    taken = []
    load = Gateway.load

    def timed(self):
        began, cpu = time.monotonic(), time.process_time()
        load(self)
        taken.append((time.monotonic() - began, time.process_time() - cpu))

    monkeypatch.setattr(Gateway, "load", timed)
    return taken


@pytest.fixture
async def proxy(steady, place, loads):
    """The proxy in this process, as calm as the command makes it."""
    pace = gc.get_threshold()
    origin = f"http://127.0.0.1:{int(await steady.stdout.readline())}"
    own = {"origin": origin, "bearer": {"value": "FAKE-own-token-of-clients"}}
    config = one_route(origin) | {"clients_file": str(place), "credentials": {"own": own}}
    async with running(config) as proxy:
        calm_gc()
        assert proxy.log.log.events is not None  # imported
        yield proxy
    gc.unfreeze()
    gc.set_threshold(*pace)


async def reloaded(proxy, before):
    """Wait for one more line of a reload."""
    await proxy.log.bell.until(
        lambda: proxy.log.text.count(b'"clients_re') > before, "for a reload", 60
    )


async def loaded(proxy, steady, change):
    """Send requests, and change the file meanwhile."""
    before = proxy.log.text.count(b'"clients_re')
    async with Gaps() as gaps:
        steady.stdin.write(f"{proxy.port} {KEY.text} {RATE} {RUN_S}\n".encode())
        await asyncio.sleep(CHANGE_AFTER_S)
        began, reload_s = time.monotonic(), None
        if change is not None:
            await asyncio.to_thread(change)
            began = time.monotonic()
            await reloaded(proxy, before)
            reload_s = time.monotonic() - began
        took = json.loads(await steady.stdout.readline())
    assert None not in took
    return Run(took, gaps.own_s, gaps.worst_s, reload_s)


async def test_ten_thousand_clients_load_and_reload(proxy, steady, place, loads):
    """In three seconds; and nobody waits for it."""
    made = proxy.service.provisioned.gateway
    while min(loads)[0] > LOAD_S and len(loads) < TRIES:
        Gateway(made._config, made._callers, made._sweep, made._resolver, made._log).load()
    load_s, cpu_s = min(loads)
    versions = iter(range(1, 100))

    def one():
        put(place, text().replace("number 7,", f"number seven {next(versions)},"))

    def all_():
        put(place, text(next(versions)))

    def invalid():
        put(place, text(next(versions)) + "carol: {}\n")

    changes = {"one changed": one, "all changed": all_, "invalid": invalid}
    control = await loaded(proxy, steady, None)
    rows = [control.row("no reload")]
    worst: dict[str, float] = {}
    for name, change in changes.items():
        for _ in range(TRIES):
            run = await loaded(proxy, steady, change)
            rows.append(run.row(name))
            beyond = max(run.own_s - control.own_s, max(run.took) - max(control.took))
            worst[name] = min(beyond, worst.get(name, beyond))
            if beyond <= STALL_S:
                break
    show(
        f"{CLIENTS} clients, loaded in {load_s:.2f} s ({cpu_s:.2f} s CPU, try {len(loads)}); "
        f"{RATE} requests/s",
        ["ms", "requests", "p50", "p99", "max", "gap", "gap+machine", "reload s"],
        rows,
    )

    assert load_s <= LOAD_S, loads
    assert max(worst.values()) <= STALL_S, worst


async def test_one_of_ten_thousand_is_revoked_within_a_second(proxy, place):
    """As `keybearer keys revoke` leaves the file: one client's lines are gone."""
    request = get("/api/x", f"Authorization: Bearer {KEY.text}")
    best = None
    whole = text()
    at, end = whole.index("client-1:"), whole.index("client-2:")
    for _ in range(TRIES):
        assert 200 == (await proxy.ask(request)).status
        began = time.monotonic()
        put(place, whole[:at] + whole[end:])
        async with await proxy.client() as client:
            while (await client.ask(request)).status != 401:
                assert time.monotonic() - began < 20
        took_s = time.monotonic() - began
        best = took_s if best is None else min(best, took_s)
        if best <= REVOKED_S:
            break
        put(place, whole)
        async with await proxy.client() as client:
            while (await client.ask(request)).status != 200:
                assert time.monotonic() - began < 20
    show("One of 10,000 is revoked", ["", "s"], [["until refused", f"{best:.2f}"]])

    assert best is not None
    assert best <= REVOKED_S
