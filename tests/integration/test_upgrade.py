"""What becomes of `Upgrade`: asked for, agreed to, declined, dropped."""

from __future__ import annotations

import pytest

from tests.integration.rig.message import split_head
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import BEARER, TOKEN, get, one_route, request
from tests.integration.rig.tunnel import ASKING, HANDSHAKE, SWITCH, switching, tunnelled
from tests.integration.rig.upstream import OK


# The handshake.


async def test_the_upstream_is_asked_with_the_credential_on(proxy, upstream):
    """Hop-by-hop fields and credentials of the client's are gone; the rest is as it was."""
    await proxy.ask(
        get(
            "/api/ws?a=b&access_token=x",
            "Connection: keep-alive, Upgrade, X-Hop",
            "Upgrade: WebSocket",
            "X-Hop: 1",
            "Authorization: Bearer client's",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            "Keep-Alive: 5",
        )
    )

    [asked] = upstream.requests
    assert b"GET /ws?a=b HTTP/1.1" == asked.line
    assert [
        (b"Host", upstream.origin.removeprefix("http://").encode()),
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"Sec-WebSocket-Protocol", b"chat, superchat"),
        (b"Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits"),
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Authorization", BEARER),
    ] == asked.fields


async def test_the_101_is_passed_on(serve, start):
    """With one Connection and one Upgrade, and what is stripped from all answers stripped."""

    async def script(visit):
        await visit.request()
        visit.send(
            b"HTTP/1.1 101 Web  Socket\r\nupgrade: WEBSOCKET\r\nConnection: upgrade, X-Hop\r\n"
            b"X-Hop: 1\r\nSet-Cookie: a=b\r\nSec-WebSocket-Accept: s3pP\r\nx-Odd:  caf\xe9\r\n"
            b"Content-Length: 0\r\nAccess-Control-Allow-Origin: *\r\n\r\n"
        )

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(HANDSHAKE)
        await client.until(b"\r\n\r\n")

    assert (
        b"HTTP/1.1 101 Web  Socket\r\nSec-WebSocket-Accept: s3pP\r\nx-Odd:  caf\xe9\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    ) == client.received


async def test_a_hint_before_the_101_is_passed_on(serve, start):
    """Informational answers come as they come."""

    async def script(visit):
        await visit.request()
        visit.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + SWITCH + b"hi")

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(HANDSHAKE)
        await client.until(b"\r\n\r\nhi")

    assert client.received.startswith(
        b"HTTP/1.1 103 Early Hints\r\nLink: </api/a>\r\n\r\nHTTP/1.1 101"
    )


async def test_a_request_before_the_handshake_is_answered_first(serve, start):
    """Pipelined, in one segment, and the tunnel works."""

    async def script(visit):
        if (await visit.request()).target == b"/first":
            visit.send(OK)
            await visit.request()
        visit.send(SWITCH)

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(get("/api/first") + HANDSHAKE + b"early")
        first = await client.answer()
        await client.until(b"101 ")
        [visit] = upstream.visits
        await visit.until(b"early")

    assert 200 == first.status


async def test_a_foreign_page_opens_no_tunnel(proxy, upstream):
    """Browsers ask nobody before they open a WebSocket to another site: Origin is all there is."""
    foreign = await proxy.ask(get("/api/ws", *ASKING, "Origin: https://evil.example"))

    assert (403, "origin-denied", []) == (foreign.status, foreign.code, upstream.visits)


async def test_our_own_page_opens_one(proxy, upstream):
    """To the upstream it is a page of its own."""
    answer = await proxy.ask(get("/api/ws", *ASKING, "Origin: http://localhost"))

    [asked] = upstream.requests
    assert (200, b"websocket") == (answer.status, asked.one(b"Upgrade"))
    assert upstream.origin.encode() == asked.one(b"Origin")


async def test_rules_hold_for_a_tunnel_too(start, upstream):
    """Denied before anything is sent."""
    rules = [{"paths": ["/ws"], "action": "deny"}]
    proxy = await start(one_route(upstream.origin, rules=rules))

    assert 403 == (await proxy.ask(HANDSHAKE)).status
    assert [] == upstream.visits


# No upgrade.


NOT_AN_UPGRADE = {
    "HTTP/1.0": HANDSHAKE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "POST": request("POST", "/api/x", *ASKING),
    "POST with a body": request("POST", "/api/x", *ASKING, body=b"hello"),
    "GET with a body": request("GET", "/api/x", *ASKING, body=b"hello"),
    "GET with chunks": (
        request("GET", "/api/x", *ASKING, "Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n\r\n"
    ),
    "two protocols": get("/api/x", "Connection: upgrade", "Upgrade: websocket, h2c"),
    "two fields": get("/api/x", "Connection: upgrade", "Upgrade: websocket", "Upgrade: h2c"),
    "two fields, h2c first": get(
        "/api/x", "Connection: upgrade", "Upgrade: h2c", "Upgrade: websocket"
    ),
    "h2c": get(
        "/api/x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAM"
    ),
    "another protocol": get("/api/x", "Connection: upgrade", "Upgrade: websockets"),
    "no Connection": get("/api/x", "Upgrade: websocket"),
    "no Upgrade": get("/api/x", "Connection: upgrade"),
}


@pytest.mark.parametrize("data", NOT_AN_UPGRADE.values(), ids=NOT_AN_UPGRADE)
async def test_anything_else_goes_on_as_an_ordinary_request(proxy, upstream, data):
    """Without `Upgrade`; a 101 to it would be nobody's."""
    answer = await proxy.ask(data)
    upstream.answer = SWITCH + b"\x81\x02hi"
    refused = await proxy.ask(data)

    assert (200, b"ok", 502) == (answer.status, answer.body, refused.status)
    for asked in upstream.requests:
        assert not {b"upgrade", b"connection", b"http2-settings"} & set(asked.names)


async def test_a_route_can_switch_it_off(start, upstream):
    """`upgrade: []`."""
    proxy = await start(one_route(upstream.origin, upgrade=[]))
    async with await proxy.client() as client:
        first = await client.ask(HANDSHAKE)
        second = await client.ask(get())

    assert (200, 200) == (first.status, second.status)
    assert [None, None] == [each.one(b"Upgrade") for each in upstream.requests]


# Declined.


DECLINED = {
    "200": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "403": b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "426": b"HTTP/1.1 426 X\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("answer", DECLINED.values(), ids=DECLINED)
async def test_a_declined_upgrade_is_an_ordinary_answer(proxy, upstream, answer):
    """With its body; both connections go on, as nothing can have been lost."""
    upstream.answer = answer
    async with await proxy.client() as client:
        answers = [
            await client.ask(HANDSHAKE),
            await client.ask(HANDSHAKE),
            await client.ask(get()),
            await client.ask(request("POST", "/api/x", *ASKING, body=b"hello")),
        ]

    assert [(int(answer[9:12]), b"hello")] * 4 == [(each.status, each.body) for each in answers]
    assert {None} == {each.one(b"Connection") for each in answers[:3]}
    assert [b"websocket", b"websocket", None, None] == [
        each.one(b"Upgrade") for each in upstream.requests
    ]
    assert 1 == len(upstream.visits)


TAILS = {
    "a frame": b"\x81\x82\0\0\0\0hi",
    "a request": get("/api/smuggled"),
    "half a request": b"GET /api/smuggled HTTP/1.1\r\n",
    "a body's worth": b"x" * 200_000,
}


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
@pytest.mark.parametrize("pieces", [1, 2])
async def test_what_came_behind_a_declined_upgrade_is_never_a_request(serve, start, tail, pieces):
    """It may have been meant for the other protocol. The answer arrives, the connection ends."""

    async def script(visit):
        await visit.request()
        [connection] = proxy.service._front.connections
        await seen(lambda: len(connection.cutter.pending) >= min(len(tail), 65536))
        visit.send(b"HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nhello")

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        if pieces == 1:
            client.send(HANDSHAKE + tail)
        else:
            client.send(HANDSHAKE)
            await upstream.visited()
            client.send(tail)
        answer = await client.answer()
        client.send(b"\r\n\r\n" + get("/api/smuggled"))
        ending = await client.ended()

    assert (403, b"hello", "FIN") == (answer.status, answer.body, ending)
    assert [b"/ws"] == [each.target for each in upstream.requests]


# What an upstream may not do.


WRONG = {
    "another protocol": SWITCH.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    "one more": SWITCH.replace(b"Upgrade: websocket", b"Upgrade: websocket, h2c"),
    "none": SWITCH.replace(b"Upgrade: websocket\r\n", b""),
    "no Connection": SWITCH.replace(b"Connection: Upgrade\r\n", b""),
    "a body": SWITCH.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"),
    "HTTP/1.0": SWITCH.replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
async def test_a_101_that_is_not_the_one_asked_for_is_502(proxy, upstream, answer):
    """And its connection is closed."""
    upstream.answer = answer

    answer = await proxy.ask(HANDSHAKE)

    assert (502, "upstream-protocol-error") == (answer.status, answer.code)
    assert b"keybearer; error=http_protocol_error" == answer.one(b"Proxy-Status")
    await upstream.visits[0].gone()


async def test_a_kept_connection_that_dies_costs_no_upgrade(serve, start):
    """A GET like any other: asked once more, on a new connection."""

    async def script(visit):
        asked = await visit.request()
        if asked.one(b"Upgrade") is None:
            visit.send(OK)
            await visit.request()
            visit.reset()
        else:
            visit.send(SWITCH)

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        await client.ask(get())
        client.send(HANDSHAKE)
        await client.until(b"101 ")

    assert [None, b"websocket", b"websocket"] == [s.one(b"Upgrade") for s in upstream.requests]
    assert 2 == len(upstream.visits)


async def test_an_upgrade_that_was_half_answered_is_not_repeated(serve, start):
    """Nor one on a new connection."""

    async def script(visit):
        asked = await visit.request()
        if asked.one(b"Upgrade") is None:
            visit.send(OK)
            await visit.request()
            visit.send(SWITCH[:20])
        visit.close()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    await proxy.ask(get())
    kept = await proxy.ask(HANDSHAKE)
    fresh = await proxy.ask(HANDSHAKE)

    assert (502, 502) == (kept.status, fresh.status)
    assert (2, 3) == (len(upstream.visits), len(upstream.requests))


async def test_a_connection_is_not_used_again_behind_a_tunnel(serve, start):
    """The pool forgets it."""

    async def script(visit):
        asked = await visit.request()
        visit.send(OK if asked.one(b"Upgrade") is None else SWITCH)

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with tunnelled(proxy, upstream) as (client, visit):
        client.close()
        await visit.gone()
    answer = await proxy.ask(get())

    assert (200, 2) == (answer.status, len(upstream.visits))


async def test_one_route_of_two_tunnels(serve, start):
    """Each by its own list; the secret is in nothing that a client gets."""
    upstream = await serve(script=switching)
    config = one_route(upstream.origin)
    other = dict(config["routes"]["api"], upgrade=[])
    config["routes"]["other"] = other
    proxy = await start(config)
    async with await proxy.client() as client, await proxy.client() as declined:
        client.send(HANDSHAKE)
        await client.until(b"\r\n\r\n")
        answer = await declined.ask(get("/other/ws", *ASKING))

    head = split_head(client.received)
    assert head is not None
    assert (b"HTTP/1.1 101 Switching Protocols", 502) == (head[0], answer.status)
    assert TOKEN.encode() not in client.received
