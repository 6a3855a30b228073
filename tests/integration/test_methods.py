"""Any method that is a token is passed on, if the route allows it (RFC 9110 9.1)."""

from __future__ import annotations

import pytest

from tests.integration.rig.proxy import get, one_route, request


CHUNKED = "Transfer-Encoding: chunked"


async def test_a_method_that_the_configuration_names_is_allowed(start, upstream):
    """And no other one, nor one in other letters."""
    proxy = await start(one_route(upstream.origin, methods=["LIST", "VERSION-CONTROL"]))

    async with await proxy.client() as client:
        statuses = [
            (await client.ask(request(method, "/api/x"))).status
            for method in ("LIST", "BAN", "list", "VERSION-CONTROL", "GET")
        ]

    assert [200, 405, 405, 200, 405] == statuses
    assert [b"LIST", b"VERSION-CONTROL"] == [each.method for each in upstream.requests]


async def test_the_log_has_the_method(proxy, upstream):
    """As it was sent."""
    await proxy.ask(request("BREW", "/api/pot"))

    logged = await proxy.logged()

    assert ("BREW", "/api/pot", 200) == tuple(logged[key] for key in ("method", "path", "status"))


async def test_bodies_and_requests_behind_are_framed_as_ever(proxy, upstream):
    """All in one segment: lengths, chunks and none, by methods that parsers know or do not."""
    sent = (
        request("BAN", "/api/1", body=b"hello")
        + request("BAN", "/api/2", CHUNKED)
        + b"3\r\nabc\r\n0\r\nX-Last: trailer\r\n\r\n"
        + request("BAN", "/api/3")
        + get("/api/4")
        + request("ban", "/api/5", body=b"GET /api/none HTTP/1.1\r\n\r\n")
        + get("/api/6")
    )
    async with await proxy.client() as client:
        client.send(sent)
        for _ in range(6):
            assert 200 == (await client.answer()).status

    assert [
        (b"BAN", b"/1", b"hello"),
        (b"BAN", b"/2", b"abc"),
        (b"BAN", b"/3", b""),
        (b"GET", b"/4", b""),
        (b"ban", b"/5", b"GET /api/none HTTP/1.1\r\n\r\n"),
        (b"GET", b"/6", b""),
    ] == [(each.method, each.target, each.body) for each in upstream.requests]
    assert b"Last" not in b"".join(each.raw for each in upstream.requests)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 40, 60])
async def test_a_method_may_come_in_pieces(proxy, upstream, size):
    """Wherever they were cut."""
    data = request("BASELINE-CONTROL", "/api/x", body=b"hello")
    async with await proxy.client() as client:
        for at in range(0, len(data), size):
            client.send(data[at : at + size])
        answer = await client.answer()

    assert 200 == answer.status
    assert [(b"BASELINE-CONTROL", b"hello")] == [(r.method, r.body) for r in upstream.requests]


async def test_a_body_that_does_not_come_whole_is_not_passed_on_as_whole(proxy, upstream):
    """A bad chunk behind a method that the parser does not know is a bad request."""
    answer = await proxy.ask(request("BAN", "/api/x", CHUNKED) + b"2\r\nabc\r\n0\r\n\r\n")

    assert (400, "bad-request") == (answer.status, answer.code)


async def test_http_1_0_has_them_too(proxy, upstream):
    """With the end that it has always."""
    async with await proxy.client() as client:
        answer = await client.ask(b"LIST /api/x HTTP/1.0\r\nHost: localhost\r\n\r\n")
        await client.ended()

    assert (200, b"close") == (answer.status, answer.one(b"Connection"))
    assert b"LIST" == upstream.requests[0].method


@pytest.mark.parametrize("method", ["BREW", "GET", "PRI", "SOURCE", "DESCRIBE", "M-SEARCH"])
async def test_a_raw_target_may_come_with_any_method(proxy, upstream, method):
    """Parsers know some for other protocols alone, and see the target first."""
    async with await proxy.client() as client:
        first = await client.ask(request(method, "/api/\xc3\xa9", body=b"hello"))
        second = await client.ask(get())

    assert (200, 200) == (first.status, second.status)
    assert (method.encode(), b"/\xc3\xa9", b"hello") == (
        upstream.requests[0].method,
        upstream.requests[0].target,
        upstream.requests[0].body,
    )


async def test_an_upgrade_by_such_a_method_is_dropped(proxy, upstream):
    """As by any but GET; the request goes on as an ordinary one, and so does the connection."""
    async with await proxy.client() as client:
        fields = ("Connection: Upgrade", "Upgrade: websocket")
        first = await client.ask(request("BREW", "/api/x", *fields))
        second = await client.ask(get())

    assert (200, 200) == (first.status, second.status)
    assert upstream.requests[0].one(b"Upgrade") is None


@pytest.mark.parametrize("method", ["TRACE", "trace", "Trace", "CONNECT", "connect", "cOnNeCt"])
async def test_what_is_never_passed_on_has_no_other_spelling(proxy, upstream, method):
    """A server that folds the case of methods would answer with the credential."""
    answer = await proxy.ask(request(method, "/api/x"))

    assert (405, "method-denied") == (answer.status, answer.code)
    assert [] == upstream.requests


@pytest.mark.parametrize("method", ["DELETE", "delete", "Delete"])
async def test_a_rule_denies_a_method_in_any_case(start, upstream, method):
    """For a server may fold it; an allow holds for what it names, and for nothing else."""
    rules = [{"methods": ["DELETE"], "paths": ["/kept/**"], "action": "deny"}]
    proxy = await start(one_route(upstream.origin, rules=rules))

    assert 403 == (await proxy.ask(request(method, "/api/kept/x"))).status
    assert 200 == (await proxy.ask(request(method, "/api/other"))).status
    assert [b"/other"] == [each.target for each in upstream.requests]


async def test_a_rule_allows_what_it_names_alone(start, upstream):
    """Whether a parser knows it or not."""
    rules = [{"methods": ["LIST"], "paths": ["/secret/**"], "action": "allow"}]
    proxy = await start(one_route(upstream.origin, rules=rules))

    statuses = [
        (await proxy.ask(request(method, "/api/secret/x"))).status
        for method in ("LIST", "list", "BAN")
    ]

    assert [200, 403, 403] == statuses
