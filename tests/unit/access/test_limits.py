"""What a request hears that is one too many, and what it costs it."""

from __future__ import annotations

from io import BytesIO

import pytest

from proxy.access.counts import CountsAway
from proxy.access.limits import ASKED_AGAIN_S, Rates
from proxy.access.windows import Windows
from proxy.dataplane.errors import CountUnavailable, RateLimited
from proxy.dataplane.model import Rate
from proxy.observe.log import Log
from tests.integration.rig.command import python


CLIENT = Rate("client", "alice", 3, 60)
ROUTE = Rate("route", "microreact", 2, 10)


class Clock:
    """Tells the time that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell it."""
        return self.now


class Asked:
    """Counts, and what they were asked; away if a test says so."""

    def __init__(self, counts) -> None:
        self.counts = counts
        self.taken: list[Rate] = []
        self.away = False
        self.closed = False

    async def take(self, rate):
        """Note what is asked."""
        self.taken.append(rate)
        if self.away:
            raise CountsAway
        return await self.counts.take(rate)

    async def give_back(self, rate):
        """Pass it on."""
        await self.counts.give_back(rate)

    async def close(self):
        """Note it."""
        self.closed = True


@pytest.fixture
def clock():
    """The time."""
    return Clock()


@pytest.fixture
def make(clock, monkeypatch):
    """Make rates on counts that are watched."""

    def make(on_storage_error="deny"):
        asked = Asked(Windows(clock))
        monkeypatch.setattr("proxy.access.windows.Windows", lambda _: asked)
        return Rates("memory", on_storage_error, Log(stream=BytesIO()), clock=clock), asked

    return make


async def refused(rates, *asked):
    """Return the fields of a refusal by name."""
    with pytest.raises(RateLimited) as caught:
        await rates.admit(asked)
    return caught.value, {name.decode(): value.decode() for name, value in caught.value.fields}


async def test_a_request_without_rates_passes(make):
    """Nobody is asked."""
    rates, asked = make()

    await rates.admit([])

    assert [] == asked.taken


async def test_one_too_many_hears_when_to_come_back(make, clock):
    """In whole seconds, and every policy that it counts for."""
    rates, _ = make()
    for _ in "ab":
        await rates.admit([ROUTE, CLIENT])
    clock.now += 2.5

    refusal, fields = await refused(rates, ROUTE, CLIENT)

    assert {
        "Retry-After": "8",
        "RateLimit-Policy": '"route";q=2;w=10, "client";q=3;w=60',
        "RateLimit": '"route";r=0;t=8',
    } == fields
    assert (429, "rate-limited") == (refusal.status, refusal.code)
    assert "routes.microreact.limits.rate" == refusal.rule
    assert "route microreact" == refusal.cause
    assert "microreact" not in refusal.detail


async def test_both_are_told_if_both_are_full(make, clock):
    """And the longer wait is the one that counts."""
    rates, asked = make()
    route = Rate("route", "microreact", 1, 10)
    client = Rate("client", "alice", 1, 60)
    await rates.admit([client, route])
    await refused(rates, client)
    await refused(rates, route)
    asked.taken.clear()
    clock.now += 1.0

    _, fields = await refused(rates, client, route)

    assert '"client";r=0;t=60, "route";r=0;t=10' == fields["RateLimit"]
    assert "60" == fields["Retry-After"]


@pytest.mark.parametrize(
    ("passed", "retry"), [(0.0, 61), (0.5, 60), (59.0, 2), (59.5, 1), (60.0, 1)]
)
async def test_who_waits_so_long_gets_through(make, clock, passed, retry):
    """To the second, and at least one."""
    rates, _ = make()
    rate = Rate("client", "alice", 1, 60)
    await rates.admit([rate])
    clock.now += passed

    _, fields = await refused(rates, rate)
    assert str(retry) == fields["Retry-After"]
    clock.now += retry

    await rates.admit([rate])


async def test_a_refusal_by_the_route_costs_the_client_nothing(make, clock):
    """In whatever order they come."""
    rates, _ = make()
    for _ in "ab":
        await rates.admit([CLIENT, ROUTE])
    for _ in range(9):
        await refused(rates, CLIENT, ROUTE)
    await rates.admit([CLIENT])

    await refused(rates, CLIENT)


async def test_a_refusal_by_the_client_costs_the_route_nothing(make):
    """Who is over its rate keeps nobody else out."""
    rates, _ = make()
    alice = Rate("client", "alice", 1, 60)
    await rates.admit([ROUTE, alice])
    for _ in range(9):
        await refused(rates, ROUTE, alice)

    await rates.admit([ROUTE, Rate("client", "bob", 1, 60)])
    await refused(rates, ROUTE)


async def test_the_client_is_asked_first(make):
    """While a refusal by it is on its way, it takes no place of the route's."""
    rates, asked = make()

    await rates.admit([ROUTE, CLIENT])

    assert [CLIENT, ROUTE] == asked.taken


async def test_a_full_window_is_asked_once(make, clock):
    """In a moment; a flood does not reach the Redis."""
    rates, asked = make()
    rate = Rate("client", "alice", 1, 60)
    await rates.admit([rate])
    for _ in range(9):
        await refused(rates, rate)
    assert 2 == len(asked.taken)

    clock.now += 60.5
    await rates.admit([rate])

    assert 3 == len(asked.taken)


async def test_a_window_that_is_emptied_is_noticed_soon(make, clock):
    """Not only when its oldest request is old enough, which may take a day."""
    rates, asked = make()
    rate = Rate("client", "alice", 1, 86400)
    await rates.admit([rate])
    await refused(rates, rate)
    await asked.give_back(rate)  # another replica, an operator
    await refused(rates, rate)

    clock.now += ASKED_AGAIN_S + 0.001
    await rates.admit([rate])


async def test_what_was_given_back_can_be_had_at_once(make, monkeypatch):
    """A request that is refused while another one has the last place is not the end of a day."""
    rates, asked = make()
    alice, route = Rate("client", "alice", 1, 86400), Rate("route", "microreact", 1, 60)
    await rates.admit([route])
    give_back = asked.give_back

    async def meanwhile(rate):
        await refused(rates, alice)
        await give_back(rate)

    monkeypatch.setattr(asked, "give_back", meanwhile)
    rates._full.clear()
    await refused(rates, alice, route)

    await rates.admit([alice])


async def test_a_rate_that_was_raised_is_asked_at_once(make):
    """What was full was another one."""
    rates, _ = make()
    await rates.admit([Rate("client", "alice", 1, 60)])
    await refused(rates, Rate("client", "alice", 1, 60))

    await rates.admit([Rate("client", "alice", 2, 60)])


async def test_without_counts_nothing_passes(make):
    """If so configured, and the client hears that it is not its fault."""
    rates, asked = make("deny")
    asked.away = True

    with pytest.raises(CountUnavailable) as caught:
        await rates.admit([CLIENT, ROUTE])

    assert (503, "rate-store-unavailable") == (caught.value.status, caught.value.code)
    assert ((b"Retry-After", b"1"),) == caught.value.fields


async def test_without_counts_everything_passes(make):
    """If so configured: what was full, too."""
    rates, asked = make("allow")
    rate = Rate("client", "alice", 1, 60)
    await rates.admit([rate])
    await refused(rates, rate)
    asked.away = True
    await rates.admit([ROUTE])

    await rates.admit([rate])

    assert [rate, rate, ROUTE, rate] == asked.taken


async def test_the_counts_are_closed(make):
    """With the rates."""
    rates, asked = make()

    await rates.close()

    assert asked.closed


@pytest.mark.parametrize(
    ("address", "loaded"),
    [("memory", set()), ("redis://127.0.0.1:1", {"limits", "redis", "structlog"})],
)
async def test_what_a_redis_needs_is_loaded_with_it(tmp_path, address, loaded):
    """A start without one is not to wait for it. With one, what tells of an outage is there before
    it: every request would stand still while the first one that fails reads structlog.
    """
    program = (
        "import io, sys; from proxy.access.limits import Rates; from proxy.observe.log import Log\n"
        f"Rates({address!r}, 'deny', Log(stream=io.BytesIO()))\n"
        "print(*{'limits', 'redis', 'structlog'} & set(sys.modules))"
    )
    done = await python(program, cwd=tmp_path)

    assert (0, loaded) == (done.returncode, set(done.stdout.split()))
