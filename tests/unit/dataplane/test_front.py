"""Clients' connections are counted by peer: an IPv6 address as its /64, as wrong keys are."""

from __future__ import annotations

import asyncio

import pytest

from proxy.dataplane.front import Front
from proxy.dataplane.limits import ClientLimits
from proxy.dataplane.model import Peer
from proxy.dataplane.wait import Wait
from proxy.upstream.origin import peer_network
from proxy.upstream.sweep import Sweep


LIMITS = ClientLimits(per_peer=1)


class Connection:
    """All that is counted of one."""

    crowded = False

    def __init__(self, address):
        loop = asyncio.get_running_loop()
        self.peer = Peer(address)
        self.wait = Wait(LIMITS, loop, lambda: None)

    def abort(self):
        """Break it off."""


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::1", "127.0.0.1", False),
        ("unix", "unix", True),
    ],
)
async def test_a_peer_is_a_network(one, two, same):
    """Whoever has an address of a /64 has all of them; and again when the first has gone."""
    loop = asyncio.get_running_loop()
    front = Front(None, LIMITS, Sweep(loop), loop)  # type: ignore[arg-type] # nothing is handled
    first, second, third = Connection(one), Connection(two), Connection(two)
    for each in (first, second):
        front.opened(each)  # type: ignore[arg-type] # all that is counted of a connection
    for each in (first, second):
        front.closed(each)  # type: ignore[arg-type] # the same
    front.opened(third)  # type: ignore[arg-type] # the same
    front.closed(third)  # type: ignore[arg-type] # the same

    assert [False, same, False] == [each.crowded for each in (first, second, third)]
    assert same is (peer_network(one) == peer_network(two))
    assert not front._by_peer
