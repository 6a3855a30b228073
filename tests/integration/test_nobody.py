"""Clients are configured, and there are none: nobody is let in."""

from __future__ import annotations

import pytest

from tests.integration.rig.proxy import get, one_route


@pytest.mark.parametrize("listener", ["shared", "own"])
async def test_no_clients_are_nobody(start, upstream, listener):
    """Whoever takes the last client away does not open the proxy for all."""
    proxy = await start(one_route(upstream.origin) | {"clients": {}})
    target, where = ("/api/x", 0) if listener == "shared" else ("/x", "api")
    answer = await proxy.ask(get(target), where)

    assert answer.status == 401
    assert upstream.requests == []


async def test_without_the_word_nobody_is_asked(start, upstream):
    """The control."""
    proxy = await start(one_route(upstream.origin))

    assert (await proxy.ask(get())).status == 200


@pytest.mark.parametrize("host", ["nobody.localhost", "nobody.localhost.", "NOBODY.localhost:80"])
async def test_an_unknown_local_name_is_no_path(start, upstream, host):
    """Although every other name is accepted where clients have keys."""
    proxy = await start(one_route(upstream.origin) | {"clients": {}})

    assert (await proxy.ask(get(host=host))).status == 421
    assert (await proxy.ask(get(host="gateway.example"))).status == 401
