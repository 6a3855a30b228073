"""Fields, parameters and subprotocols that no rule or credential may be passed by with."""

from __future__ import annotations

import asyncio
import base64
import re

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.typing import Subprotocol

from tests.integration.rig.client_keys import client, new
from tests.integration.rig.patience import PATIENCE_S
from tests.integration.rig.proxy import BEARER, get, one_route, request
from tests.integration.rig.upstream import OK


ALICE, BOB = new("alice"), new("bob")
FIELDS = [
    *("X-Original-URL: /admin", "x_rewrite_url: /admin", "X-Envoy-Original-Path: /admin"),
    *("X-Original-Host: other.example", "X-HTTP-Method-Override: DELETE", "X-HTTP-METHOD: PUT"),
    *("x-middleware-subrequest: middleware", "X-Host: other.example", "SCRIPT_NAME: /admin"),
    *("X.Original.URL: /admin", "x!http~method|override: PUT"),  # lighttpd's CGI
    *("X-Sendfile-Type: X-Accel-Redirect", "X-Accel-Mapping: /=/admin"),
]
NAMES = [field.partition(":")[0].encode() for field in FIELDS]
FOLDED = [re.sub("[^a-z0-9]", "-", name.decode().lower()) for name in NAMES]
GUARDED = {
    "methods": {"methods": ["GET"]},
    "a rule that allows": {"rules": [{"paths": ["/x"], "action": "allow"}]},
    "a rule that denies": {"rules": [{"paths": ["/admin"], "action": "deny"}]},
    "a preset's denied paths": {"preset": "microreact"},
}


@pytest.mark.parametrize("keys", GUARDED.values(), ids=GUARDED)
async def test_where_there_are_rules_nothing_passes_by_them(start, upstream, keys):
    """Nothing that names another path, host or method; what was taken off is logged by name."""
    proxy = await start(one_route(upstream.origin, **keys))

    await proxy.ask(get("/api/x?_method=DELETE&a=1;_method=PUT&b", *FIELDS, "X-Other: 1"))

    [seen] = upstream.requests
    assert b"/x?a=1&b" == seen.target
    assert [b"host", b"x-other", b"authorization"] == seen.names
    assert [*FOLDED, "?_method", "?_method"] == (await proxy.logged())["stripped"]


@pytest.mark.parametrize("keys", [{}, {"preset": "microreact", "allow_minting": True}])
async def test_where_there_are_none_everything_passes(start, upstream, keys):
    """Byte for byte, as everything does that is no credential."""
    proxy = await start(one_route(upstream.origin, **keys))

    await proxy.ask(get("/api/x?_method=DELETE&a=1;_method=PUT", *FIELDS))

    [seen] = upstream.requests
    assert b"/x?_method=DELETE&a=1;_method=PUT" == seen.target
    assert NAMES == [name for name, _ in seen.fields[1:-1]]


async def test_the_configuration_keeps_one_by_name(start, upstream):
    """An API that needs it, where the user knows what it may do."""
    keep = ["X-HTTP-Method-Override", "_method"]
    fields = [field for field in FIELDS if not field.startswith("x!")]
    proxy = await start(one_route(upstream.origin, methods=["POST"], strip={"keep": keep}))

    await proxy.ask(request("POST", "/api/x?_method=PUT", *fields, body=b""))

    [seen] = upstream.requests
    assert b"/x?_method=PUT" == seen.target
    assert b"DELETE" == seen.one(b"X-HTTP-Method-Override")
    assert [b"host", b"x-http-method-override", b"content-length", b"authorization"] == seen.names


@pytest.mark.parametrize(
    "own", [{"methods": ["GET"]}, {"rules": [{"paths": ["/admin"], "action": "deny"}]}]
)
async def test_a_clients_own_rules_count(start, upstream, own):
    """On a route without any, for that client alone."""
    config = one_route(upstream.origin)
    config["clients"] = {"alice": client(ALICE, **own), "bob": client(BOB)}
    proxy = await start(config)

    for key in (ALICE, BOB):
        await proxy.ask(get("/api/x?_method=PUT", *FIELDS, f"X-Api-Key: {key.text}"))

    guarded, free = upstream.requests
    assert (b"/x", [b"host", b"authorization"]) == (guarded.target, guarded.names)
    assert (b"/x?_method=PUT", NAMES) == (free.target, [n for n, _ in free.fields[1:-1]])
    assert [*FOLDED, "x-api-key", "?_method"] == (await proxy.logged(1))["stripped"]


SLOTS = {
    "a header for credentials": ("/api/x", "X-Auth-Token: {}"),
    "another one, as Bearer": ("/api/x", "private_token: Bearer {}"),
    "a cookie": ("/api/x", "Cookie: kb_theme=dark; session={}; a=b"),
    "access_token": ("/api/x?a=1&access_token={}", "X-Auth-Token: dummy"),
    "token": ("/api/x?token={}&a=1", "Cookie: kb_theme=dark"),
    "a subprotocol": ("/api/x", "Sec-WebSocket-Protocol: chat, {}"),
    "a subprotocol of OpenAI's": (
        "/api/x",
        "sec-websocket-protocol: chat, openai-insecure-api-key.{}",
    ),
}


@pytest.mark.parametrize(("target", "field"), SLOTS.values(), ids=SLOTS)
async def test_a_key_alone_is_found_where_a_tool_puts_it(start, upstream, target, field):
    """It reaches neither the upstream nor the log; two different keys are refused as ever."""
    config = one_route(upstream.origin)
    config["clients"] = {"alice": client(ALICE), "bob": client(BOB)}
    proxy = await start(config)
    data = get(target.format(ALICE.text), field.format(ALICE.text))

    answer = await proxy.ask(data)
    both = await proxy.ask(get(target.format(ALICE.text), field.format(ALICE.text), _bearer(BOB)))
    same = await proxy.ask(get(target.format(ALICE.text), field.format(ALICE.text), _bearer(ALICE)))

    assert (OK, 400, OK) == (answer.raw, both.status, same.raw)
    assert 2 == len(upstream.requests)
    assert "alice" == (await proxy.logged())["client"]
    for seen in upstream.requests:
        assert b"kb_alice" not in seen.raw
        assert BEARER == seen.one(b"Authorization")
    assert ALICE.secret.encode() not in proxy.log.text


def _bearer(key):
    return f"Authorization: Bearer {key.text}"


async def test_a_key_where_it_is_kept_is_refused(start, upstream):
    """It would go on to the upstream."""
    config = one_route(upstream.origin, strip={"keep": ["token"]})
    config["clients"] = {"alice": client(ALICE)}
    proxy = await start(config)

    answer = await proxy.ask(get(f"/api/x?token={ALICE.text}", _bearer(ALICE)))

    assert (400, "bad-request") == (answer.status, answer.code)
    assert [] == upstream.requests


async def test_the_query_of_jupyter_does_not_win(start, upstream):
    """A server that prefers `?token=` sees the injected credential alone."""
    proxy = await start(one_route(upstream.origin))

    await proxy.ask(get("/api/contents?token=client-dummy&type=file"))

    assert b"/contents?type=file" == upstream.requests[0].target
    assert ["?token"] == (await proxy.logged())["stripped"]


OFFERED = {
    "of OpenAI": "openai-insecure-api-key.{}",
    "of Kubernetes": "base64url.bearer.authorization.k8s.io.{encoded}",
    "raw": "{}",
}


@pytest.mark.parametrize("offered", OFFERED.values(), ids=OFFERED)
async def test_a_websocket_with_a_key_as_subprotocol(start, offered):
    """As a browser opens it: the server chooses from what is left, and the client agrees."""
    encoded = base64.urlsafe_b64encode(ALICE.text.encode()).decode().rstrip("=")
    protocol = offered.format(ALICE.text, encoded=encoded)
    offers = [Subprotocol(protocol), Subprotocol("chat")]
    handshakes = []

    async def echo(connection):
        handshakes.append(connection.request.headers)
        await connection.send(await connection.recv())

    async with serve(echo, "127.0.0.1", 0, subprotocols=[Subprotocol("chat")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        config = one_route(f"http://127.0.0.1:{port}") | {"clients": {"alice": client(ALICE)}}
        proxy = await start(config)
        uri = f"ws://127.0.0.1:{proxy.port}/api/ws"
        async with (
            asyncio.timeout(PATIENCE_S),
            connect(uri, proxy=None, subprotocols=offers) as socket,
        ):
            await socket.send("hello")
            assert ("chat", "hello") == (socket.subprotocol, await socket.recv())

    [headers] = handshakes
    assert ["chat"] == headers.get_all("Sec-WebSocket-Protocol")
    assert [BEARER.decode()] == headers.get_all("Authorization")


async def test_subprotocols_that_the_configuration_names(start, upstream):
    """By name and by prefix; a list of nothing else goes, and `strip.keep` keeps one."""
    strip = {"subprotocols": ["secret", "auth.*"], "keep": ["openai-insecure-api-key.*"]}
    proxy = await start(one_route(upstream.origin, strip=strip))

    lists = ["auth.x,chat , secret", "Secret", "openai-insecure-api-key.x"]
    await proxy.ask(get("/api/x", *(f"Sec-WebSocket-Protocol: {each}" for each in lists)))

    [seen] = upstream.requests
    assert [b"chat", b"openai-insecure-api-key.x"] == seen.all(b"Sec-WebSocket-Protocol")
    assert ["sec-websocket-protocol"] * 2 == (await proxy.logged())["stripped"]
