"""The answer, byte for byte as the upstream gave it but for what is taken off or rewritten."""

from __future__ import annotations

import gzip

import pytest

from tests.integration.rig.proxy import get, one_route, request
from tests.integration.rig.raw import Client


def answer_of(line=b"HTTP/1.1 200 OK", fields=b"", body=b"", *, length=True):
    """Return an answer's bytes."""
    told = b"Content-Length: %d\r\n" % len(body) if length else b""
    return line + b"\r\n" + fields + told + b"\r\n" + body


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 All is  well",
        b"HTTP/1.1 200 caf\xe9 \xc3\xa9",
        b"HTTP/1.1 299 Odd",
        b"HTTP/1.1 400 Invalid JSON",
        b"HTTP/1.1 413 Body exceeded 128mb limit",
        b"HTTP/1.1 599 x",
    ],
)
async def test_the_status_line_is_kept(proxy, upstream, line):
    """Reason phrases that are not standard, empty or not ASCII; errors of the upstream's own."""
    upstream.answer = answer_of(line, body=b"text")

    answer = await proxy.ask(get())

    assert (line, b"text") == (answer.line, answer.body)
    assert None is answer.one(b"Proxy-Status")


async def test_a_status_line_without_a_reason_gets_its_space(proxy, upstream):
    """RFC 9112 4: the space stands even before an empty phrase."""
    upstream.answer = answer_of(b"HTTP/1.1 200")

    assert b"HTTP/1.1 200 " == (await proxy.ask(get())).line


async def test_fields_keep_order_case_number_and_bytes(proxy, upstream):
    """And none is added: no Server, no Date, no Via, no Content-Type."""
    fields = [
        (b"x-B", b"2"),
        (b"ETag", b'W/"1"'),
        (b"X-b", b"1"),
        (b"X-Bytes", b"caf\xe9 \xff"),
        (b"Vary", b"A"),
        (b"vary", b"B"),
        (b"X-Empty", b""),
        (b"WWW-Authenticate", b'Basic realm="x"'),
    ]
    upstream.answer = answer_of(fields=b"".join(b"%b: %b\r\n" % each for each in fields))

    answer = await proxy.ask(get())

    assert [*fields, (b"Content-Length", b"0")] == answer.fields


async def test_what_would_bind_the_client_to_our_host_is_removed(proxy, upstream):
    """Sessions, HSTS, other services, foreign CORS, and everything of the connection."""
    upstream.answer = answer_of(
        fields=(
            b"Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nx_hop: 2\r\n"
            b'Set-Cookie: s=1\r\nset-cookie: t=2\r\nAlt-Svc: h3=":443"\r\n'
            b"Strict-Transport-Security: max-age=1\r\nAccess-Control-Allow-Origin: *\r\n"
            b"access-control-allow-credentials: true\r\nProxy-Authenticate: Basic\r\n"
            b"Proxy-Connection: keep-alive\r\nTrailer: X-T\r\nUpgrade: h2c\r\nX-Stays: 1\r\n"
        )
    )

    answer = await proxy.ask(get())

    assert [b"x-stays", b"content-length"] == answer.names


@pytest.mark.parametrize("body", ["length", "chunked"])
async def test_a_head_answer_has_no_body_and_keeps_its_length(proxy, upstream, body):
    """The length is the GET's; a client that waited for bytes would hang."""
    framing = b"Content-Length: 5\r\n" if body == "length" else b"Transfer-Encoding: chunked\r\n"
    upstream.answer = answer_of(fields=framing, length=False)
    async with await proxy.client() as client:
        first = await client.ask(request("HEAD", "/api/x"), to_head=True)
        second = await client.ask(request("HEAD", "/api/x"), to_head=True)

    assert b"5" == first.one(b"Content-Length") or body == "chunked"
    assert first.raw == second.raw
    assert b"\r\n\r\n" == first.raw[-4:]


@pytest.mark.parametrize(
    ("line", "fields", "kept"),
    [
        (b"HTTP/1.1 204 No Content", b"", []),
        (b"HTTP/1.1 204 No Content", b"Content-Length: 0\r\n", []),
        (b"HTTP/1.1 304 Not Modified", b"ETag: x\r\n", []),
        (b"HTTP/1.1 304 Not Modified", b"Content-Length: 5\r\n", [b"5"]),
    ],
)
async def test_answers_without_body(proxy, upstream, line, fields, kept):
    """204 says no length, 304 may say the other's; the connection goes on."""
    upstream.answer = answer_of(line, fields, length=False)
    async with await proxy.client() as client:
        first = await client.ask(get())
        second = await client.ask(get())

    assert (line, kept) == (first.line, first.all(b"Content-Length"))
    assert [] == first.all(b"Transfer-Encoding")
    assert first.raw == second.raw
    assert 1 == len(upstream.visits)


UNMEASURED = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n"
    b"0\r\nX-Trailer: 1\r\n\r\n",
    "close-delimited": b"HTTP/1.1 200 OK\r\n\r\nhello",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "Connection: close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
}


@pytest.mark.parametrize("sent", UNMEASURED.values(), ids=UNMEASURED)
async def test_a_body_without_length_is_chunked_to_the_client(proxy, serve, start, sent):
    """However the upstream ends it, the client sees the end, and its connection goes on."""

    async def script(visit):
        await visit.request()
        visit.send(sent)
        visit.close()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        answers = [await client.ask(get()) for _ in range(2)]

    assert [b"hello", b"hello"] == [answer.body for answer in answers]
    assert [[b"chunked"]] * 2 == [answer.all(b"Transfer-Encoding") for answer in answers]
    assert b"railer" not in answers[0].raw
    assert [] == answers[0].all(b"Connection")


@pytest.mark.parametrize("sent", UNMEASURED.values(), ids=UNMEASURED)
async def test_a_body_without_length_is_closed_behind_for_http_1_0(serve, start, sent):
    """An HTTP/1.0 client knows no chunks."""

    async def script(visit):
        await visit.request()
        visit.send(sent)
        visit.close()

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        client.send(b"GET /api/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        ending = await client.ended()
        answer = await client.answer()

    assert ("FIN", b"hello") == (ending, answer.body)
    assert [] == answer.all(b"Transfer-Encoding")


async def test_a_measured_answer_ends_an_http_1_0_connection_too(proxy):
    """RFC 9112 C.2.2: a proxy keeps none, for it cannot know who asked for that."""
    async with await proxy.client() as client:
        answer = await client.ask(b"GET /api/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        ending = await client.ended()

    assert ("FIN", b"ok", b"close") == (ending, answer.body, answer.one(b"Connection"))


async def test_an_http_1_0_upstream_with_a_length(proxy, upstream):
    """Its connection is not kept unless it says so."""
    upstream.answer = answer_of(b"HTTP/1.0 200 OK", body=b"hello")
    async with await proxy.client() as client:
        answers = [await client.ask(get()) for _ in range(2)]

    assert [b"hello"] * 2 == [answer.body for answer in answers]
    assert [b"HTTP/1.1 200 OK"] * 2 == [answer.line for answer in answers]
    assert 2 == len(upstream.visits)


EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_informational_answers_are_relayed_as_any_answer_is(proxy, upstream):
    """With the same fields taken off and the same references rewritten."""
    upstream.answer = (
        b"HTTP/1.1 102 Processing\r\nX-A: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
        b"Set-Cookie: s=1\r\nAccess-Control-Allow-Origin: *\r\n\r\n" + EARLY + answer_of()
    )

    answer = await proxy.ask(get())

    rewritten = EARLY.replace(b"</style", b"</api/style")
    assert [b"HTTP/1.1 102 Processing\r\nX-A: 1\r\n\r\n", rewritten] == answer.interim


async def test_a_continue_that_nobody_asked_for_is_dropped(proxy, upstream):
    """It confuses clients that do not know it; one that asked gets it."""
    upstream.answer = CONTINUE + EARLY + answer_of()
    unasked = await proxy.ask(get())
    asked = await proxy.ask(request("POST", "/api/x", "Expect: 100-continue", body=b"hello"))

    assert [103] == [int(each.split()[1]) for each in unasked.interim]
    assert [100, 103] == [int(each.split()[1]) for each in asked.interim]
    assert b"100-continue" == upstream.requests[1].one(b"Expect")


async def test_an_http_1_0_client_gets_no_informational_answer(proxy, upstream):
    """It knows none."""
    upstream.answer = CONTINUE + EARLY + answer_of(body=b"x")

    answer = await proxy.ask(b"GET /api/x HTTP/1.0\r\n\r\n")

    assert ([], b"x") == (answer.interim, answer.body)


async def test_the_client_is_told_to_continue_when_the_upstream_says_so(serve, start):
    """The body is asked for by the upstream alone."""

    async def script(visit):
        head = await visit.head()
        assert b"Expect: 100-continue" in head
        assert b"" == visit.received
        visit.send(CONTINUE)
        await visit.until(b"hello")
        visit.send(answer_of(body=b"done"))

    upstream = await serve(script=script)
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client() as client:
        fields = ["Expect: 100-continue", "Content-Length: 5"]
        client.send(request("POST", "/api/x", *fields))
        await client.until(CONTINUE)
        client.send(b"hello")
        answer = await client.answer()

    assert (200, b"done") == (answer.status, answer.body)


async def test_compressed_bodies_stay_as_they_are(proxy, upstream):
    """Nothing is decompressed, also where the coding lies."""
    packed = gzip.compress(b"x" * 1000)
    upstream.answer = lambda asked: answer_of(
        fields=b"Content-Encoding: gzip\r\nContent-Type: text/plain\r\n",
        body=packed if asked.target == b"/true" else b"no gzip",
    )
    true = await proxy.ask(get("/api/true"))
    lie = await proxy.ask(get("/api/lie"))
    up = await proxy.ask(request("POST", "/api/true", "Content-Encoding: gzip", body=packed))

    assert (packed, b"no gzip", packed) == (true.body, lie.body, up.body)
    assert packed == upstream.requests[2].body


REFERENCES = {
    "path": (b"/a/b?q#f", b"{p}/a/b?q#f"),
    "upstream": (b"http://{up}/a", b"{p}/a"),
    "upstream, other scheme": (b"https://{host}/a", b"{p}/a"),
    "upstream, default port": (b"http://{host}:443/a", b"{p}/a"),
    "upstream in capitals": (b"HTTP://{up}/a", b"{p}/a"),
    "no scheme": (b"//{up}/a", b"{p}/a"),
    "bare": (b"http://{up}", b"{p}/"),
    "query": (b"http://{up}?q", b"{p}/?q"),
    "other host": (b"https://other.example/a", b"https://other.example/a"),
    "other host, no scheme": (b"//other.example/a", b"//other.example/a"),
    "user": (b"http://{up}@other.example/", b"http://{up}@other.example/"),
    "relative": (b"a/b", b"a/b"),
    "dots": (b"/../../x", b"{p}/x"),
}
ENTRANCES = {
    "prefix": ("/api/x", "localhost", b"/api"),
    "host": ("/x", "api.localhost", b""),
    "own": ("/x", "localhost", b""),
    "unix": ("/api/x", "localhost", b"/api"),
    "absolute": ("http://localhost/api/x", "localhost", b"/api"),
}


@pytest.mark.parametrize(("sent", "expected"), REFERENCES.values(), ids=REFERENCES)
@pytest.mark.parametrize("entrance", ENTRANCES)
async def test_redirects_lead_back_through_the_entrance(
    start, upstream, tmp_path, entrance, sent, expected
):
    """Location, Content-Location, Link and Refresh; the redirect itself is never followed."""
    target, host, prefix = ENTRANCES[entrance]
    up = upstream.origin.removeprefix("http://").encode()

    def filled(text):
        return text.replace(b"{up}", up).replace(b"{host}", b"127.0.0.1").replace(b"{p}", prefix)

    reference, wanted = filled(sent), filled(expected)
    if not prefix and sent == b"/../../x":
        wanted = reference  # a client resolves it against the root itself
    upstream.answer = answer_of(
        b"HTTP/1.1 308 Permanent Redirect",
        b"Location: %b\r\nRefresh: 0;url=%b\r\nContent-Location: %b\r\n"
        b'Link: <%b>; rel="next", <https://other.example/>; rel="x"\r\n' % ((reference,) * 4),
    )
    sock = tmp_path / "kb.sock"
    config = one_route(upstream.origin) | {"listen": ["127.0.0.1:0", f"unix:{sock}"]}
    proxy = await start(config)
    where = {"unix": sock, "own": proxy.port_of("api")}.get(entrance, proxy.port)
    async with await Client.connect(where) as client:
        answer = await client.ask(get(target, host=host))

    assert (308, wanted) == (answer.status, answer.one(b"Location"))
    assert (b"0;url=" + wanted, wanted) == (
        answer.one(b"Refresh"),
        answer.one(b"Content-Location"),
    )
    assert b'<%b>; rel="next", <https://other.example/>; rel="x"' % wanted == answer.one(b"Link")
    assert 1 == len(upstream.requests)


async def test_a_407_is_between_an_upstream_and_its_client_never_ours(proxy, upstream):
    """It would make a client send us the credentials of its own proxy."""
    upstream.answer = answer_of(
        b"HTTP/1.1 407 Proxy Authentication Required", b"Proxy-Authenticate: Basic\r\n"
    )

    answer = await proxy.ask(get())

    assert (502, "upstream-protocol-error") == (answer.status, answer.code)
    assert b"keybearer; error=http_protocol_error" == answer.one(b"Proxy-Status")
    assert None is answer.one(b"Proxy-Authenticate")


@pytest.mark.parametrize("fields", [[], ["Upgrade: h2c", "Connection: upgrade"]])
async def test_a_101_that_was_not_asked_for_is_502(proxy, upstream, fields):
    """Asked for by the client or not: the upgrade was not passed on."""
    upstream.answer = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
        b"\x81\x02hi"
    )

    answer = await proxy.ask(get("/api/x", *fields))

    assert (502, "upstream-protocol-error") == (answer.status, answer.code)
    await upstream.visits[0].gone()


async def test_the_log_tells_status_and_sizes(proxy, upstream):
    """One line with what the contract names; the path without query."""
    upstream.answer = answer_of(b"HTTP/1.1 201 Created", body=b"hello")
    await proxy.ask(request("POST", "/api/x?a=secret", body=b"hi"))

    line = await proxy.logged()
    told = "client route method path status error bytes_in bytes_out credential stripped"
    assert {
        "client": "127.0.0.1",
        "route": "api",
        "method": "POST",
        "path": "/api/x",
        "status": 201,
        "error": None,
        "bytes_in": 2,
        "bytes_out": 5,
        "credential": "api/token",
        "stripped": [],
    } == {name: line[name] for name in told.split()}
    assert line["ms"] >= line["upstream_ms"] > 0
    assert {"ts", "level", "event", "request_id", "credential_state"} <= set(line)


async def test_a_fault_of_ours_before_the_answer_is_told(proxy, upstream):
    """As long as nothing of the answer has been written, there can be another one."""
    route = proxy.service.provisioned.snapshot.routes["api"]
    object.__setattr__(route, "response", None)

    answer = await proxy.ask(get())

    assert (500, "internal") == (answer.status, answer.code)
    line = await proxy.logged()
    assert (500, "internal", 1) == (line["status"], line["error"], len(upstream.requests))
