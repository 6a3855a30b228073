"""Trusted proxies in front: whose request it is in log, audit, throttle and per_peer."""

from __future__ import annotations

import json

import pytest
import trustme

from tests.integration.rig.client_keys import client, new
from tests.integration.rig.proxy import get, one_route, request, running
from tests.integration.rig.raw import Client
from tests.integration.rig.tls import Pki, connect
from tests.integration.rig.tunnel import HANDSHAKE, switching


ALICE = new("alice")
LOOPBACK = {"trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"]}


def behind(upstream, **keys):
    """Return a configuration behind proxies."""
    return one_route(upstream.origin) | LOOPBACK | keys


CHAINS = {
    "no chain": ([], "127.0.0.1"),
    "a client": (["203.0.113.9"], "203.0.113.9"),
    "what the client says of itself": (["192.0.2.1, 203.0.113.9"], "203.0.113.9"),
    "a trusted proxy on the way": (["192.0.2.1, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
    "trusted ones alone": (["10.0.0.8, 10.0.0.7"], "10.0.0.8"),
    "several fields": (["192.0.2.1", "203.0.113.9", "10.0.0.7,10.0.0.8"], "203.0.113.9"),
    "blanks": (["\t203.0.113.9 ,10.0.0.7 "], "203.0.113.9"),
    "a port": (["203.0.113.9:4711"], "203.0.113.9"),
    "IPv6": (["2001:db8::9"], "2001:db8::9"),
    "IPv6 in another spelling": (["2001:0DB8:0::9"], "2001:db8::9"),
    "IPv6 in brackets": (["[2001:db8::9]"], "2001:db8::9"),
    "IPv6 with a port": (["[2001:db8::9]:4711"], "2001:db8::9"),
    "quotes": (['"[2001:db8::9]:4711"'], "2001:db8::9"),
    "a mapped client": (["::ffff:203.0.113.9"], "203.0.113.9"),
    "a mapped proxy": (["203.0.113.9, ::ffff:10.0.0.7"], "203.0.113.9"),
    "a trusted IPv6 proxy": (["203.0.113.9, fd00::1"], "203.0.113.9"),
    "unknown": (["203.0.113.9, unknown, 10.0.0.7"], "10.0.0.7"),
    "unknown alone": (["unknown"], "127.0.0.1"),
    "an obfuscated name": (["203.0.113.9, _hidden, 10.0.0.7"], "10.0.0.7"),
    "a zone": (["203.0.113.9, fe80::1%eth0"], "127.0.0.1"),
    "garbage": (["203.0.113.9, <b>1.2.3.4</b>, 10.0.0.7"], "10.0.0.7"),
    "nothing": ([""], "127.0.0.1"),
    "an empty entry": (["203.0.113.9,, 10.0.0.7"], "10.0.0.7"),
    "an impossible address": (["203.0.113.999"], "127.0.0.1"),
    "leading zeros": (["203.000.113.009"], "127.0.0.1"),
    "more than anybody has": (["203.0.113.9" + ", 10.0.0.7" * 500], "10.0.0.7"),
}


@pytest.mark.parametrize(("chain", "address"), CHAINS.values(), ids=CHAINS)
async def test_a_trusted_proxy_says_whose_request_it_is(start, upstream, chain, address):
    """From right to left, past trusted proxies, as far as a trusted one vouches."""
    proxy = await start(behind(upstream))

    answer = await proxy.ask(get("/api/x", *[f"X-Forwarded-For: {each}" for each in chain]))

    assert 200 == answer.status
    assert address == (await proxy.logged())["client"]


async def test_nobody_else_is_believed(start, upstream):
    """Whatever fields there are."""
    proxy = await start(behind(upstream, trusted_proxies=["10.0.0.0/8"]))

    await proxy.ask(get("/api/x", "X-Forwarded-For: 203.0.113.9", "X-Real-IP: 203.0.113.9"))

    assert "127.0.0.1" == (await proxy.logged())["client"]


@pytest.mark.parametrize("field", ["Forwarded: for=203.0.113.9", "X-Real-IP: 203.0.113.9"])
async def test_a_field_that_proxies_pass_through_is_not_believed(start, upstream, field):
    """A proxy that appends to X-Forwarded-For leaves others as the client wrote them."""
    proxy = await start(behind(upstream))

    await proxy.ask(get("/api/x", field))

    assert "127.0.0.1" == (await proxy.logged())["client"]


async def test_each_request_of_a_connection_has_its_own_client(start, upstream):
    """A load balancer keeps its connections for all."""
    proxy = await start(behind(upstream))
    async with await proxy.client() as connection:
        for number in (1, 2):
            await connection.ask(get("/api/x", f"X-Forwarded-For: 203.0.113.{number}"))
        await connection.ask(get("/api/x"))

    lines = [(await proxy.logged(number))["client"] for number in (1, 2, 3)]
    assert ["203.0.113.1", "203.0.113.2", "127.0.0.1"] == lines


async def test_a_proxy_that_speaks_tls_is_trusted_as_well(start, upstream, tmp_path):
    """Where TLS is on both sides of it."""
    pki = Pki(tmp_path, trustme.CA())
    pki.write(pki.issue())
    proxy = await start(pki.config(upstream.origin, **LOOPBACK))
    async with await connect(proxy, pki.context()) as connection:
        await connection.ask(get("/api/x", "X-Forwarded-For: 203.0.113.9"))

    assert "203.0.113.9" == (await proxy.logged())["client"]


async def test_a_mapped_network_is_the_network_that_it_maps(start, upstream):
    """As `trusted_proxies` may be written where sockets serve both families."""
    proxy = await start(behind(upstream, trusted_proxies=["::ffff:127.0.0.0/104"]))

    await proxy.ask(get("/api/x", "X-Forwarded-For: 203.0.113.9"))

    assert "203.0.113.9" == (await proxy.logged())["client"]


@pytest.mark.parametrize(
    ("trusted", "address"), [([], "unix"), (["unix"], "203.0.113.9"), (["0.0.0.0/0"], "unix")]
)
async def test_whoever_has_a_unix_socket_may_be_trusted_by_name(
    start, upstream, tmp_path, trusted, address
):
    """No network holds it."""
    path = tmp_path / "kb.sock"
    config = one_route(upstream.origin, forwarded=True, listen=f"unix:{path}")
    proxy = await start(config | {"trusted_proxies": trusted})
    async with await Client.connect(path) as connection:
        await connection.ask(get("/x", "X-Forwarded-For: 203.0.113.9"))

    told = [b"203.0.113.9"] if trusted == ["unix"] else []
    assert address == (await proxy.logged())["client"]
    assert told == upstream.requests[0].all(b"X-Forwarded-For")


async def test_the_audit_names_the_client_and_not_the_proxy(upstream, tmp_path):
    """Refusals too."""
    path = tmp_path / "audit.log"
    config = behind(upstream, audit={"file": str(path)}, clients={"alice": client(ALICE)})
    async with running(config) as proxy:
        await proxy.ask(get("/api/x", f"X-Api-Key: {ALICE.text}", "X-Forwarded-For: 203.0.113.1"))
        await proxy.ask(get("/api/x", "X-Forwarded-For: 203.0.113.2"))
        served = await proxy.logged()

    peers = [json.loads(line)["peer"] for line in path.read_bytes().splitlines()]
    assert ["203.0.113.1", "203.0.113.2"] == peers
    assert ("alice", "203.0.113.1") == (served["client"], served["peer"])


async def test_wrong_keys_are_counted_by_client(start, upstream):
    """One who guesses does not have the others refused, and many addresses of his are one."""
    proxy = await start(behind(upstream, clients={"alice": client(ALICE)}))
    wrong = f"X-Api-Key: {ALICE.mistyped.text}"
    async with await proxy.client() as connection:

        async def status(address):
            return (
                await connection.ask(get("/api/x", wrong, f"X-Forwarded-For: {address}"))
            ).status

        guesses = [await status(f"192.0.2.{number}, 203.0.113.1") for number in range(11)]
        other = await status("203.0.113.2")

    assert ([401] * 10 + [429], 401) == (guesses, other)


# limits.per_peer


def limited(upstream, **keys):
    """Return a configuration with one request, or connection, for a peer."""
    return behind(upstream, limits={"per_peer": 1}, **keys)


async def test_the_connections_of_a_trusted_proxy_are_not_one_peers(start, upstream):
    """They are of many clients; and each may have its one request."""
    proxy = await start(limited(upstream))
    async with await proxy.client() as first, await proxy.client() as second:
        answers = [
            await each.ask(get("/api/x", f"X-Forwarded-For: 203.0.113.{number}"))
            for number, each in enumerate([first, second, first, second])
        ]

    assert [200] * 4 == [each.status for each in answers]


@pytest.mark.parametrize("ending", ["answer", "leave"])
@pytest.mark.parametrize("again", ["203.0.113.1", "::ffff:203.0.113.1"])
async def test_requests_of_a_trusted_proxy_count_for_their_client(start, serve, ending, again):
    """One too many is told so, and its connection, which is others' as well, goes on."""
    upstream = await serve(answer=None)
    proxy = await start(limited(upstream))
    mine, other = "X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 203.0.113.2"
    async with await proxy.client() as first, await proxy.client() as second:
        first.send(get("/api/x", mine))
        await upstream.asked()
        refused = await second.ask(get("/api/x", f"X-Forwarded-For: {again}"))
        health = await second.ask(get("/_keybearer/healthz", mine))
        second.send(get("/api/y", other))
        await upstream.asked(2)
        for visit in upstream.visits:
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        others = await second.answer()
        if ending == "answer":
            await first.answer()
    await proxy.logged(3)
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    after = await proxy.ask(get("/api/x", mine))

    assert (503, "overloaded", None) == (
        refused.status,
        refused.code,
        refused.one(b"Connection"),
    )
    assert (200, 200, 200) == (health.status, others.status, after.status)
    assert {"203.0.113.1", "203.0.113.2"} == {line["client"] for line in proxy.log.requests}


async def test_a_request_that_its_client_breaks_off_counts_no_more(start, serve):
    """The upstream never answers it."""
    upstream = await serve(answer=None)
    proxy = await start(limited(upstream))
    mine = get("/api/x", "X-Forwarded-For: 203.0.113.1")
    async with await proxy.client() as first:
        first.send(mine)
        await upstream.asked()
    await proxy.logged()
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    assert 200 == (await proxy.ask(mine)).status


async def test_a_tunnel_of_a_trusted_proxy_counts_while_it_is_open(start, serve):
    """A WebSocket is a request that lasts."""
    upstream = await serve(script=switching)
    proxy = await start(limited(upstream))
    handshake = HANDSHAKE[:-2] + b"X-Forwarded-For: 203.0.113.1\r\n\r\n"
    async with await proxy.client() as first:
        first.send(handshake)
        await first.until(b"\r\n\r\n")
        refused = await proxy.ask(get("/api/x", "X-Forwarded-For: 203.0.113.1"))
    await proxy.logged(2)

    assert 503 == refused.status
    assert {} == dict(proxy.service._front._by_peer)


async def test_addresses_of_one_ipv6_network_are_one_client(start, serve):
    """Whoever has one of a /64 has all of them."""
    upstream = await serve(answer=None)
    proxy = await start(limited(upstream))
    async with await proxy.client() as first:
        first.send(get("/api/x", "X-Forwarded-For: 2001:db8:1:2::1"))
        await upstream.asked()
        refused = await proxy.ask(get("/api/x", "X-Forwarded-For: [2001:db8:1:2::2]:1"))
        upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        other = await proxy.ask(get("/api/x", "X-Forwarded-For: 2001:db8:1:3::1"))

    assert (503, 200) == (refused.status, other.status)


async def test_others_connections_count_as_before(start, upstream):
    """A peer that is not trusted has one, whatever it says of itself."""
    proxy = await start(limited(upstream, trusted_proxies=["10.0.0.0/8"]))
    async with await proxy.client() as first, await proxy.client() as second:
        await first.ask(get("/api/x", "X-Forwarded-For: 203.0.113.1"))
        refused = await second.ask(get("/api/x", "X-Forwarded-For: 203.0.113.2"))

    assert 503 == refused.status


# What else a trusted proxy says.


@pytest.mark.parametrize(("trusted", "status"), [(["127.0.0.1"], 200), ([], 403)])
async def test_the_host_that_a_trusted_proxy_was_called_by_is_ours(
    start, upstream, trusted, status
):
    """Some put their own name for us into Host; a page of the public name is ours, too."""
    proxy = await start(behind(upstream, trusted_proxies=trusted))
    fields = [
        "X-Forwarded-Host: public.example",
        "Origin: https://public.example",
        "Destination: https://public.example/api/b",
    ]

    answer = await proxy.ask(request("COPY", "/api/a", *fields))

    assert status == answer.status
    if status == 200:
        [seen] = upstream.requests
        assert f"{upstream.origin}/b".encode() == seen.one(b"Destination")
        assert upstream.origin.encode() == seen.one(b"Origin")


async def test_a_trusted_proxys_prefix_stands_before_ours(start, upstream):
    """It has cut off its own."""
    proxy = await start(one_route(upstream.origin, forwarded=True) | LOOPBACK)
    for prefix in ("/outer", "/outer/", "outer", "//evil.test", "/\\evil.test"):
        await proxy.ask(get("/api/x", f"X-Forwarded-Prefix: {prefix}"))

    assert [b"/outer/api", b"/outer/api", b"/api", b"/api", b"/api"] == [
        each.one(b"X-Forwarded-Prefix") for each in upstream.requests
    ]


@pytest.mark.parametrize(
    ("told", "scheme"),
    [("https", "https"), ("http", "http"), ("ftp", "http"), ("HTTPS, http", "https")],
)
async def test_the_scheme_that_a_trusted_proxy_saw_is_the_origins(start, upstream, told, scheme):
    """Where the upstream is sent the client's Host and scheme, its own origin is made of them."""
    route = {"forwarded": True, "upstream_host": "client"}
    proxy = await start(one_route(upstream.origin, **route) | LOOPBACK)

    await proxy.ask(
        get(
            "/api/x", "Origin: https://lb.localhost", f"X-Forwarded-Proto: {told}", host="localhost"
        ).replace(b"lb.localhost", b"localhost")
    )

    assert f"{scheme}://localhost".encode() == upstream.requests[0].one(b"Origin")
