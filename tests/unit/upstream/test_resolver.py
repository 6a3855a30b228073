"""Names to addresses: what is never looked up, what is kept, and how a look-up may end."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from proxy.upstream import resolver
from proxy.upstream.errors import Unreachable
from proxy.upstream.resolver import Resolver, connect
from tests.integration.rig.names import AGAIN, HELD, scripted


@pytest.fixture
def names(monkeypatch):
    """Names that lead where the test says."""
    return scripted(monkeypatch)


async def addresses(host, made=None):
    """Return family and address of all that a host has."""
    found = await (made or Resolver()).resolve(host, 80)
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]


V4, V6 = socket.AF_INET, socket.AF_INET6
BOTH = [(V6, ("::1", 80)), (V4, ("127.0.0.1", 80))]
KNOWN = {
    "localhost": BOTH,
    "api.localhost": BOTH,
    "a.b.localhost": BOTH,
    "127.0.0.1": [(V4, ("127.0.0.1", 80))],
    "2001:db8::1": [(V6, ("2001:db8::1", 80))],
    "fe80::1%eth0": [(V6, ("fe80::1%eth0", 80))],
}


@pytest.mark.parametrize(("host", "found"), KNOWN.items())
async def test_loopback_and_addresses_are_not_looked_up(names, host, found):
    """Whatever a name server says of `localhost` (RFC 6761 6.3)."""
    names.table[host] = ["192.0.2.1"]

    assert found == await addresses(host)
    assert not names.asked


async def test_the_order_of_the_system_is_kept(names):
    """It prefers by RFC 6724. Mapped addresses are unmapped, and none is there twice."""
    names.table["up.test"] = ["192.0.2.2", "::ffff:192.0.2.1", "2001:db8::1", "192.0.2.1"]

    assert [
        (V4, ("192.0.2.2", 80)),
        (V4, ("192.0.2.1", 80)),
        (V6, ("2001:db8::1", 80)),
    ] == await addresses("up.test")


async def test_a_zone_that_a_name_has_is_kept(names, monkeypatch):
    """Link-local addresses of mDNS lead nowhere without it."""
    found = [(V6, socket.SOCK_STREAM, 6, "", ("fe80::1", 0, 0, 4))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    assert [(V6, ("fe80::1%4", 80))] == await addresses("printer.local")


@pytest.mark.parametrize(
    "error", [AGAIN, OSError(24, "Too many"), UnicodeError("odd"), MemoryError()]
)
async def test_whatever_a_look_up_fails_with_is_told(names, error):
    """Those who wait must not wait for ever."""
    names.table["up.test"] = error

    with pytest.raises(Unreachable, match=r"^up\.test: ") as caught:
        await addresses("up.test")

    assert "dns_error" == caught.value.error


async def test_no_thread_is_to_be_had(names, monkeypatch):
    """An error now, and no harm to the next look-up."""
    names.table["up.test"] = ["192.0.2.1"]
    made = Resolver()

    def fail(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        with pytest.raises(Unreachable, match="no thread"):
            await addresses("up.test", made)

    assert [(V4, ("192.0.2.1", 80))] == await addresses("up.test", made)


async def test_few_answers_are_kept(names, monkeypatch):
    """The oldest go first."""
    monkeypatch.setattr(resolver, "MAX_ANSWERS", 2)
    made = Resolver()
    hosts = [f"up{number}.test" for number in range(3)]
    for host in (*hosts, hosts[1]):
        names.table[host] = ["192.0.2.1"]
        await addresses(host, made)
    names.table |= dict.fromkeys(hosts, AGAIN)

    assert 1 == len(await addresses(hosts[1], made))
    assert 1 == len(await addresses(hosts[2], made))
    with pytest.raises(Unreachable):
        await addresses(hosts[0], made)


@pytest.mark.parametrize("half", [False, True], ids=["the last answer", "IPv4 alone"])
async def test_who_waits_shortly_has_an_answer_in_time(names, half):
    """Patience leaves half of a limit for the connection, however short the limit is."""
    names.table["up.test"] = ["192.0.2.1"]
    made = Resolver()
    if half:
        names.half.add("up.test")
    else:
        await made.resolve("up.test", 80)
        names.table["up.test"] = HELD

    async with asyncio.timeout(0.5):
        found = await made.resolve("up.test", 80, 0.5)

    names.let_go()
    assert ["192.0.2.1"] == [each[4][0] for each in found]


def test_a_look_up_may_outlive_its_loop(names):
    """It ends without a word: pytest fails for what a thread raises."""
    names.table["up.test"] = HELD

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(addresses("up.test"), 0.05)
        return list(names.asking)

    [thread] = asyncio.run(give_up())
    assert thread.daemon
    names.let_go()
    thread.join()


@pytest.mark.parametrize("listening", ["127.0.0.1", "0.0.0.0", "::1", "::"])
async def test_a_connection_to_an_own_listener_is_known(listening):
    """On a wildcard, too, where any address of this machine leads back."""
    family = V6 if ":" in listening else V4
    made = Resolver()
    with (
        socket.create_server((listening, 0), family=family) as own,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        port = own.getsockname()[1]
        made.own = {(listening, port)}
        loopback = "::1" if family == V6 else "127.0.0.1"
        back = await connect(await made.resolve(loopback, port), 5)
        away = await connect(await made.resolve("127.0.0.1", other.getsockname()[1]), 5)
        with back, away:
            assert (True, False) == (made.leads_back(back), made.leads_back(away))
