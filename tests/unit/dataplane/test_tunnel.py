"""The splice, where timing on real sockets does not reach: transports that do what a test says."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.dataplane.relay import relay
from proxy.dataplane.rewrite import Base
from proxy.dataplane.tunnel import FLUSH_S, Tunnel
from proxy.upstream.head import ResponseHead
from proxy.upstream.sweep import Sweep


class Wire:
    """A transport that remembers what is done to it."""

    def __init__(self, *, tls=False):
        self.calls = []
        self.written = b""
        self.unsent = 0
        self.closing = False
        self._tls = tls

    def can_write_eof(self):
        """Tell whether it is TCP."""
        return not self._tls

    def is_closing(self):
        """Tell whether it was closed."""
        return self.closing

    def get_write_buffer_size(self):
        """Tell what the test says."""
        return self.unsent

    def get_extra_info(self, name):
        """Have no socket."""

    def write(self, data):
        """Keep it."""
        self.written += data

    def close(self):
        """Be closed, once."""
        assert not self.closing
        self.closing = True
        self.calls.append("close")

    def __getattr__(self, name):
        return lambda: self.calls.append(name)


class Party:
    """Client and exchange: gives its wire away."""

    def __init__(self, wire, early=b"", *, ended=False, calls=None):
        self.response = SimpleNamespace(asked="websocket")
        self.ended = ended
        self.heir: Any = None
        self.losses = []
        self._given = (wire, early)
        self._calls = [] if calls is None else calls

    def hand_over(self, heir):
        """Give it away."""
        self._calls.append("hand over")
        self.heir = heir
        return self._given

    async def drain(self):
        """Be asked to wait."""
        self._calls.append("drain")

    def lost(self, exc):
        """Be told."""
        self.losses.append(exc)


class Opened:
    """A tunnel that is carried."""

    def __init__(self, client, upstream, *, early=b"", behind=b"", ended=False, idle_s=60.0):
        self.client, self.upstream = client, upstream
        self.sweep = Sweep(asyncio.get_running_loop())
        self.tunnel = Tunnel(self.sweep, idle_s)
        self.exchange = Party(upstream, behind, ended=ended)
        carry = self.tunnel.carry(
            cast("Any", Party(client, early)), cast("Any", self.exchange), b"101"
        )
        self.task = asyncio.ensure_future(carry)

    async def begun(self):
        """Wait until it has begun."""
        await asyncio.sleep(0)
        return self


@pytest.fixture
async def opened():
    """Open tunnels; they end with the test."""
    tunnels = []

    async def opened(client, upstream, **more):
        tunnels.append(Opened(client, upstream, **more))
        return await tunnels[-1].begun()

    yield opened
    for each in tunnels:
        each.task.cancel()
        await asyncio.gather(each.task, return_exceptions=True)
        assert 0 == len(each.sweep)


async def test_what_came_early_goes_out_first(opened):
    """Behind the 101, and before what comes now."""
    client, upstream = Wire(), Wire()
    tunnel = (await opened(client, upstream, early=b"up", behind=b"down")).tunnel
    tunnel.client.data_received(b"UP")
    tunnel.upstream.data_received(b"DOWN")

    assert (b"101downDOWN", b"upUP") == (client.written, upstream.written)
    assert (4, 8) == (tunnel.client.received, tunnel.upstream.received)
    assert (["resume_reading"], ["resume_reading"]) == (client.calls, upstream.calls)


async def test_an_end_that_is_full_at_once_holds_the_other(opened):
    """Early bytes may fill it."""

    class Full(Wire):
        def write(self, data):
            state["tunnel"].upstream.pause_writing()

    state = {}
    client, upstream = Wire(), Full()
    # It is told of the tunnel before the tunnel begins.
    opening = Opened(client, upstream, early=b"up")
    state["tunnel"] = opening.tunnel
    await opening.begun()

    assert (["pause_reading"], ["resume_reading"]) == (client.calls, upstream.calls)
    opening.tunnel.upstream.resume_writing()
    assert ["pause_reading", "resume_reading"] == client.calls
    opening.task.cancel()


async def test_behind_fin_nothing_is_read_again(opened):
    """The loop would tell of the same FIN once more."""
    client, upstream = Wire(), Wire()
    tunnel = (await opened(client, upstream)).tunnel
    stays = tunnel.client.eof_received()
    tunnel.upstream.pause_writing()
    tunnel.upstream.resume_writing()

    assert (True, ["resume_reading"]) == (stays, client.calls)
    assert ["resume_reading", "write_eof"] == upstream.calls


async def test_the_second_fin_closes_both(opened):
    """Half-open transports would stay for ever."""
    client, upstream = Wire(), Wire()
    tunnel = (await opened(client, upstream)).tunnel
    first = tunnel.upstream.eof_received()
    second = tunnel.client.eof_received()

    assert (True, False) == (first, second)
    assert (["write_eof"], ["close"]) == (client.calls[1:], upstream.calls[1:])


@pytest.mark.parametrize("secure", ["client", "upstream"])
async def test_with_tls_the_first_fin_closes_both(opened, secure):
    """It knows no half-close."""
    client, upstream = Wire(tls=secure == "client"), Wire(tls=secure == "upstream")
    tunnel = (await opened(client, upstream)).tunnel
    stays = tunnel.client.eof_received()

    assert (False, ["close"]) == (stays, upstream.calls[1:])


async def test_an_upstream_that_had_ended_before_ends_the_tunnel(opened):
    """Over TLS its end may be told with the 101; what it sent goes out before."""
    client, upstream = Wire(), Wire(tls=True)
    opening = await opened(client, upstream, behind=b"last", ended=True)
    opening.tunnel.upstream.connection_lost(None)
    opening.tunnel.client.connection_lost(None)
    await opening.task

    assert (b"101last", "close", ["close"]) == (client.written, client.calls[-1], upstream.calls)
    assert ([None], None) == (opening.exchange.losses, opening.tunnel.cause)


@pytest.mark.parametrize("gone", ["client", "upstream", "both"])
async def test_who_is_gone_before_it_begins_ends_the_tunnel(opened, gone):
    """In the moment between the 101 and the tunnel."""
    client = None if gone != "upstream" else Wire()
    upstream = None if gone != "client" else Wire()
    opening = await opened(client, upstream, behind=b"last")
    for end, wire in ((opening.tunnel.client, client), (opening.tunnel.upstream, upstream)):
        if wire is not None:
            assert "close" in wire.calls
            end.connection_lost(None)
    await opening.task

    assert client is None or b"101last" == client.written


async def test_a_fault_of_one_end_breaks_the_other_off(opened):
    """And the pool is told."""
    client, upstream = Wire(), Wire()
    opening = await opened(client, upstream)
    fault = ConnectionResetError()
    opening.tunnel.upstream.connection_lost(fault)
    opening.tunnel.client.connection_lost(None)
    await opening.task

    assert ("abort", [fault]) == (client.calls[-1], opening.exchange.losses)
    assert "the upstream broke off" == opening.tunnel.cause


async def test_an_end_that_is_slow_to_take_what_is_left_may_go_on(opened):
    """While it takes something it is not broken off; once it takes nothing it is."""
    client, upstream = Wire(), Wire()
    opening = await opened(client, upstream)
    tunnel = opening.tunnel
    tunnel.upstream.eof_received()
    client.unsent = 100
    tunnel.expire()
    tunnel.upstream.connection_lost(None)
    for client.unsent in (50, 20):
        before = tunnel.deadline
        tunnel.expire()
        assert "abort" not in client.calls
        assert before is not None
        assert tunnel.deadline is not None
        assert before <= tunnel.deadline <= asyncio.get_running_loop().time() + FLUSH_S
    tunnel.expire()

    assert ["close", "abort"] == client.calls[-2:]


async def test_who_waits_for_a_tunnel_and_is_cancelled_breaks_it_off(opened):
    """Nothing is left that nobody watches."""
    client, upstream = Wire(), Wire()
    opening = await opened(client, upstream)
    opening.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening.task

    assert ("abort", "abort", 0) == (client.calls[-1], upstream.calls[-1], len(opening.sweep))


async def test_full_buffers_are_waited_for_before_a_tunnel_begins(make_route, make_head):
    """It is told of those that fill up, not of those that are full already."""
    calls: list[str] = []
    exchange, client = Party(None, calls=calls), Party(None, calls=calls)
    exchange.head = ResponseHead(101, b"101 X", [])  # type: ignore[attr-defined]
    exchange.echo = None  # type: ignore[attr-defined]
    timeouts = SimpleNamespace(idle=1.0)
    sweep = Sweep(asyncio.get_running_loop())
    pool = SimpleNamespace(sweep=sweep, endpoint=SimpleNamespace(timeouts=timeouts))
    mount = SimpleNamespace(route=make_route(pool=pool), base=Base(cast("Any", None), b"", False))
    record = SimpleNamespace(extra=b"", foreign=False)
    parts: Any = (exchange, client, make_head(), mount, record)
    await relay(*parts)

    assert ["drain", "drain", "hand over", "hand over"] == calls
    assert (101, True) == (record.status, record.close)
