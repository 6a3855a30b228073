"""What is forgotten with the clients' file, and what a change of it cannot do."""

from __future__ import annotations

import json
import sys

from tests.integration.rig.client_keys import client, new
from tests.integration.rig.proxy import get, one_route


ALICE, BOB = new("alice"), new("bob")
JWT = {"issuer": "https://i.example", "audience": "a", "jwks_url": "http://127.0.0.1:1/"}


def put(path, clients):
    """Replace the file as a whole."""
    new_one = path.with_suffix(".new")
    new_one.write_text(json.dumps(clients))
    new_one.replace(path)


async def event(proxy, name):
    """Wait for the first line of an event."""
    log = proxy.log

    def lines():
        return [line for line in log.lines if line["event"] == name]

    await log.bell.until(lines, f"for {name}")
    return lines()[0]


async def test_a_key_that_is_taken_away_lets_nobody_in_any_more(start, upstream, tmp_path):
    """Not by what was remembered of it either."""
    path = tmp_path / "clients.yaml"
    put(path, {"alice": client(ALICE), "bob": client(BOB)})
    proxy = await start(one_route(upstream.origin) | {"clients_file": str(path)})
    request = get("/api/x", f"X-Api-Key: {ALICE.text}")
    async with await proxy.client() as before:
        statuses = [(await before.ask(request)).status for _ in range(2)]
        put(path, {"bob": client(BOB)})
        await event(proxy, "clients_reloaded")
        statuses.append((await before.ask(request)).status)

    assert statuses == [200, 200, 401]


async def test_a_file_that_needs_what_is_not_installed_is_refused_in_the_log(
    start, upstream, tmp_path, monkeypatch
):
    """A client with a JWT is the first use of it; whoever was known stays so."""
    path = tmp_path / "clients.yaml"
    put(path, {"bob": client(BOB)})
    proxy = await start(one_route(upstream.origin) | {"clients_file": str(path)})
    for module in ("proxy.access.tokens", "proxy.access.keyset"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    for module in ("jwt", "jwt.algorithms"):
        monkeypatch.setitem(sys.modules, module, None)
    put(path, {"ci": {"routes": "*", "jwt": JWT}})
    refused = await event(proxy, "clients_refused")

    (problem,) = refused["problems"]
    assert "jwt" in problem
    assert "keybearer[gateway]" in problem
    assert (await proxy.ask(get("/api/x", f"X-Api-Key: {BOB.text}"))).status == 200
