"""What no honest client sends: its status and document, nothing echoed, nothing forwarded."""

from __future__ import annotations

import json

import pytest

from tests.integration.rig.proxy import get, one_route, request


CANARY = b"CANARY"
HEAD = b"POST /api/x HTTP/1.1\r\nHost: localhost\r\nX-Canary: CANARY\r\n"
FIVE = b"Content-Length: 5\r\n\r\nhello"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def head(line=b"GET /api/x HTTP/1.1", host=b"Host: localhost\r\n", more=b""):
    """Return a request whose parts a test replaces."""
    return line + b"\r\n" + host + b"X-Canary: CANARY\r\n" + more + b"\r\n"


# Name, request, status, code; all of these end the connection.
FRAMING = {
    "CL and TE": (HEAD + b"Content-Length: 5\r\n" + CHUNKED + CHUNKS, 400),
    "TE and CL": (HEAD + b"Transfer-Encoding: chunked\r\n" + FIVE, 400),
    "GET with CL and TE": (
        head(more=b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + CHUNKS,
        400,
    ),
    "two lengths": (HEAD + b"Content-Length: 6\r\n" + FIVE, 400),
    "one length twice": (HEAD + b"Content-Length: 5\r\n" + FIVE, 400),
    "list of lengths": (HEAD + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    "length +5": (HEAD + b"Content-Length: +5\r\n\r\nhello", 400),
    "length -5": (HEAD + b"Content-Length: -5\r\n\r\nhello", 400),
    "length 0x5": (HEAD + b"Content-Length: 0x5\r\n\r\nhello", 400),
    "length 5_0": (HEAD + b"Content-Length: 5_0\r\n\r\nhello", 400),
    "length 5 5": (HEAD + b"Content-Length: 5 5\r\n\r\nhello", 400),
    "empty length": (HEAD + b"Content-Length:\r\n\r\nhello", 400),
    "length over 64 bits": (HEAD + b"Content-Length: 18446744073709551621\r\n\r\nhello", 400),
    "TE identity": (HEAD + b"Transfer-Encoding: identity\r\n\r\n", 400),
    "TE gzip": (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400),
    "TE xchunked": (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS, 400),
    "TE chunked, x": (HEAD + b"Transfer-Encoding: chunked, x\r\n\r\n" + CHUNKS, 400),
    "TE chunked;q": (HEAD + b"Transfer-Encoding: chunked;q=1\r\n\r\n" + CHUNKS, 400),
    "TE gzip, chunked": (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS, 501),
    "TE chunked, chunked": (HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKS, 0),
    "TE twice": (HEAD + b"Transfer-Encoding: chunked\r\n" + CHUNKED + CHUNKS, 0),
    "TE gzip and chunked": (HEAD + b"Transfer-Encoding: gzip\r\n" + CHUNKED + CHUNKS, 0),
    "TE chunked and identity": (
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + CHUNKS,
        0,
    ),
    "TE with VT": (HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS, 400),
    "TE quoted": (HEAD + b'Transfer-Encoding: "chunked"\r\n\r\n' + CHUNKS, 400),
    "empty TE": (HEAD + b"Transfer-Encoding:\r\n\r\n", 400),
    "empty TE and CL": (HEAD + b"Transfer-Encoding:\r\n" + FIVE, 400),
    "TE in HTTP/1.0": (
        b"POST /api/x HTTP/1.0\r\nX-Canary: CANARY\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        400,
    ),
    "TE space before colon": (HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS, 400),
    "CL space before colon": (HEAD + b"Content-Length : 5\r\n\r\nhello", 400),
    "CL NUL": (HEAD + b"Content-Length: 5\0\r\n\r\nhello", 400),
    "TE folded": (HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKS, 400),
    "bare LF before TE": (HEAD + b"X: y\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, 400),
    "bare CR before TE": (HEAD + b"X: y\rTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, 400),
}

SYNTAX = {
    "garbage": (b"\x01\x02CANARY\r\n\r\n", 400),
    "TLS hello": (bytes.fromhex("16030100c8010000c40303") + b"CANARY" * 20, 400),
    "h2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0),
    "HTTP/0.9 with version": (head(b"GET /api/x HTTP/0.9"), 0),
    "HTTP/2.0": (head(b"GET /api/x HTTP/2.0"), 0),
    "HTTP/1.2": (head(b"GET /api/x HTTP/1.2"), 0),
    "HTTP/1.10": (head(b"GET /api/x HTTP/1.10"), 0),
    "HTTP/01.1": (head(b"GET /api/x HTTP/01.1"), 0),
    "http/1.1": (head(b"GET /api/x http/1.1"), 400),
    "tab": (head(b"GET\t/api/x HTTP/1.1"), 400),
    "space in the target": (head(b"GET /api/x CANARY HTTP/1.1"), 400),
    "space behind the version": (head(b"GET /api/x HTTP/1.1 "), 400),
    "method with a colon": (head(b"GE:T /api/x HTTP/1.1"), 400),
    "method of 49 letters": (head(b"M" * 49 + b" /api/x HTTP/1.1"), 501),
    "leading space": (b" " + head(), 400),
    "no colon": (head(more=b"CANARY\r\n"), 400),
    "no name": (head(more=b": CANARY\r\n"), 400),
    "space before the colon": (head(more=b"X-A : CANARY\r\n"), 400),
    "tab before the colon": (head(more=b"X-A\t: CANARY\r\n"), 400),
    "leading space on the first field": (
        b"GET /api/x HTTP/1.1\r\n X-A: CANARY\r\nHost: localhost\r\n\r\n",
        400,
    ),
    "folded field": (head(more=b"X-A: b\r\n CANARY\r\n"), 400),
    "folded with tab": (head(more=b"X-A: b\r\n\tCANARY\r\n"), 400),
    "NUL in a value": (head(more=b"X-A: CANARY\0\r\n"), 400),
    "bell in a value": (head(more=b"X-A: CANARY\x07\r\n"), 400),
    "DEL in a value": (head(more=b"X-A: CANARY\x7f\r\n"), 400),
    "CR in a value": (head(more=b"X-A: a\rCANARY\r\n"), 400),
    "LF in a value": (head(more=b"X-A: a\nX-CANARY: b\r\n"), 400),
    "bare LF line ends": (b"GET /api/x HTTP/1.1\nHost: localhost\nX-Canary: CANARY\n\n", 400),
    "NUL in a name": (head(more=b"X\0A: CANARY\r\n"), 400),
    "non-ASCII in a name": (head(more=b"X-\xe9: CANARY\r\n"), 400),
    "no Host": (head(host=b""), 400),
    "two Hosts": (head(host=b"Host: localhost\r\nHost: localhost\r\n"), 400),
    "two Hosts in two cases": (head(host=b"Host: localhost\r\nHOST: evil\r\n"), 400),
}

HOSTS = [
    b"",
    b"a/b",
    b"u@localhost",
    b"u:p@localhost",
    b"local host",
    b"localhost:80:90",
    b"localhost:x",
    b"localhost:-1",
    b"localhost:65536",
    b"localhost:99999999",
    b"[::1",
    b"::1",
    b"[::1]x",
    b"localhost#",
    b"localhost?",
    b"localhost\\evil",
    b"loc%61lhost",
    b"http://localhost",
    b"localhost\xe9",
    b'"localhost"',
]

BAD_CHUNKS = {
    "size 0x5": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size +5": b"+5\r\nhello\r\n0\r\n\r\n",
    "size -5": b"-5\r\nhello\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "size 5Z": b"5Z\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "100 digits": b"1" * 100 + b"\r\nhello\r\n0\r\n\r\n",
    "17 digits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "CR behind the size": b"5\rhello\r\n0\r\n\r\n",
    "LF behind the data": b"5\r\nhello\n0\r\n\r\n",
    "more data than told": b"5\r\nhello!\r\n0\r\n\r\n",
    "LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "NUL in the size": b"5\0\r\nhello\r\n0\r\n\r\n",
    "LF behind the last": b"5\r\nhello\r\n0\n\r\n",
    "LF at the end": b"5\r\nhello\r\n0\r\n\nGET /api/smuggled HTTP/1.1\r\n\r\n",
    "bad trailer": b"5\r\nhello\r\n0\r\nX Y\r\n\r\n",
}


def check_document(answer, status):
    """Check that an answer is one of our own, and says nothing of the request."""
    assert answer.status == status if status else answer.status in {400, 501, 505}, answer.raw
    assert b"keybearer; error=http_request_" in answer.one(b"Proxy-Status")
    document = answer.problem
    assert {"type", "code", "title", "status", "detail", "request_id"} == set(document)
    assert answer.status == document["status"]
    assert f"urn:keybearer:error:{document['code']}" == document["type"]
    assert CANARY not in answer.raw


async def refused(proxy, upstream, data, status):
    """Check that a request is refused, alone and with its connection, and nothing is forwarded."""
    async with await proxy.client() as client:
        answer = await client.ask(data)
        await client.ended()
        assert b"" == client.received

    check_document(answer, status)
    assert b"close" == answer.one(b"Connection")
    assert b"HTTP/1.1 " == answer.line[:9]
    assert [] == upstream.requests
    assert status in {0, (await proxy.logged())["status"]}
    assert CANARY not in proxy.log.text


@pytest.mark.parametrize(("data", "status"), FRAMING.values(), ids=FRAMING)
async def test_a_body_that_could_end_in_two_places(proxy, upstream, data, status):
    """The classics of request smuggling."""
    await refused(proxy, upstream, data, status)


@pytest.mark.parametrize(("data", "status"), SYNTAX.values(), ids=SYNTAX)
async def test_a_head_that_is_none(proxy, upstream, data, status):
    """Not one HTTP/1.1 request by the letter of RFC 9112."""
    await refused(proxy, upstream, data, status)


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_that_is_none(proxy, upstream, host):
    """Neither a name nor an address, with or without a port."""
    await refused(proxy, upstream, head(host=b"Host: " + host + b"\r\n"), 400)


@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
async def test_a_bad_chunk_in_the_first_segment(proxy, upstream, body):
    """The request is refused before anything of it is sent."""
    await refused(proxy, upstream, HEAD + CHUNKED + body, 400)


@pytest.mark.parametrize("body", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
async def test_a_bad_chunk_in_a_later_segment(proxy, upstream, body):
    """The answer comes at once, and the upstream never sees a complete request."""
    async with await proxy.client() as client:
        client.send(HEAD + CHUNKED)
        visit = await upstream.visited()
        await visit.until(b"\r\n\r\n")
        answer = await client.ask(body)
        await client.ended()
        await visit.gone()

    check_document(answer, 400)
    assert [] == upstream.requests
    assert b"0\r\n\r\n" not in visit.received


async def test_a_bad_chunk_behind_a_good_one(proxy, upstream):
    """What has come so far has been sent on; its end never is."""
    async with await proxy.client() as client:
        client.send(HEAD + CHUNKED + b"5\r\nhello\r\n")
        visit = await upstream.visited()
        await visit.until(b"hello\r\n")
        answer = await client.ask(b"zz\r\n")
        await client.ended()
        await visit.gone()

    check_document(answer, 400)
    assert [] == upstream.requests


async def test_a_bad_chunk_right_behind_the_head(proxy, upstream):
    """Segments that arrive in two turns of the loop, before the request is taken up."""
    async with await proxy.client() as client:
        [connection] = proxy.service._front.connections
        connection.data_received(HEAD + CHUNKED)
        connection.data_received(b"zz\r\n")
        answer = await client.answer()
        await client.ended()

    check_document(answer, 400)
    assert [] == upstream.requests


async def test_a_bad_chunk_of_a_request_that_waits_for_its_turn(proxy, upstream):
    """The reader that must be woken is the waiting request's, not the one's under way."""
    upstream.answer = None
    async with await proxy.client() as client:
        client.send(get("/api/slow") + HEAD + CHUNKED)
        visit = await upstream.visited()
        await upstream.asked()
        [connection] = proxy.service._front.connections
        connection.data_received(b"zz\r\n")
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
        slow = await client.answer()
        bad = await client.answer()
        await client.ended()

    assert b"slow" == slow.body
    check_document(bad, 400)
    assert [b"/slow"] == [each.target for each in upstream.requests]


DOTS = [
    "/api/../x",
    "/api/x/..",
    "/api/..",
    "/api/.",
    "/api/./x",
    "/..",
    "/../api/x",
    "/api/%2e%2e/x",
    "/api/%2E%2e/x",
    "/api/.%2e/x",
    "/api/%2e./x",
    "/api/%2e/x",
    "/api/x/%2e%2e",
    "/api/..;/x",
    "/api/..;a=b/x",
    "/api/..%3b/x",
    "/api/..%2fx",
    "/api/x%2f..%2fy",
    "/api/x%2f..",
    "/api/..%5cx",
    "/api%2f..%2fx",
    "/api/%252e%252e/x",
    "/api/%25252e%25252e/x",
    "/api/..%252fx",
    "/api/%c0%ae%c0%ae/x",
    "/api/x/..?q",
]


@pytest.mark.parametrize("target", DOTS)
async def test_dot_segments_in_any_spelling(proxy, upstream, target):
    """They could lead out of the prefix, with the credential."""
    answer = await proxy.ask(get(target))

    check_document(answer, 400)
    assert "bad-target" == answer.code
    assert [] == upstream.visits


@pytest.mark.parametrize(
    "target",
    ["/api/...", "/api/.x", "/api/x.", "/api/..x", "/api/x..", "/api/x?..", "/api/x?a=/../b"],
)
async def test_dots_that_are_no_segments(proxy, upstream, target):
    """Names may begin and end with dots, and a query has no segments."""
    answer = await proxy.ask(get(target))

    assert 200 == answer.status
    assert target.removeprefix("/api").encode() == upstream.requests[0].target


@pytest.mark.parametrize(
    "target",
    [
        b"/api/x\\y",
        b"/api\\..\\x",
        b"/api/x#y",
        b"/api/x#",
        b"/api/x%00",
        b"/api/x?a=%00",
        b"/api/\xc1\xa1",
        b"/api/%c1%a1",
        b"/api/x\x7f",
        b"/api/x\x01",
        b"/api/x\x00",
        b"/api/x\ty",
        b"/api/x\x0by",
        b"api/x",
        b"x:y",
        b"http://",
        b"?x",
        b"*",
    ],
)
async def test_a_target_that_could_be_read_in_two_ways(proxy, upstream, target):
    """Bytes that some server takes for another, or for an end."""
    async with await proxy.client() as client:
        answer = await client.ask(head(b"GET " + target + b" HTTP/1.1"))

    check_document(answer, 400)
    assert [] == upstream.visits


async def test_a_bad_target_does_not_cost_the_connection(proxy, upstream):
    """The head was one request: the next one may follow."""
    async with await proxy.client() as client:
        bad = await client.ask(get("/api/../x"))
        good = await client.ask(get())

    assert (400, 200) == (bad.status, good.status)
    assert [b"/x"] == [each.target for each in upstream.requests]


LIMITS = {
    "target at the limit": (head(b"GET /api/" + b"x" * 16_000 + b" HTTP/1.1"), 200),
    "target": (head(b"GET /api/" + b"x" * 17_000 + b" HTTP/1.1"), 414),
    "query": (head(b"GET /api/x?" + b"CANARY" * 20_000 + b" HTTP/1.1"), 414),
    "field below the limit": (head(more=b"X-A: " + b"x" * 60_000 + b"\r\n"), 200),
    "field": (head(more=b"X-A: " + b"CANARY" * 12_000 + b"\r\n"), 431),
    "name": (head(more=b"X" * 70_000 + b": CANARY\r\n"), 431),
    "fields below the limit": (head(more=b"X-A: CANARY\r\n" * 250), 200),
    "fields": (head(more=b"X-A: CANARY\r\n" * 300), 431),
}


@pytest.mark.parametrize(("data", "status"), LIMITS.values(), ids=LIMITS)
async def test_heads_have_limits(proxy, upstream, data, status):
    """Each has its own status; what is below passes."""
    if status == 200:
        assert status == (await proxy.ask(data)).status
        return
    async with await proxy.client() as client:
        answer = await client.ask(data)
        await client.ended()

    assert (status, b"close") == (answer.status, answer.one(b"Connection"))
    assert status == json.loads(answer.body)["status"]
    assert CANARY not in answer.raw + proxy.log.text
    assert [] == upstream.visits


@pytest.mark.parametrize("line", [b"GET  /api/x HTTP/1.1"])
async def test_what_the_parser_forgives_is_one_ordinary_request(proxy, upstream, line):
    """It is taken by llhttp, which does not tell; upstream goes the one canonical form."""
    answer = await proxy.ask(head(line))

    assert 200 == answer.status
    assert [b"GET /x HTTP/1.1"] == [each.line for each in upstream.requests]


async def test_legal_chunks_pass_without_extensions_and_trailers(proxy, upstream):
    """The body is framed anew; nothing of the client's framing goes on."""
    body = b"3;ext=1\r\nhel\r\n02\r\nlo\r\n000\r\nX-Trailer: 1\r\nHost: evil\r\n\r\n"

    answer = await proxy.ask(HEAD + CHUNKED + body)

    assert (200, b"hello") == (answer.status, upstream.requests[0].body)
    assert b"ext" not in upstream.requests[0].raw
    assert b"railer" not in upstream.requests[0].raw


@pytest.mark.parametrize("name", ["Content_Length", "content_length", "Transfer_Encoding"])
async def test_framing_in_a_spelling_that_is_none_goes_no_further(proxy, upstream, name):
    """A gateway behind the upstream may take `_` for `-`."""
    answer = await proxy.ask(request("POST", "/api/x", f"{name}: 3", body=b"hello"))

    [seen] = upstream.requests
    assert (200, b"hello") == (answer.status, seen.body)
    assert 1 == len([n for n in seen.names if n.replace(b"_", b"-") == b"content-length"])
    assert b"ransfer" not in seen.raw


UPGRADES = {
    "h2c": ["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQ"],
    "two at once": ["Upgrade: websocket, foo/2", "Connection: Upgrade"],
    "unknown": ["Upgrade: foo/2", "Connection: upgrade"],
    "without Connection": ["Upgrade: websocket"],
    "TLS": ["Upgrade: TLS/1.0", "Connection: Upgrade"],
}


@pytest.mark.parametrize("fields", UPGRADES.values(), ids=UPGRADES)
@pytest.mark.parametrize("body", [None, b"hello"])
async def test_an_upgrade_is_dropped_and_the_request_is_an_ordinary_one(
    proxy, upstream, fields, body
):
    """With its body, once; what comes behind is either a request of its own or never read."""
    method = "GET" if body is None else "POST"
    async with await proxy.client() as client:
        answer = await client.ask(
            request(method, "/api/x", *fields, body=body) + get("/api/behind")
        )
        if answer.one(b"Connection") == b"close":
            await client.ended()
        else:
            await client.answer()

    first = upstream.requests[0]
    assert (200, body or b"", b"/x") == (answer.status, first.body, first.target)
    assert not {b"upgrade", b"http2-settings", b"connection"} & set(first.names)
    assert {b"/x", b"/behind"} >= {each.target for each in upstream.requests}


async def test_bytes_behind_a_declined_upgrade_are_never_taken_for_another_request(proxy, upstream):
    """H1: aiohttp drops the head of the POST and would read its body as a request."""
    smuggled = get("/api/smuggled")
    async with await proxy.client() as client:
        head = request("POST", "/api/y", f"Content-Length: {len(smuggled)}")
        client.send(get("/api/up", *UPGRADES["h2c"]) + head)
        answer = await client.answer()
        client.send(smuggled)
        await client.ended()

    assert (200, b"close") == (answer.status, answer.one(b"Connection"))
    assert b"/smuggled" not in {each.target for each in upstream.requests}


async def test_a_refused_request_with_a_body_does_not_become_two(proxy, upstream):
    """What stands where the body was is not read as a request."""
    inner = get("/api/inner")
    async with await proxy.client() as client:
        client.send(request("POST", "/nowhere", f"Content-Length: {len(inner)}"))
        refusal = await client.answer()
        client.send(inner + get("/api/behind"))
        await client.ended()

    assert (404, b"close") == (refusal.status, refusal.one(b"Connection"))
    assert [] == upstream.requests


async def test_a_flood_of_errors_is_answered_once(proxy, upstream):
    """One 400, then the end."""
    async with await proxy.client() as client:
        client.send(b"\x00" * 100_000)
        answer = await client.answer()
        await client.ended()

    assert (400, b"") == (answer.status, client.received)
    assert 1 == len(proxy.log.requests)


async def test_an_answer_to_head_has_no_body(proxy):
    """Refusals too: the document's length, but not the document."""
    async with await proxy.client() as client:
        first = await client.ask(request("HEAD", "/nowhere"), to_head=True)
        second = await client.ask(get("/nowhere"))

    assert (404, b"") == (first.status, first.body)
    assert int(first.one(b"Content-Length")) > 0
    assert 404 == second.status


async def test_a_policy_is_judged_by_every_reading(start, upstream):
    """A denied path stays denied however it is spelled; `methods` say what they take."""
    rules = [{"paths": ["/admin/**"], "action": "deny"}]
    proxy = await start(one_route(upstream.origin, rules=rules, methods=["GET"]))
    spellings = [
        "/admin/x",
        "/ADMIN/x",
        "//admin/x",
        "/%61dmin/x",
        "/admin%2fx",
        "/admin%2Fx",
        "/admin;a=b/x",
        "/admin%5cx",
        "/admin%252fx",
        "/admin/x/",
        "/admin",
    ]
    answers = [(await proxy.ask(get(f"/api{each}"))).code for each in spellings]
    method = await proxy.ask(request("POST", "/api/x", body=b""))
    fine = await proxy.ask(request("HEAD", "/api/admins"), to_head=True)

    assert {"policy-denied"} == set(answers)
    assert (405, b"GET, HEAD", 200) == (method.status, method.one(b"Allow"), fine.status)
    assert [b"/admins"] == [each.target for each in upstream.requests]


@pytest.mark.parametrize("tail", [b"x", get("/api/behind")], ids=["garbage", "request"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_bytes_behind_a_last_request_are_never_a_request(proxy, upstream, tail, version):
    """The last one is answered, and its connection closed."""
    last = f"POST /api/x HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n"

    answer = await proxy.ask(last.encode() + FIVE + tail)

    assert (200, b"close") == (answer.status, answer.one(b"Connection"))
    assert [b"hello"] == [each.body for each in upstream.requests]


@pytest.mark.parametrize("tail", [b"\r\n", b"\r\n\r\n"])
async def test_an_empty_line_behind_a_last_request_is_forgiven(proxy, upstream, tail):
    """Old clients send one behind a body (RFC 9112 2.2)."""
    last = b"POST /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"

    answer = await proxy.ask(last + FIVE + tail)

    assert (200, b"hello") == (answer.status, upstream.requests[0].body)


@pytest.mark.parametrize("tail", [b"\r", b"\n", b"\r\n", b"\r\n\r\n"])
async def test_an_empty_line_that_nothing_follows_at_once_is_forgiven(proxy, upstream, tail):
    """The next request comes later, in a segment of its own."""
    async with await proxy.client() as client:
        first = await client.ask(request("POST", "/api/x", body=b"hello") + tail)
        client.send(tail)
        second = await client.ask(get())

    assert (200, 200) == (first.status, second.status)
    assert [b"hello", b""] == [each.body for each in upstream.requests]


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**64])
async def test_no_request_becomes_the_body_of_one_whose_length_overflows(proxy, upstream, length):
    """The parser takes 2**64 - 1 for no body: the upstream would still wait for it."""
    answer = await proxy.ask(request("POST", "/api/x", f"Content-Length: {length}"))
    await proxy.ask(get())

    check_document(answer, 400)
    assert b"close" == answer.one(b"Connection")
    assert [b"GET"] == [each.method for each in upstream.requests]
