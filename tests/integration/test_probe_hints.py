"""`check --probe` says which query parameters win over the credential."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.integration.rig.command import invoke
from tests.integration.rig.proxy import one_route
from tests.integration.rig.upstream import OK


def _influx(seen):
    extra = b"HTTP/1.1 404 Not Found\r\nX-Influxdb-Version: 1.8.10\r\nContent-Length: 0\r\n\r\n"
    return OK if b"Influx" in seen.target else extra


def _prefers(*names):
    def answer(seen):
        if all(name + b"=" in seen.target for name in names):
            return b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
        return OK

    return answer


@pytest.mark.parametrize(
    ("answer", "strip", "hint"),
    [
        pytest.param(_influx, {}, "{query: [u, p]}", id="InfluxDB names itself"),
        pytest.param(_prefers(b"u", b"p"), {}, "{query: [u, p]}", id="two that belong together"),
        pytest.param(_prefers(b"?key"), {}, "", id="one that is not the first"),
        pytest.param(_prefers(b"key"), {}, "{query: [key]}", id="one"),
        pytest.param(_prefers(b"key"), {"query": ["key"]}, "", id="one that is stripped"),
        pytest.param(_influx, {"query": ["u", "p"]}, "", id="InfluxDB, both stripped"),
        pytest.param(_prefers(b"other"), {}, "", id="an upstream that takes no notice"),
    ],
)
async def test_a_probe_hints_at_queries_that_win(
    upstream, tmp_path, monkeypatch, answer, strip, hint
):
    """Where made-up ones turn what the credential got into a refusal; the probe is good still."""
    upstream.answer = answer
    (tmp_path / "config.yaml").write_text(json.dumps(one_route(upstream.origin, strip=strip)))
    monkeypatch.setenv("TOKEN", "FAKE-token-of-the-probe")
    arguments = ["check", "--probe", "-c", str(tmp_path / "config.yaml")]

    status, out, _ = await asyncio.to_thread(invoke, *arguments)

    assert 0 == status, out
    assert ("strip:" in out) == bool(hint)
    assert hint in out
