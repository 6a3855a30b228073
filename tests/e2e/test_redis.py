"""Rates that replicas share through a real Redis, and what becomes of them without it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

import pytest

from proxy.access.limits import ASKED_AGAIN_S, Rates
from proxy.access.windows import Windows
from proxy.dataplane.errors import CountUnavailable, RateLimited
from proxy.dataplane.model import Rate
from tests.e2e.rig.rates import UNTIL_COUNTED
from tests.e2e.rig.redis import PASSWORD, redis_server
from tests.integration.rig.written import Written


pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
STILL_AWAY = {"event": "rate_store_back", "ts": "9999-12-31T00:00:00Z"}
"""A run may end in an outage."""


@pytest.fixture
def server(tmp_path):
    """A Redis."""
    with redis_server(tmp_path) as server:
        yield server


class Replicas:
    """Processes that count together.

    Attributes:
        begin: when they begin to ask, on the monotonic clock.
    """

    def __init__(self, count, asked):
        argument = json.dumps({"on_storage_error": "deny"} | asked)
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.rig.rates", argument],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(count)
        ]

    def run(self, seconds):
        """Let them ask for so long, or without an end, all at once, when each is ready."""
        for process in self._processes:
            said = cast("IO[str]", process.stdout).readline()
            assert "\n" == said, cast("IO[str]", process.stderr).read()
        self.begin = time.monotonic() + 0.2
        self._tell(f"{self.begin} {self.begin + seconds if seconds else UNTIL_COUNTED}")

    def until_counted(self):
        """Let each go on until it hears once more that a request is one too many."""
        self._tell("")

    def _tell(self, line):
        for process in self._processes:
            asked = cast("IO[str]", process.stdin)
            asked.write(f"{line}\n")
            asked.flush()

    def told(self):
        """Wait for what they tell."""
        ends = [process.communicate(timeout=PATIENCE_S) for process in self._processes]
        assert {""} == {errors for _, errors in ends}
        return [json.loads(output) for output, _ in ends]

    def kill(self):
        """End them."""
        for process in self._processes:
            with process:
                process.kill()


@contextlib.contextmanager
def replicas(count, lasting, **asked):
    """Run processes that ask for so long from now on, or without an end."""
    replicas = Replicas(count, asked)
    try:
        replicas.run(lasting)
        yield replicas
    finally:
        replicas.kill()


@pytest.fixture
def written():
    """What this process has logged."""
    return Written()


@contextlib.asynccontextmanager
async def rates(url, written):
    """Rates in this process."""
    async with contextlib.AsyncExitStack() as stack:
        made = Rates(url, "deny", written.log)
        stack.push_async_callback(made.close)
        yield made


async def refused(made, *asked):
    """Return the fields of a refusal."""
    with pytest.raises(RateLimited) as caught:
        await made.admit(asked)
    return caught.value.fields


async def until_counted(made, rate):
    """Ask until it is counted; return how long that took."""
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await made.admit([rate])
            except CountUnavailable:
                await asyncio.sleep(0)
            else:
                return time.monotonic() - began


@pytest.mark.soak
async def test_two_processes_share_one_limit(server):
    """500 a second of twice as many: what one counter would admit that sees all, within 2 %."""
    with replicas(2, 5, url=server.url, amount=500, seconds=1, pace=500) as asking:
        ends = asking.told()

    admitted = _times(ends, "admitted")
    assert 5000 == pytest.approx(len(_times(ends, "sent")), rel=0.02)
    assert await _ideal(sorted(_times(ends, "sent"))) == pytest.approx(len(admitted), rel=0.02)
    assert [] == _times(ends, "away")
    assert all(end["admitted"] for end in ends)


@pytest.mark.soak
def test_two_processes_share_one_amount(server):
    """What is not free again while they run: never one more, and hardly any is lost."""
    with replicas(2, 4, url=server.url, amount=1000, seconds=3600, pace=500) as asking:
        ends = asking.told()

    assert 980 <= len(_times(ends, "admitted")) <= 1000


@pytest.mark.soak
@pytest.mark.parametrize(
    ("on_storage_error", "outcome", "other"),
    [("deny", "away", "admitted"), ("allow", "admitted", "away")],
)
def test_a_redis_is_killed_in_mid_run(server, on_storage_error, outcome, other):
    """Requests are refused or pass, as configured, each hears, and it recovers by itself.

    A machine that stands still may make a Redis late that is there: that is an outage as well, and
    told as a time limit.
    """
    asked = {"on_storage_error": on_storage_error, "amount": 100, "seconds": 1, "pace": 250}
    with replicas(2, None, url=server.url, **asked) as asking:
        _wait_until(asking.begin + 2)
        server.kill()
        killed, killed_at = time.monotonic(), datetime.now(tz=UTC)
        _wait_until(killed + 4 * ASKED_AGAIN_S)
        dead, dead_at = time.monotonic(), datetime.now(tz=UTC)
        server.start()
        asking.until_counted()
        ends = asking.told()

    for end in ends:
        heard = {each: end[each] for each in ("admitted", "limited", "away")}
        assert len(end["sent"]) == sum(map(len, heard.values()))
        assert end["longest_s"] < 5.0  # a second and a quarter; the rest is the machine's
        before = _between(heard, 0.0, killed)
        assert before["admitted"]
        assert before["limited"]
        assert not _between(heard, killed, dead)[other]
        # Till then a window may be remembered to be full: a second, and one for the machine.
        later = _between(heard, killed + 2 * ASKED_AGAIN_S, dead)
        assert {outcome} == {each for each in later if later[each]}
        _told_once(end["log"], killed_at, dead_at)


def _between(heard, since, until):
    """Return what became of requests that were sent and answered in a time."""
    return {
        each: [began for began, ended in times if since < began and ended < until]
        for each, times in heard.items()
    }


def _told_once(log, killed, dead):
    """The Redis was away when it was dead, and is back; no other outage but for slowness."""
    assert PASSWORD not in log
    lines = [json.loads(line) for line in log.splitlines()]
    outages = list(itertools.zip_longest(lines[::2], lines[1::2], fillvalue=STILL_AWAY))
    assert {("rate_store_away", "rate_store_back")} == {
        (away["event"], back["event"]) for away, back in outages
    }
    (caught,) = [(away, back) for away, back in outages if _at(away) < dead and killed < _at(back)]
    assert caught[1] is not STILL_AWAY
    assert dead <= _at(caught[1])
    slow = [away["cause"] for away, back in outages if (away, back) != caught]
    assert not [cause for cause in slow if not cause.startswith("TimeoutError")]


def _at(line):
    return datetime.fromisoformat(line["ts"])


async def _ideal(sent):
    times = iter(sent)
    windows = Windows(lambda: next(times))
    rate = Rate("client", "alice", 500, 1)
    return [await windows.take(rate) for _ in sent].count(None)


def _times(ends, which):
    return [at for end in ends for at in end[which]]


async def _standing_still(server, written):
    """Ask a Redis that never answers, and one that does again; return how long each took."""
    rate = Rate("client", "alice", 1000, 60)
    async with rates(server.url, written) as made:
        await made.admit([rate])
        server.stop()
        try:
            began = time.monotonic()
            for _ in range(200):
                with pytest.raises(CountUnavailable):
                    await made.admit([rate])
            left_s = time.monotonic() - began
        finally:
            server.go_on()

        return left_s, await until_counted(made, rate)


async def test_a_redis_that_stands_still_is_left_alone(server, written):
    """It is used again once it goes on."""
    left_s, _ = await _standing_still(server, written)

    assert left_s < 10  # one after the other they would wait for 50 s
    assert PASSWORD not in written.text


@pytest.mark.soak
async def test_a_redis_that_stands_still_takes_nobody_s_time(server, written):
    """Less than a second altogether, and as much until it is used again."""
    assert max(await _standing_still(server, written)) < 1.0


@pytest.mark.soak
async def test_a_redis_that_returns_is_used_within_a_second(server, written):
    """With connections that rest in the pool, and scripts that it has forgotten."""
    rate = Rate("client", "alice", 1000, 60)
    async with rates(server.url, written) as made:
        await asyncio.gather(*(made.admit([rate]) for _ in range(50)))
        server.kill()
        with pytest.raises(CountUnavailable):
            await made.admit([rate])
        server.start()

        assert await until_counted(made, rate) < 1.0
        await asyncio.gather(*(made.admit([rate]) for _ in range(50)))


async def test_a_redis_that_was_restarted_unseen_is_used_at_once(server, written):
    """Dead connections in the pool cost no request."""
    rate = Rate("client", "alice", 1000, 60)
    async with rates(server.url, written) as made:
        await asyncio.gather(*(made.admit([rate]) for _ in range(50)))
        server.kill()
        server.start()

        await asyncio.gather(*(made.admit([rate]) for _ in range(50)))
        assert not written.text


async def test_the_wrong_password_is_told_by_its_kind(server, written):
    """Neither the right one nor the wrong one is shown."""
    async with rates(server.url.replace(PASSWORD, "canary-wrong"), written) as made:
        with pytest.raises(CountUnavailable):
            await made.admit([Rate("client", "alice", 1, 60)])

        assert "AuthenticationError" in written.text
        assert "canary" not in written.text


async def test_one_too_many_hears_when_to_come_back(server, written):
    """And gets through then; the other rate is not used up by it."""
    client = Rate("client", "alice", 9, 60)
    route = Rate("route", "microreact", 2, 1)
    async with rates(server.socket_url, written) as made:
        for _ in "ab":
            await made.admit([client, route])
        for _ in range(20):
            assert (b"Retry-After", b"1") in await refused(made, client, route)

        await asyncio.sleep(1)  # as it was told
        for _ in "ab":
            await made.admit([client, route])
        for _ in range(5):
            await made.admit([client])
        assert (b"RateLimit-Policy", b'"client";q=9;w=60') in await refused(made, client)


async def test_keys_hold_scope_and_name(server, written):
    """And nothing else; they go by themselves."""
    from redis.asyncio import Redis  # noqa: PLC0415 -- only here

    async with rates(server.url, written) as made, Redis.from_url(server.url) as client:
        await made.admit([Rate("client", "alice", 9, 60), Rate("route", "microreact", 9, 1)])

        assert {b"keybearer:client/alice", b"keybearer:route/microreact"} == set(
            await client.keys("*")
        )
        assert 0 < await client.ttl("keybearer:client/alice") <= 60


async def test_cancelled_requests_leave_the_pool_whole(server, written):
    """Wherever they are when they are cancelled."""
    rate = Rate("client", "alice", 100_000, 60)
    async with rates(server.url, written) as made:
        for turn in range(60):
            tasks = [asyncio.ensure_future(made.admit([rate])) for _ in range(40)]
            for _ in range(turn):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        await asyncio.gather(*(made.admit([rate]) for _ in range(100)))
        assert not written.text


def _wait_until(moment):
    time.sleep(max(0.0, moment - time.monotonic()))  # the processes run by the clock
