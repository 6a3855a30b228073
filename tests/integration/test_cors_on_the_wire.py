"""Web pages of other origins that the configuration allows."""

from __future__ import annotations

import pytest

from tests.integration.rig.proxy import BEARER, get, one_route, request
from tests.integration.rig.raw import Client
from tests.integration.rig.tunnel import ASKING, SWITCH
from tests.integration.rig.upstream import OK


APP = "https://app.example"
ORIGIN = f"Origin: {APP}"
PREFLIGHT = ["Access-Control-Request-Method: PUT"]
READ = (
    b"Access-Control-Request-Method, Access-Control-Request-Headers, "
    b"Access-Control-Request-Private-Network"
)
ANSWERED = {
    b"access-control-allow-origin": [APP.encode()],
    b"access-control-expose-headers": [b"*"],
}


@pytest.fixture
async def open_proxy(start, upstream):
    """A proxy that pages of two origins may use."""
    return await start(configured(upstream))


def configured(upstream, **route):
    """Return the configuration with two allowed origins."""
    origins = {"allow_origins": ["HTTPS://App.Example:443", "http://localhost:3000"]}
    return one_route(upstream.origin, **route) | {"cors": origins}


def told(answer):
    """Return the CORS fields of an answer."""
    names = {name for name in answer.names if name.startswith(b"access-control-")}
    return {name: answer.all(name) for name in names}


@pytest.mark.parametrize("listener", [0, "api"])
@pytest.mark.parametrize("target", ["/api/x?q=1", "/nowhere", "/"])
async def test_a_preflight_of_an_allowed_origin_is_answered_here(
    open_proxy, upstream, listener, target
):
    """Before any route is looked for, without a credential; the connection goes on."""
    fields = [
        ORIGIN,
        *PREFLIGHT,
        "Access-Control-Request-Headers: authorization,x-a",
        "Access-Control-Request-Private-Network: true",
        "Sec-Fetch-Site: cross-site",
    ]
    async with await open_proxy.client(listener) as client:
        answer = await client.ask(request("OPTIONS", target, *fields))
        again = await client.ask(request("OPTIONS", target, *fields))

    assert answer.raw == again.raw
    assert (204, b"") == (answer.status, answer.body)
    assert not {b"content-length", b"content-type", b"connection"} & {*answer.names}
    assert ANSWERED | {
        b"access-control-allow-methods": [b"PUT"],
        b"access-control-allow-headers": [b"authorization, x-a"],
        b"access-control-max-age": [b"600"],
        b"access-control-allow-private-network": [b"true"],
    } == told(answer)
    assert [b"Origin", READ] == answer.all(b"Vary")
    assert [] == upstream.visits
    logged = await open_proxy.logged()
    assert (204, None, "OPTIONS", None) == tuple(
        logged[key] for key in ("status", "route", "method", "error")
    )


async def test_a_preflight_gets_no_more_than_it_asks_for(open_proxy):
    """No private network, no fields."""
    answer = await open_proxy.ask(request("OPTIONS", "/api/x", ORIGIN, *PREFLIGHT))

    assert ANSWERED | {
        b"access-control-allow-methods": [b"PUT"],
        b"access-control-max-age": [b"600"],
    } == told(answer)


REFUSED = {
    "another origin": ["Origin: https://evil.example"],
    "null": ["Origin: null"],
    "another scheme": ["Origin: http://app.example"],
    "another port": ["Origin: https://app.example:444"],
    "a name below": ["Origin: https://x.app.example"],
    "a name that begins alike": ["Origin: https://app.example.evil.example"],
    "with a path": [f"{ORIGIN}/"],
    "twice": [ORIGIN, ORIGIN],
    "with ours": [ORIGIN, "Origin: http://localhost:{port}"],
    "as a list": [f"{ORIGIN}, https://evil.example"],
    "only the site": ["Sec-Fetch-Site: cross-site"],
    "a letter that folds to s": ["Origin: http\xc5\xbf://app.example"],
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
async def test_any_other_origin_is_still_refused(open_proxy, upstream, fields):
    """Preflights and requests alike, without a CORS field."""
    lines = [line.format(port=open_proxy.port) for line in fields]
    host = f"localhost:{open_proxy.port}"
    answers = [
        await open_proxy.ask(request(method, "/api/x", *lines, *more, host=host))
        for method, more in (("OPTIONS", PREFLIGHT), ("OPTIONS", []), ("GET", []), ("POST", []))
    ]

    assert [(403, "origin-denied", {})] * 4 == [(a.status, a.code, told(a)) for a in answers]
    assert [] == upstream.visits


BAD = {
    "a method that is none": ["Access-Control-Request-Method: P<T"],
    "no method": ["Access-Control-Request-Method:"],
    "two methods": PREFLIGHT * 2,
    "a name that is none": [*PREFLIGHT, "Access-Control-Request-Headers: x-a, <script>"],
    "bytes beyond ASCII": [*PREFLIGHT, "Access-Control-Request-Headers: x\xff"],
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD)
async def test_a_malformed_preflight_is_not_reflected(open_proxy, upstream, fields):
    """The page may read why."""
    answer = await open_proxy.ask(request("OPTIONS", "/api/x", ORIGIN, *fields))

    assert (400, "bad-request") == (answer.status, answer.code)
    assert ANSWERED == told(answer)
    assert not any(part in answer.raw for part in (b"<", b"\xff", b"PUT"))
    assert [] == upstream.visits


@pytest.mark.parametrize("origin", [None, "Origin: http://localhost:{port}"])
async def test_what_only_looks_like_a_preflight_goes_upstream(open_proxy, upstream, origin):
    """A page never asks for its own origin, nor without an Origin: it is an ordinary OPTIONS."""
    fields = [] if origin is None else [origin.format(port=open_proxy.port)]
    host = f"localhost:{open_proxy.port}"
    answer = await open_proxy.ask(request("OPTIONS", "/api/x", *fields, *PREFLIGHT, host=host))

    assert (200, {}) == (answer.status, told(answer))
    assert b"OPTIONS" == upstream.requests[0].method
    assert b"PUT" == upstream.requests[0].one(b"Access-Control-Request-Method")


async def test_an_options_of_an_allowed_origin_without_the_question_goes_upstream(
    open_proxy, upstream
):
    """It is a request of the page itself."""
    answer = await open_proxy.ask(request("OPTIONS", "/api/x", ORIGIN))

    assert (200, ANSWERED) == (answer.status, told(answer))
    assert b"OPTIONS" == upstream.requests[0].method


async def test_a_preflight_with_a_body_ends_the_connection(open_proxy, upstream):
    """What is left of the body would be read as the next request."""
    head = request("OPTIONS", "/api/x", ORIGIN, *PREFLIGHT, "Content-Length: 30")
    async with await open_proxy.client() as client:
        answer = await client.ask(head)
        client.send(get("/api/y")[:30])
        ending = await client.ended()

    assert (204, b"close") == (answer.status, answer.one(b"Connection"))
    assert ("FIN", b"") == (ending, client.received)
    assert [] == upstream.visits


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_an_allowed_page_reads_the_upstreams_answer(open_proxy, upstream, site):
    """With our fields and none of the upstream's; the upstream does not learn of the page."""
    upstream.answer = (
        b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nVary: Accept\r\nX-A: b\r\n"
        b"Access-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X-A\r\n"
        b"Content-Length: 2\r\n\r\nok"
    )
    answer = await open_proxy.ask(get("/api/x", ORIGIN, f"Sec-Fetch-Site: {site}"))

    assert (200, b"ok", [b"b"]) == (answer.status, answer.body, answer.all(b"X-A"))
    assert ANSWERED == told(answer)
    assert [b"Accept", b"Origin"] == answer.all(b"Vary")
    sent = upstream.requests[0]
    assert (None, BEARER) == (sent.one(b"Origin"), sent.one(b"Authorization"))


@pytest.mark.parametrize("spelling", ["https://APP.example", "HTTPS://app.example:443"])
async def test_the_answer_names_the_configured_origin(open_proxy, spelling):
    """Never bytes of the request."""
    answer = await open_proxy.ask(get("/api/x", f"Origin: {spelling}"))

    assert ANSWERED == told(answer)


async def test_each_origin_gets_its_own(open_proxy):
    """Also on one connection."""
    async with await open_proxy.client() as client:
        answers = [
            (await client.ask(get("/api/x", f"Origin: {origin}"))).all(
                b"Access-Control-Allow-Origin"
            )
            for origin in (APP, "http://localhost:3000", APP)
        ]

    assert [[APP.encode()], [b"http://localhost:3000"], [APP.encode()]] == answers


@pytest.mark.parametrize("fields", [[], ["Origin: http://localhost:{port}"]], ids=["none", "ours"])
async def test_other_answers_only_vary(open_proxy, proxy, fields):
    """A browser may have kept them when the page asks; without `cors` they stay as they are."""
    answers = []
    for each in (open_proxy, proxy):
        lines = [line.format(port=each.port) for line in fields]
        answers.append(await each.ask(get("/api/x", *lines, host=f"localhost:{each.port}")))

    assert [{}, {}] == [told(answer) for answer in answers]
    assert [[b"Origin"], []] == [answer.all(b"Vary") for answer in answers]


OWN_ERRORS = {
    "no route": (get("/nowhere", ORIGIN), 404),
    "a method": (request("POST", "/api/x", ORIGIN), 405),
    "a rule": (get("/api/denied", ORIGIN), 403),
    "a service worker": (get("/api/x", ORIGIN, "Service-Worker: script"), 403),
    "a body": (request("GET", "/api/x", ORIGIN, body=b"12345"), 413),
}


@pytest.mark.parametrize(("data", "status"), OWN_ERRORS.values(), ids=OWN_ERRORS)
async def test_an_allowed_page_reads_our_errors(start, upstream, data, status):
    """A page that cannot would see a network error, and nobody would know why."""
    route = {"methods": ["GET"], "limits": {"body": "4"}}
    rules = [{"paths": ["/denied"], "action": "deny"}]
    proxy = await start(configured(upstream, **route, rules=rules))

    answer = await proxy.ask(data)

    assert (status, ANSWERED, [b"Origin"]) == (answer.status, told(answer), answer.all(b"Vary"))
    assert answer.one(b"Proxy-Status") is not None


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 407 No\r\n\r\n"])
async def test_an_allowed_page_reads_of_the_upstreams_faults(open_proxy, upstream, answer):
    """502 like any other error of ours."""
    upstream.answer = answer

    told_of = await open_proxy.ask(get("/api/x", ORIGIN))

    assert (502, ANSWERED) == (told_of.status, told(told_of))


@pytest.mark.parametrize("status", [204, 304, 301, 401, 500])
async def test_every_status_bears_the_fields(open_proxy, upstream, status):
    """The upstream's redirects and errors too."""
    upstream.answer = b"HTTP/1.1 %d X\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n" % status

    answer = await open_proxy.ask(get("/api/x", ORIGIN))

    assert (status, ANSWERED) == (answer.status, told(answer))


async def test_errors_before_the_guard_bear_none(open_proxy):
    """Nobody has looked at the Origin yet."""
    answers = [
        await open_proxy.ask(get("/api/../x", ORIGIN)),
        await open_proxy.ask(get("/api/x", ORIGIN, host="evil.example")),
    ]

    assert [(400, {}), (421, {})] == [(answer.status, told(answer)) for answer in answers]


async def test_an_allowed_page_has_no_cookies(start, upstream):
    """`cookies: pass` is for pages of our own: what a browser keeps for our host is theirs."""
    upstream.answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: s=2\r\nContent-Length: 0\r\n\r\n"
    proxy = await start(configured(upstream, cookies="pass"))
    host = f"localhost:{proxy.port}"
    foreign = await proxy.ask(get("/api/x", ORIGIN, "Cookie: s=1", host=host))
    ours = await proxy.ask(get("/api/x", f"Origin: http://{host}", "Cookie: s=1", host=host))

    assert [[], [b"s=1"]] == [sent.all(b"Cookie") for sent in upstream.requests]
    assert [0, 1] == [len(answer.all(b"Set-Cookie")) for answer in (foreign, ours)]
    assert ["cookie"] == (await proxy.logged())["stripped"]


@pytest.mark.parametrize("status", [101, 103])
async def test_an_allowed_page_has_no_cookies_from_other_heads_either(serve, start, status):
    """A browser would keep those of a hint or of a handshake as well."""
    field = b"Set-Cookie: session=1\r\n"

    async def script(visit):
        await visit.head()
        if status == 101:
            visit.send(SWITCH[:-2] + field + b"\r\n")
        else:
            visit.send(b"HTTP/1.1 103 Hint\r\n" + field + b"\r\n" + OK)

    upstream = await serve(script=script)
    proxy = await start(configured(upstream, cookies="pass"))
    asking = ASKING if status == 101 else []
    async with await proxy.client() as client:
        client.send(get("/api/x", ORIGIN, *asking))
        await client.until(b"\r\n\r\n")

    assert client.received.startswith(b"HTTP/1.1 %d " % status)
    assert b"session" not in client.received


async def test_a_document_for_an_allowed_page_is_still_sandboxed(open_proxy):
    """The rules of the shared browser origin stay: a frame, or a form that it has sent."""
    answer = await open_proxy.ask(request("POST", "/api/x", ORIGIN, "Sec-Fetch-Dest: iframe"))

    assert [b"sandbox allow-scripts allow-forms"] == answer.all(b"Content-Security-Policy")
    assert ANSWERED == told(answer)


async def test_a_unix_socket_knows_no_cors(start, upstream, tmp_path):
    """No page reaches one: Origin and preflights pass as they are."""
    path = tmp_path / "kb.sock"
    await start(configured(upstream) | {"listen": f"unix:{path}"})
    async with await Client.connect(path) as client:
        answer = await client.ask(request("OPTIONS", "/api/x", ORIGIN, *PREFLIGHT))

    assert (200, {}, []) == (answer.status, told(answer), answer.all(b"Vary"))
    assert APP.encode() == upstream.requests[0].one(b"Origin")
