"""`check --probe` with clients that have credentials of their own."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from proxy.standins.carbonregistry import Carbonregistry
from proxy.standins.carbonregistry_data import GRANTS
from tests.integration.rig.client_keys import client, new
from tests.integration.rig.command import invoke


SHARED, OWN = list(GRANTS)[:2]
SECRETS = {"shared": SHARED, "own": OWN, "wrong": "FAKE-wrong", "unused": "FAKE-unused"}
CLIENTS = {
    "bob": {"one": "own"},
    "carol": {"one": "own", "two": "wrong"},
    "dora": {"two": "shared"},  # as the route itself
    "ed": {},
}
TAKEN = "the upstream takes the credential"
REFUSED = "the upstream refuses the credential"


@pytest.fixture
async def probed(tmp_path, monkeypatch):
    """What a probe prints, how it exits, and whose credentials it has sent."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name.upper(), value)
    clients = {name: client(new(name), credentials=own) for name, own in CLIENTS.items()}
    of_file = {"carol": clients.pop("carol")}
    (tmp_path / "clients.yaml").write_text(json.dumps(of_file), encoding="utf-8")
    config = tmp_path / "config.yaml"

    async def probed(*options):
        async with Carbonregistry() as standin:
            route = {"preset": "carbonregistry", "upstream": standin.url, "credential": "shared"}
            named = {n: {"origin": standin.url, "bearer": {"env": n.upper()}} for n in SECRETS}
            text = {
                "routes": {"one": route, "two": route},
                "credentials": named,
                "clients": clients,
                "clients_file": "clients.yaml",
            }
            config.write_text(json.dumps(text), encoding="utf-8")
            check = ["check", "--probe", "-c", str(config), *options]
            status, out, _ = await asyncio.to_thread(invoke, *check)
            sent = [each.values("authorization") for each in standin.received]
        return SimpleNamespace(status=status, out=out, sent=sent)

    return probed


async def test_each_is_tried_once_at_each_route(probed):
    """Whoever has it, of the file too; not again what the route has itself, nor what nobody has."""
    result = await probed()

    rows = [line for line in result.out.splitlines() if line.startswith("  probe")]
    assert [
        f"  probe       ok: {TAKEN} (status 200)",
        f"  probe       ok with own, a client's own: {TAKEN} (status 200)",
        f"  probe       ok: {TAKEN} (status 200)",
        f"  probe       FAILED with wrong, a client's own: {REFUSED} (status 401)",
    ] == rows
    expected = [SHARED, SHARED, OWN, "FAKE-wrong"]
    assert sorted([f"Bearer {each}"] for each in expected) == sorted(result.sent)
    assert 1 == result.status


async def test_programs_are_told_too(probed):
    """Beside what the route's own credential has come to."""
    result = await probed("--json")

    told = json.loads(result.out)
    first, second = told["routes"]
    wrong = {"credential": "wrong", "ok": False, "status": 401, "detail": REFUSED}
    assert [wrong] == second["client_probes"]
    own = {"credential": "own", "ok": True, "status": 200, "detail": TAKEN}
    assert [own] == first["client_probes"]
    assert [True, True] == [each["probe"]["ok"] for each in told["routes"]]
    assert (1, False) == (result.status, told["ok"])
