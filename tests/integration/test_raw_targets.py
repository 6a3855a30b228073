"""Request targets with bytes outside ASCII: forwarded as they are, judged and logged encoded."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.integration.rig.client_keys import client, new
from tests.integration.rig.proxy import get, one_route, request
from tests.integration.rig.tunnel import ASKING, switching
from tests.integration.rig.upstream import OK


ALICE = new("alice")
CAFE = "/caf\u00e9"
RAW = CAFE.encode()
ENCODED = quote(CAFE)


def raw(data):
    """Return a request with `/café` as curl sends what was typed."""
    return data.replace(ENCODED.encode(), RAW)


async def test_requests_in_a_row_with_bodies_between_them(proxy, upstream):
    """Each has its own answer, and the parser reads on behind each."""
    post = raw(request("POST", f"/api{ENCODED}", body=b"hello"))
    chunked = raw(request("PUT", f"/api{ENCODED}?a", "Transfer-Encoding: chunked"))
    async with await proxy.client() as client:
        client.send(post + get("/api/x") + chunked + b"5\r\nhello\r\n0\r\n\r\n" + post)
        answers = [await client.answer() for _ in range(4)]

    assert [OK] * 4 == [answer.raw for answer in answers]
    assert [(b"POST", RAW), (b"GET", b"/x"), (b"PUT", RAW + b"?a"), (b"POST", RAW)] == [
        (seen.method, seen.target) for seen in upstream.requests
    ]
    assert [b"hello", b"", b"hello", b"hello"] == [seen.body for seen in upstream.requests]


async def test_a_tunnel_is_opened_at_it(start, upstream):
    """Bytes pass behind the handshake."""
    upstream.script = switching
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(raw(get(f"/api{ENCODED}", *ASKING)))
        await client.until(b"\r\n\r\n")
        visit = await upstream.visited(1)
        client.send(b"ping")
        await visit.until(b"ping")
        visit.send(b"pong")
        await client.until(b"pong")

    assert RAW == upstream.requests[0].target


@pytest.mark.parametrize("target", [ENCODED, ENCODED.lower(), CAFE])
async def test_rules_judge_it_like_its_percent_encoding(start, upstream, target):
    """Whichever of both the rule and the request have."""
    rules = [{"paths": [CAFE], "action": "deny"}]
    proxy = await start(one_route(upstream.origin, rules=rules))
    data = get("/api/TARGET").replace(b"/TARGET", target.encode())

    assert (403, "policy-denied") == ((answer := await proxy.ask(data)).status, answer.code)
    assert [] == upstream.requests


async def test_log_and_audit_have_it_percent_encoded(start, upstream, tmp_path):
    """Valid JSON, without the query, and with keys masked."""
    config = one_route(upstream.origin) | {"audit": {"file": str(tmp_path / "audit.log")}}
    config["clients"] = {"alice": client(ALICE)}
    proxy = await start(config)
    good = get(f"/api{ENCODED}?\xe9", f"X-Api-Key: {ALICE.text}")

    await proxy.ask(raw(good))
    await proxy.ask(get("/api/\xe9", f"X-Api-Key: {ALICE.text}"))
    await proxy.ask(raw(get(f"/api{ENCODED}/{ALICE.text}", f"X-Api-Key: {ALICE.text}")))

    paths = [f"/api{ENCODED}", "/api/%E9", f"/api{ENCODED}/kb_***"]
    await proxy.logged(3)
    assert paths == [line["path"] for line in proxy.log.requests]
    lines = (tmp_path / "audit.log").read_bytes().splitlines()
    assert paths == [json.loads(line)["path"] for line in lines]
    assert [200, 200, 400] == [line["status"] for line in proxy.log.requests]


async def test_references_in_the_answer_lead_back(proxy, upstream):
    """A redirect to the same path with a slash, raw or encoded, stays below the prefix."""
    upstream.answer = b"HTTP/1.1 301 M\r\nLocation: %b/\r\nContent-Length: 0\r\n\r\n" % RAW

    answer = await proxy.ask(raw(get(f"/api{ENCODED}")))

    assert b"/api" + RAW + b"/" == answer.one(b"Location")


@pytest.mark.parametrize(
    ("target", "detail"),
    [
        (b"/api/x y", "a space at position 7; percent-encode it as %20"),
        (b"/api/\xc3\xa9\\", "a backslash at position"),
        (b"/api/\x7f\xc3\xa9", "a control character (0x7f) at position 6"),
        (b"/api/\xc3\xa9\tx", "a tab at position 8; percent-encode it as %09"),
        (b"/api/\xc1\xa1", "no UTF-8"),
        (b"/api/x#y", "a fragment"),
    ],
)
async def test_what_is_refused_is_named(proxy, upstream, target, detail):
    """With the code that the README promises."""
    answer = await proxy.ask(get("/TARGET").replace(b"/TARGET", target))

    assert (400, "bad-target") == (answer.status, answer.code)
    assert detail in answer.problem["detail"]
    assert [] == upstream.requests
