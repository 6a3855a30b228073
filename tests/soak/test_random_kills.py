"""Ten thousand exchanges, many of them broken off by either side, leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from functools import lru_cache

import pytest

from tests.e2e.rig.command import running as command
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import BEARER, TOKEN, running
from tests.integration.rig.upstream import Upstream
from tests.soak.rig.breaking import Breaking
from tests.soak.rig.plan import plan
from tests.soak.rig.process import open_files, rss
from tests.soak.rig.storm import PARALLEL, Storm
from tests.soak.rig.table import show


pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

COUNT = int(os.environ.get("SOAK_EXCHANGES", "10000"))
SEED = int(os.environ.get("SOAK_SEED", "20260714"))
MIB = 1024 * 1024
GROWTH = 32 * MIB
"""Of resident memory: what each exchange may leave is 3 KiB, much less than any connection."""


@lru_cache(maxsize=2 * PARALLEL)
def plan_of(number):
    """Return a plan of this run."""
    return plan(SEED, number)


def config_for(origin):
    """Return a configuration whose limits end what stalls."""
    route = {
        "upstream": origin,
        "credential": {"bearer": {"value": TOKEN}},
        "timeouts": {"response": "1s", "idle": "1s", "pool_idle": "2s"},
    }
    return {"listen": "127.0.0.1:0", "routes": {"api": route}}


class Reckoning:
    """What one storm did, and whether it was right."""

    def __init__(self, upstream, breaking, storm, took_s):
        self.upstream = upstream
        self.breaking = breaking
        self.storm = storm
        self.took_s = took_s

    def show(self, where, *left):
        """Print the figures, those of what is left last."""
        arrived = self.breaking.arrived
        repeated = sum(1 for count in arrived.values() if count > 1)
        figures = {
            "seed": SEED,
            "exchanges": sum(self.storm.ends.values()),
            "s": f"{self.took_s:.0f}",
            "arrived": len(arrived),
            "twice": repeated,
            "upstream connections": len(self.upstream.visits),
            **dict(sorted(self.storm.ends.items())),
            "longest s": f"{self.storm.longest_s:.1f}",
            "innocent 502": len(self.storm.refused),
            **dict(left),
        }
        show(f"random kills, {where}", list(figures), [list(figures.values())])

    def check(self, lines):
        """Assert what must hold of every exchange and every line of the log."""
        assert "" == "\n".join(self.storm.wrong)
        assert "" == "\n".join(self.breaking.wrong)
        assert [] == self._taken_for_whole()
        errors = Counter(line.get("error") for line in lines)
        assert 0 == errors["internal"]
        assert 0 < errors["client-gone"]
        assert [] == [line for line in lines if line["level"] == "error"]
        # Only on a connection that another's plan had broken.
        unsaid = sum(1 for number in self.breaking.arrived if plan_of(number).closes_behind)
        assert len(self.storm.refused) <= unsaid

    def _taken_for_whole(self):
        """Return the requests that the client broke off and the upstream got whole."""
        early = {"before", "head", "body"}
        plans = map(plan_of, self.breaking.completed)
        return [
            each.number
            for each in plans
            if each.at_client in early and (each.at_client != "body" or each.upload)
        ]


async def storm_on(port, upstream, breaking):
    """Run the storm against a proxy before this upstream; return what came of it."""
    storm = Storm(port, breaking, plan_of)
    began = time.monotonic()
    await storm.run(COUNT)
    return Reckoning(upstream, breaking, storm, time.monotonic() - began)


def started():
    """Return an upstream that breaks, and what it does."""
    breaking = Breaking(plan_of, BEARER)
    return Upstream(script=breaking.script), breaking


async def test_nothing_is_left_of_connections_tasks_and_descriptors():
    """In this process, where they can be counted."""
    server, breaking = started()
    loop, faults = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: faults.append(context))

    def counted():
        (pool,) = proxy.service.provisioned.pools
        tasks, files = len(asyncio.all_tasks()), open_files(os.getpid())
        return proxy.service.connections, tasks, files, repr(pool)

    async with server as upstream, running(config_for(upstream.origin)) as proxy:
        before = counted()
        reckoning = await storm_on(proxy.port, upstream, breaking)
        await seen(lambda: all(visit.lost for visit in upstream.visits))
        await seen(lambda: counted() == before)
        after = counted()
        left = zip(("connections", "tasks", "descriptors"), after, strict=False)
        reckoning.show(f"in this process, {type(loop).__module__}", *left)

        assert before == after
        assert [] == faults
        reckoning.check(proxy.log.lines)


async def test_the_command_has_as_many_descriptors_as_before(tmp_path):
    """And no more memory than some."""
    server, breaking = started()
    async with server as upstream:
        with command(tmp_path, config_for(upstream.origin)) as proxy:
            pid = proxy.process.pid
            before, memory = open_files(pid), rss(pid)
            reckoning = await storm_on(proxy.port, upstream, breaking)
            await seen(lambda: all(visit.lost for visit in upstream.visits))
            await seen(lambda: open_files(pid) == before)
            growth = rss(pid) - memory
            status = proxy.stop()
        figures = ("descriptors", before), ("RSS growth MiB", f"{growth / MIB:.1f}")
        reckoning.show("the command", *figures)

        assert 0 == status
        assert growth < GROWTH
        reckoning.check(proxy.log)
