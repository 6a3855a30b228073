"""Which address of an upstream is reached, and what a name that is not answered holds up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

import pytest

from proxy.access.fetch import Fetcher
from proxy.process.probe import probe_all
from proxy.upstream import resolver
from proxy.upstream.sweep import Sweep
from tests.integration.rig.names import AGAIN, HELD, UNKNOWN, scripted, silent
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import BEARER, get, one_route
from tests.integration.rig.raw import Client
from tests.integration.rig.upstream import Upstream, Visit


@pytest.fixture
def names(monkeypatch):
    """Names that lead where the test says; none is held at its end."""
    names = scripted(monkeypatch)
    yield names
    names.let_go()
    for thread in list(names.asking):
        thread.join()


@pytest.fixture
async def quiet():
    """Collect what the loop cannot hand to anybody, which would be logged as its fault."""
    faults = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    yield faults
    assert [] == faults


@pytest.fixture
def hold():
    """Make addresses silent until the test ends."""
    with contextlib.ExitStack() as stack:

        def hold(address, port):
            for each in silent(address, port):
                stack.enter_context(each)

        yield hold


def problem_of(answer):
    """Return what an own answer says: status, code and the error of RFC 9209."""
    return answer.status, answer.code, answer.one(b"Proxy-Status").decode().partition("error=")[2]


def sockets():
    """Return how many descriptors this process has."""
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 -- Path opens one more


@contextlib.asynccontextmanager
async def elsewhere(address, port):
    """Run an upstream on a port of another address of loopback."""
    upstream = Upstream()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.create_server((address, port), family=family)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Visit(upstream), sock=listening)
    yield upstream
    server.close()
    for visit in upstream.visits:
        if not visit.lost:
            visit.transport.abort()
        await visit.gone()


def named(port, name="up.test", **route):
    """Return a configuration whose upstream has a name."""
    return one_route(f"http://{name}:{port}", insecure_upstream=True, **route)


def two(port, **route):
    """Return a configuration with a route to a good name and one to a dead one."""
    config = named(port, "good.test", timeouts={"pool_idle": "0s"})
    dead = {"upstream": f"http://dead.test:{port}", "insecure_upstream": True} | route
    config["routes"]["dead"] = dead | {"credential": {"bearer": {"env": "TOKEN"}}}
    return config


# Addresses.


@pytest.mark.parametrize("first", ["::1", "127.0.0.2"])
async def test_a_silent_first_address_is_overtaken(start, upstream, names, hold, first):
    """Of either family; the race leaves no socket (RFC 8305)."""
    hold(first, upstream.port)
    names.table["up.test"] = [first, "127.0.0.1"]
    proxy = await start(named(upstream.port))
    async with await proxy.client() as client:
        before = sockets()
        answers = [(await client.ask(get())).status for _ in range(2)]
        await seen(lambda: sockets() == before + 2)  # the connection, at both its ends

    assert [200, 200] == answers
    assert 1 == len(upstream.visits)


async def test_the_last_of_many_addresses_is_tried_in_time(start, upstream, names, hold):
    """At 250 ms each they would take twice the limit."""
    many = [f"127.0.0.{number}" for number in range(2, 18)]
    for address in many:
        hold(address, upstream.port)
    names.table["up.test"] = [*many, "127.0.0.1"]
    proxy = await start(named(upstream.port, timeouts={"connect": "2s"}))

    assert 200 == (await proxy.ask(get())).status


async def test_families_take_turns(start, upstream, names, hold):
    """One good address of the other family is not the last to be tried."""
    many = [f"127.0.0.{number}" for number in range(2, 7)]
    for address in many:
        hold(address, upstream.port)
    names.table["up.test"] = [*many, "::1"]
    proxy = await start(named(upstream.port))
    async with elsewhere("::1", upstream.port) as other:
        answer = await proxy.ask(get())

    assert 200 == answer.status
    assert 1 == len(other.visits)


async def test_all_addresses_silent(start, names, hold, quiet):
    """A time-out that names what was tried; no socket is left."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hold("::1", port)
    hold("127.0.0.2", port)
    names.table["up.test"] = ["::1", "127.0.0.2"]
    proxy = await start(named(port, timeouts={"connect": "400ms"}))
    async with await proxy.client() as client:
        before = sockets()
        answer = await client.ask(get())
        await seen(lambda: sockets() == before)

    assert (504, "upstream-timeout", "connection_timeout") == problem_of(answer)
    cause = (await proxy.logged())["cause"]
    assert f"no connection to [::1]:{port} or 127.0.0.2:{port} within the limit" in cause


async def test_all_addresses_refuse(start, names):
    """Told from a time-out; both are named."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    names.table["up.test"] = ["::1", "127.0.0.1"]
    proxy = await start(named(port))

    answer = await proxy.ask(get())

    assert (502, "upstream-unreachable", "connection_refused") == problem_of(answer)
    cause = (await proxy.logged())["cause"]
    assert cause.endswith(f"[::1]:{port} or 127.0.0.1:{port}: Connection refused")


async def test_one_refuses_and_the_other_accepts(start, upstream, names):
    """At once, for a refusal is no silence."""
    names.table["up.test"] = ["::1", "127.0.0.1"]
    proxy = await start(named(upstream.port))

    assert 200 == (await proxy.ask(get())).status


async def test_a_client_that_leaves_while_addresses_are_tried(start, names, hold, quiet):
    """Every socket of the race goes with it, and its line is all that is logged."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hold("::1", port)
    hold("127.0.0.2", port)
    names.table["up.test"] = ["::1", "127.0.0.2"]
    proxy = await start(named(port))
    before = sockets()
    async with await proxy.client() as client:
        client.send(get())
        await seen(lambda: sockets() == before + 4)  # the client's two ends, and both attempts
    await seen(lambda: sockets() == before)

    assert 499 == (await proxy.logged())["status"]
    assert ["request"] == [line["event"] for line in proxy.log.lines]


async def test_an_address_that_is_silent_in_tls_is_named(start, names, serve):
    """The handshake is not raced: who accepts is there."""

    async def script(visit):
        await visit.gone()

    upstream = await serve(script=script)
    names.table["up.test"] = ["127.0.0.1"]
    origin = f"https://up.test:{upstream.port}"
    proxy = await start(one_route(origin, timeouts={"connect": "300ms"}))

    answer = await proxy.ask(get())

    assert (504, "upstream-timeout", "connection_timeout") == problem_of(answer)
    cause = (await proxy.logged())["cause"]
    assert f"no TLS with 127.0.0.1:{upstream.port} within the limit" in cause


async def test_probe_and_issuers_keys_overtake_a_silent_address(start, names, hold, upstream):
    """What they connect with is the routes' own."""
    hold("::1", upstream.port)
    names.table["up.test"] = names.table["keys.localhost"] = ["::1", "127.0.0.1"]
    proxy = await start(named(upstream.port))
    service = proxy.service

    outcomes = await probe_all(service.config, service.provisioned)
    fetch = Fetcher(Sweep(asyncio.get_running_loop()))
    document = await fetch(f"http://keys.localhost:{upstream.port}/")

    assert 200 == outcomes["api", None].status
    assert b"ok" == document.body


async def test_small_writes_are_not_held_back(start, upstream, names):
    """TCP_NODELAY is set on sockets that the loop has not made."""
    names.table["up.test"] = ["127.0.0.1"]
    proxy = await start(named(upstream.port))
    await proxy.ask(get())

    [pool] = proxy.service.provisioned.pools
    [connection] = pool._open
    sock = connection._transport.get_extra_info("socket")
    assert 1 == sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# Names.


async def test_names_that_are_not_answered_hold_up_no_others(start, upstream, names):
    """Forty of them, each asked for twice: they share its threads, and the good name is free."""
    config = two(upstream.port)
    dead = config["routes"].pop("dead")
    for number in range(40):
        names.table[f"dead{number}.test"] = HELD
        origin = f"http://dead{number}.test:1"
        config["routes"][f"dead{number}"] = dead | {"upstream": origin}
    names.table["good.test"] = ["127.0.0.1"]
    proxy = await start(config)
    async with contextlib.AsyncExitStack() as stack:
        for number in range(80):
            client = await stack.enter_async_context(await proxy.client())
            client.send(get(f"/dead{number % 40}/x"))
        await seen(lambda: len(names.asking) >= 40)
        answers = [(await proxy.ask(get())).status for _ in range(3)]

    assert [200] * 3 == answers
    assert {names.asked[f"dead{number}.test"] for number in range(40)} <= {1, 2}


async def test_a_lost_answer_about_ipv6_is_not_waited_for(start, upstream, names, monkeypatch):
    """The system's resolver waits for both, for five seconds and more; IPv4 alone is asked for."""
    monkeypatch.setattr(resolver, "PATIENCE_S", 0.05)
    names.table["up.test"] = ["127.0.0.1"]
    names.half.add("up.test")
    proxy = await start(named(upstream.port, timeouts={"pool_idle": "0s"}))

    assert [200] * 3 == [(await proxy.ask(get())).status for _ in range(3)]
    assert (2, 1) == (names.asked["up.test"], len(names.asking))
    names.let_go()
    await seen(lambda: not proxy.service.provisioned.resolver._flights)
    assert 200 == (await proxy.ask(get())).status


async def test_requests_share_a_look_up(start, upstream, names):
    """All that need the name meanwhile; the next connection asks again."""
    names.table["up.test"] = HELD
    proxy = await start(named(upstream.port, timeouts={"pool_idle": "0s"}))
    [pool] = proxy.service.provisioned.pools
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(await proxy.client()) for _ in range(20)]
        for client in clients:
            client.send(get())
        await seen(lambda: pool._opening == 20)
        names.table["up.test"] = ["127.0.0.1"]
        names.let_go()
        answers = [(await client.answer()).status for client in clients]

    assert [200] * 20 == answers
    assert 1 == names.asked["up.test"]
    await proxy.ask(get())
    assert 2 == names.asked["up.test"]


async def test_a_name_that_is_not_answered_is_named(start, names, quiet):
    """504; the look-up goes on, and its end is nobody's fault."""
    names.table["dead.test"] = HELD
    proxy = await start(named(1, "dead.test", timeouts={"connect": "100ms"}))

    answer = await proxy.ask(get())

    assert (504, "upstream-timeout", "connection_timeout") == problem_of(answer)
    assert "http://dead.test:1: its name was not resolved" in (await proxy.logged())["cause"]
    names.let_go()
    await seen(lambda: not proxy.service.provisioned.resolver._flights)
    assert ["request"] == [line["event"] for line in proxy.log.lines]


@pytest.mark.parametrize("entry", [UNKNOWN, AGAIN, OSError(24, "Too many open files"), ["::1"]])
async def test_a_client_that_leaves_before_the_look_up_ends(start, names, quiet, entry):
    """However it ends, there is nothing in the log but the request's line."""
    names.table["dead.test"] = HELD
    proxy = await start(named(1, "dead.test"))
    async with await proxy.client() as client:
        client.send(get())
        await seen(lambda: names.asking)
    assert 499 == (await proxy.logged())["status"]
    names.table["dead.test"] = entry
    names.let_go()
    await seen(lambda: not proxy.service.provisioned.resolver._flights)

    assert ["request"] == [line["event"] for line in proxy.log.lines]


@pytest.mark.parametrize("outage", [AGAIN, OSError(24, "Too many open files"), HELD])
async def test_the_last_answer_serves_while_the_resolver_fails(
    start, upstream, names, monkeypatch, outage
):
    """Or says nothing; for a while."""
    monkeypatch.setattr(resolver, "PATIENCE_S", 0.05)
    names.table["up.test"] = ["127.0.0.1"]
    proxy = await start(named(upstream.port, timeouts={"pool_idle": "0s", "connect": "300ms"}))
    answers = [(await proxy.ask(get())).status]
    names.table["up.test"] = outage
    answers += [(await proxy.ask(get())).status for _ in range(2)]
    monkeypatch.setattr(resolver, "STALE_S", -1.0)
    late = await proxy.ask(get())

    assert [200, 200, 200] == answers
    wanted = (504, "connection_timeout") if outage == HELD else (502, "dns_error")
    assert wanted == (late.status, problem_of(late)[2])


async def test_a_name_that_no_longer_exists_is_no_outage(start, upstream, names):
    """The resolver has answered: what the name has led to is not its upstream any more."""
    names.table["up.test"] = ["127.0.0.1"]
    proxy = await start(named(upstream.port, timeouts={"pool_idle": "0s"}))
    first = await proxy.ask(get())
    names.table["up.test"] = UNKNOWN
    second = await proxy.ask(get())
    names.table["up.test"] = AGAIN  # and it is not remembered
    third = await proxy.ask(get())

    assert 200 == first.status
    assert {(502, "upstream-unreachable", "dns_error")} == {problem_of(second), problem_of(third)}


async def test_a_changed_address_is_followed_under_load(start, serve, names):
    """A connection that is never idle is left once it is `pool_age` old, between two requests."""
    old = await serve()
    names.table["up.test"] = ["127.0.0.1"]
    proxy = await start(named(old.port, timeouts={"pool_age": "300ms"}))
    answers = []
    async with elsewhere("127.0.0.2", old.port) as new, await proxy.client() as client:
        await client.ask(get())
        names.table["up.test"] = ["127.0.0.2"]
        while not new.requests:
            answers.append((await client.ask(get())).status)

    assert {200} == set(answers)
    assert 1 == len(old.visits)


async def test_an_answer_may_take_longer_than_a_connection_is_old(start, serve):
    """`pool_age` ends no exchange."""

    async def script(visit):
        await visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await visit.upstream.go.wait()
        visit.send(b"cd")
        await visit.gone()

    upstream = await serve(script=script)
    upstream.go = asyncio.Event()
    proxy = await start(one_route(upstream.origin, timeouts={"pool_age": "10ms"}))
    async with await proxy.client() as client:
        client.send(get())
        await client.until(b"ab")
        sweeps = Sweeps(proxy)
        await seen(lambda: sweeps.count >= 2)
        upstream.go.set()
        answer = await client.answer()
        await upstream.visits[0].gone()

    assert (200, b"abcd") == (answer.status, answer.body)


class Sweeps:
    """Counts how often the upstream side's deadlines are looked at; its own is always over."""

    deadline = 0.0

    def __init__(self, proxy):
        [pool] = proxy.service.provisioned.pools
        self.count = 0
        pool.sweep.add(self)

    def expire(self):
        """Count."""
        self.count += 1


# This proxy itself.


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
async def test_a_name_that_leads_to_the_proxy_itself(start, names, listen):
    """What the configuration cannot know is seen when it is connected to: no round is made."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    names.table["me.test"] = ["127.0.0.1"]
    config = named(port, "me.test", listen=[]) | {"insecure_open": True}
    proxy = await start(config | {"listen": f"{listen}:{port}"})

    answer = await proxy.ask(get())

    assert (502, "upstream-unreachable", "connection_refused") == problem_of(answer)
    cause = (await proxy.logged())["cause"]
    assert f"127.0.0.1:{port} is this proxy" in cause
    assert 1 == len(proxy.log.requests)


async def test_the_proxys_port_on_another_machine_is_no_loop(start, names, upstream):
    """Only address and port together are this proxy's."""
    names.table["up.test"] = ["127.0.0.1"]
    config = named(upstream.port, listen=[]) | {"listen": f"127.0.0.2:{upstream.port}"}
    await start(config)

    async with await Client.connect(upstream.port, host="127.0.0.2") as client:
        answer = await client.ask(get())

    assert 200 == answer.status
    assert BEARER == upstream.requests[0].one(b"Authorization")
