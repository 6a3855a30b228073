"""Web pages: of other origins, and of one route against another."""

from __future__ import annotations

from typing import Any, cast

import pytest

from proxy.dataplane.client import ClientConnection
from tests.integration.rig.proxy import get, one_route, request
from tests.integration.rig.raw import Client


SANDBOX = b"sandbox allow-scripts allow-forms"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8484",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127a0b0c1",
        "api.localhost.evil",
        "localhost.localdomain",
        "evillocalhost",
        "xapi.example",
    ],
)
@pytest.mark.parametrize("listener", [0, "api"])
async def test_a_name_that_is_not_ours_is_refused(proxy, upstream, host, listener):
    """A page whose name was rebound to 127.0.0.1 still sends its own name (kubernetes#8871)."""
    answer = await proxy.ask(get(host=host), listener)

    assert (421, "host-denied") == (answer.status, answer.code)
    assert "allow_hosts" in answer.problem["detail"]
    assert host.split(":")[0].encode() not in answer.raw
    assert host.split(":")[0] in (await proxy.logged())["cause"]
    assert [] == upstream.visits


async def test_allowed_hosts_are_accepted(start, upstream):
    """Exact names and names below a suffix; not the suffix itself."""
    proxy = await start(
        one_route(upstream.origin) | {"allow_hosts": ["keybearer", "*.lab.example"]}
    )
    hosts = ["keybearer:8484", "KEYBEARER", "a.lab.example", "a.b.lab.example."]
    answers = [(await proxy.ask(get(host=host))).status for host in hosts]
    others = [(await proxy.ask(get(host=host))).status for host in ("lab.example", "xlab.example")]

    assert ([200] * 4, [421] * 2) == (answers, others)


FOREIGN = {
    "foreign": ["Origin: https://evil.example"],
    "null": ["Origin: null"],
    "empty": ["Origin:"],
    "other port": ["Origin: http://localhost:1"],
    "no port": ["Origin: http://localhost"],
    "https without port": ["Origin: https://localhost"],
    "other name": ["Origin: http://127.0.0.1:{port}"],
    "subdomain": ["Origin: http://evil.localhost:{port}"],
    "ours and another": ["Origin: http://localhost:{port}", "Origin: https://evil.example"],
    "ours twice": ["Origin: http://localhost:{port}", "Origin: http://localhost:{port}"],
    "ours, with a path": ["Origin: http://localhost:{port}/"],
    "ours as user": ["Origin: http://localhost:{port}@evil.example"],
    "list": ["Origin: http://localhost:{port} https://evil.example"],
    "extension": ["Origin: chrome-extension://abc"],
    "cross-site": ["Sec-Fetch-Site: cross-site"],
    "same-site": ["Sec-Fetch-Site: same-site"],
    "cross-site navigation": ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"],
}


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("fields", FOREIGN.values(), ids=FOREIGN)
async def test_a_page_of_another_origin_is_refused(proxy, upstream, fields, method):
    """Whether it is told by Origin or by Sec-Fetch-Site; preflights too, without CORS fields."""
    host = f"localhost:{proxy.port}"
    lines = [line.format(port=proxy.port) for line in fields]

    answer = await proxy.ask(request(method, "/api/x", *lines, host=host))

    assert (403, "origin-denied") == (answer.status, answer.code)
    assert [] == upstream.visits
    assert not [name for name in answer.names if name.startswith(b"access-control-")]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_our_own_origin_becomes_the_upstreams(proxy, upstream, scheme):
    """A page of the virtual host may; the upstream sees an Origin that it knows."""
    host = f"api.localhost:{proxy.port}"
    origin = f"Origin: {scheme}://api.localhost:{proxy.port}"

    answer = await proxy.ask(get("/x", origin, "Sec-Fetch-Site: same-origin", host=host))

    assert 200 == answer.status
    assert upstream.origin.encode() == upstream.requests[0].one(b"Origin")


@pytest.mark.parametrize("fields", [[], ["Sec-Fetch-Site: none"], ["Sec-Fetch-Site: same-origin"]])
async def test_what_no_foreign_page_sends_is_served(proxy, fields):
    """Tools, the address bar, and pages of our own."""
    assert 200 == (await proxy.ask(get("/api/x", *fields))).status


@pytest.mark.parametrize("destination", ["document", "iframe", "frame", "object", "embed"])
async def test_a_document_on_the_path_listener_gets_an_origin_of_its_own(proxy, destination):
    """All upstreams are one browser origin there; the sandbox keeps their pages apart."""
    fetch = ["Sec-Fetch-Site: none", f"Sec-Fetch-Dest: {destination}"]
    shared = await proxy.ask(get("/api/x", *fetch))
    virtual = await proxy.ask(get("/x", *fetch, host="api.localhost"))
    own = await proxy.ask(get("/x", *fetch), "api")
    data = await proxy.ask(get("/api/x", "Sec-Fetch-Site: none", "Sec-Fetch-Dest: empty"))

    assert [200] * 4 == [each.status for each in (shared, virtual, own, data)]
    assert [SANDBOX] == shared.all(b"Content-Security-Policy")
    assert [] == [
        each for answer in (virtual, own, data) for each in answer.all(b"Content-Security-Policy")
    ]


async def test_the_upstreams_own_policy_stays_beside_the_sandbox(proxy, upstream):
    """Policies add up: neither replaces the other."""
    upstream.answer = (
        b"HTTP/1.1 200 OK\r\nContent-Security-Policy: default-src 'self'\r\n"
        b"Content-Length: 0\r\n\r\n"
    )

    answer = await proxy.ask(get("/api/x", "Sec-Fetch-Site: none", "Sec-Fetch-Dest: document"))

    assert [b"default-src 'self'", SANDBOX] == answer.all(b"Content-Security-Policy")


async def test_no_service_worker_is_registered_on_the_path_listener(proxy, upstream):
    """It would stay and see the requests of every route; a virtual host is its own origin."""
    upstream.answer = b"HTTP/1.1 200 OK\r\nService-Worker-Allowed: /\r\nContent-Length: 0\r\n\r\n"
    shared = await proxy.ask(get("/api/sw.js", "Service-Worker: script"))
    plain = await proxy.ask(get("/api/sw.js"))
    virtual = await proxy.ask(get("/sw.js", "Service-Worker: script", host="api.localhost"))

    assert (403, "origin-denied") == (shared.status, shared.code)
    assert [] == plain.all(b"Service-Worker-Allowed")
    assert (200, [b"/"]) == (virtual.status, virtual.all(b"Service-Worker-Allowed"))


BROWSER = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HTML = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PLAIN = [BROWSER, HTML, "Upgrade-Insecure-Requests: 1"]
"""What a browser sends to plain http beyond loopback with a navigation: no Sec-Fetch-*."""


@pytest.mark.parametrize("clients", [{}, {"clients": {}}], ids=["", "clients"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_a_browser_that_does_not_say_its_site_is_refused(start, upstream, clients, method):
    """Over plain http a page's requests look like a person's; a browser does repeat Basic."""
    proxy = await start(one_route(upstream.origin) | {"allow_hosts": ["kb.lan"]} | clients)
    for fields in ([BROWSER], PLAIN, [BROWSER, "Referer: http://evil.example/"]):
        answer = await proxy.ask(request(method, "/api/x", *fields, host="kb.lan:8484"))

        assert 403 == answer.status
        assert b"keybearer; error=http_request_denied" == answer.one(b"Proxy-Status")
    assert [] == upstream.visits
    assert {"origin-denied"} == {line["error"] for line in proxy.log.requests}


async def test_a_browser_on_a_page_of_ours_is_served(start, upstream):
    """By Referer or Origin, of this name and port; on a shared listener it is sandboxed."""
    proxy = await start(one_route(upstream.origin) | {"allow_hosts": ["kb.lan"]})
    host = "kb.lan:8484"
    ours = [
        get("/api/x", *PLAIN, f"Referer: http://{host}/api/page?a=1", host=host),
        request("POST", "/api/x", *PLAIN, f"Origin: http://{host}", host=host),
    ]
    others = [
        get("/api/x", *PLAIN, "Referer: http://kb.lan:8485/api/page", host=host),
        get("/api/x", *PLAIN, "Referer: http://api.kb.lan:8484/", host=host),
    ]
    answers = [await proxy.ask(each) for each in ours]
    refused = [(await proxy.ask(each)).status for each in others]

    assert [(200, [SANDBOX])] * 2 == [
        (each.status, each.all(b"Content-Security-Policy")) for each in answers
    ]
    assert [403, 403] == refused
    own = await proxy.ask(get("/x", *PLAIN, f"Referer: http://{host}/", host=host), "api")
    assert (200, []) == (own.status, own.all(b"Content-Security-Policy"))


async def test_a_page_of_one_prefix_is_no_page_of_another_by_its_referer(start, upstream):
    """Not every browser leaves it out in a sandbox; a person who follows a link is asked."""
    route = {"upstream": upstream.origin, "credential": {"bearer": {"env": "TOKEN"}}}
    deep, named = {"path": "/a/deep"}, {"hosts": ["b.lan"]}
    routes = {"a": route, "deep": route | deep, "b": route | named}
    proxy = await start({"listen": "127.0.0.1:0", "allow_hosts": ["kb.lan"], "routes": routes})

    async def status(target, page, *fields, host="kb.lan"):
        referer = f"Referer: http://{host}{page}"
        return (await proxy.ask(get(target, *fields, referer, host=host))).status

    own = [
        ("/a/x", "/a/y?/b/"),
        ("/b/x", "/before/a/y"),
        ("/a", "/a"),
        ("/b/x", "/b"),
        ("/a/deep/x", "/a/deep/"),
    ]
    others = [
        ("/b/x", "/a/y"),
        ("/b/x", "/"),
        ("/b/x", "/?/b/"),
        ("/a/x", "/a/deep/y"),
        ("/b/x", ""),
    ]

    assert [200] * 5 == [await status(*each, BROWSER) for each in own]
    assert [403] * 5 == [await status(*each, BROWSER) for each in others]
    assert 5 == len(upstream.requests)
    assert 200 == await status("/x", "/elsewhere", BROWSER, host="b.lan")
    assert 200 == await status("/b/x", "/a/y", BROWSER, "Origin: http://kb.lan")
    assert 200 == await status("/b/x", "/a/y", BROWSER, "Sec-Fetch-Site: none")
    assert 200 == await status("/b/x", "/a/y", "User-Agent: curl/8.14.1")
    asked = await proxy.ask(get("/b/x", *PLAIN, "Referer: http://kb.lan/a/y", host="kb.lan"))
    assert (403, True) == (asked.status, b"Continue to /b/x" in asked.body)


async def test_whatever_a_browser_may_show_is_sandboxed(start, upstream):
    """Also where it does not say what becomes of the answer, or goes by HTTP/1.0."""
    proxy = await start(one_route(upstream.origin))
    none = "Sec-Fetch-Site: none"
    shown = [get("/api/x", none, field) for field in PLAIN]
    shown.append(f"GET /api/x HTTP/1.0\r\n{none}\r\n{BROWSER}\r\n\r\n".encode())
    not_shown = [get("/api/x", none, "Sec-Fetch-Dest: image", BROWSER), get("/api/x")]

    policies = [(await proxy.ask(each)).all(b"Content-Security-Policy") for each in shown]
    others = [(await proxy.ask(each)).all(b"Content-Security-Policy") for each in not_shown]

    assert [[SANDBOX]] * 4 == policies
    assert [[], []] == others


@pytest.mark.parametrize("address", ["0.0.0.0", "[::]", "[::ffff:0.0.0.0]", "0.0.0.0.", "0"])
@pytest.mark.parametrize("clients", [{}, {"clients": {}}], ids=["", "clients"])
@pytest.mark.parametrize("listener", [0, "api"])
async def test_unspecified_addresses_are_misdirected(start, upstream, address, clients, listener):
    """A browser takes them for loopback, but sends no Sec-Fetch-* there."""
    proxy = await start(one_route(upstream.origin) | clients)
    answer = await proxy.ask(get(host=f"{address}:8484"), listener)

    assert (421, "host-denied") == (answer.status, answer.code)
    assert "allow_hosts" in answer.problem["detail"]
    assert [] == upstream.visits


class Elsewhere:
    """A transport that came in on another address of this machine than loopback's."""

    def __init__(self, transport, sockname):
        self._transport = transport
        self._sockname = sockname

    def __getattr__(self, name):
        return getattr(self._transport, name)

    def get_extra_info(self, name, default=None):
        """Return what the system knows, but for our address."""
        known = name != "sockname"
        return self._transport.get_extra_info(name, default) if known else self._sockname


@pytest.mark.parametrize(
    ("sockname", "host"),
    [
        (("192.0.2.7", 8484), "192.0.2.7"),
        (("::ffff:192.0.2.7", 8484, 0, 0), "192.0.2.7"),
        (("::ffff:192.0.2.7", 8484, 0, 0), "[::ffff:192.0.2.7]"),
        (("fd00::7", 8484, 0, 0), "[fd00::7]"),
        (("fd00::7", 8484, 0, 0), "[FD00:0:0::7]"),
        (("fe80::1%eth0", 8484, 0, 2), "[fe80::1]"),
        (None, "[::1]"),
    ],
)
@pytest.mark.parametrize("listener", [0, "api"])
async def test_the_address_that_a_connection_came_in_on_is_ours(
    start, upstream, monkeypatch, sockname, host, listener
):
    """A listener on every network has as many; no other address is, on the same connection."""
    made = ClientConnection.connection_made
    monkeypatch.setattr(
        ClientConnection,
        "connection_made",
        lambda self, transport: made(self, cast("Any", Elsewhere(transport, sockname))),
    )
    proxy = await start(one_route(upstream.origin))
    async with await proxy.client(listener) as client:
        hosts = ["192.0.2.8", "[fd00::8]:1", "0.0.0.0", host, f"{host}:1", "127.0.0.1"]
        answers = [await client.ask(get(host=each)) for each in hosts]

    assert [421, 421, 421, 200, 200, 200] == [each.status for each in answers]


async def test_a_page_below_a_prefix_is_led_to_the_virtual_host(proxy, upstream):
    """Its styles come from an opaque origin: the refusal and the log say where they would work."""
    host = f"127.0.0.1:{proxy.port}"
    style = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: style"]
    font = ["Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"]
    for fields in (style, font):
        answer = await proxy.ask(get("/api/s.css", *fields, host=host))

        assert (403, "origin-denied") == (answer.status, answer.code)
        assert "virtual host, api.localhost." in answer.problem["detail"]
    for line in (await proxy.logged(1), await proxy.logged(2)):
        assert f"below /api/ is sandboxed: open http://api.localhost:{proxy.port}/" in line["cause"]
    foreign = [
        get("/api/s.css", *style, "Referer: https://evil.example/", host=host),
        get("/s.css", *style, host=f"api.localhost:{proxy.port}"),
        get("/nowhere", *style, host=host),
    ]
    answers = [await proxy.ask(each) for each in foreign]
    assert {403} == {each.status for each in answers}
    assert not any("virtual host" in each.problem["detail"] for each in answers)
    assert [] == upstream.visits


async def test_a_page_below_a_prefix_of_another_machine_needs_a_name(start, upstream):
    """`api.localhost` would be that machine itself."""
    config = one_route(upstream.origin) | {"allow_hosts": ["kb.lan"]}
    route = config["routes"]["api"]
    fields = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: style"]
    unnamed, named = (
        await start(config),
        await start(config | {"routes": {"api": route | {"hosts": ["api.lan"]}}}),
    )

    first = await unnamed.ask(get("/api/s.css", *fields, host="kb.lan:1"))
    second = await named.ask(get("/api/s.css", *fields, host="kb.lan:1"))

    assert "a virtual host, which `hosts` gives its route" in first.problem["detail"]
    assert "virtual host, api.lan." in second.problem["detail"]
    assert "open http://api.lan:1/" in (await named.logged())["cause"]


async def test_the_log_names_the_foreign_origin(proxy):
    """And the key that would let it in; the answer names neither."""
    answer = await proxy.ask(get("/api/x", "Origin: https://evil.example"))

    assert b"evil.example" not in answer.raw
    cause = (await proxy.logged())["cause"]
    assert "https://evil.example" in cause
    assert "cors.allow_origins" in cause


BOUND = [
    b"NEL", b"Report-To", b"Reporting-Endpoints", b"Clear-Site-Data", b"Use-As-Dictionary",
    b"Accept-CH", b"Critical-CH", b"Origin-Agent-Cluster", b"Public-Key-Pins",
    b"Public-Key-Pins-Report-Only", b"Speculation-Rules", b"Supports-Loading-Mode", b"Expect-CT",
    b"Origin-Trial", b"Service-Worker-Allowed", b"Set-Login", b"Activate-Storage-Access",
    b"Secure-Session-Registration", b"Sec-Session-Registration", b"Observe-Browsing-Topics",
    b"Attribution-Reporting-Register-Source", b"accept-ch", b"CLEAR-SITE-DATA",
]  # fmt: skip


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"503 Away", b"304 Not Modified"])
async def test_fields_that_bind_an_origin_do_not_reach_a_shared_one(proxy, upstream, status):
    """They would hold for all routes; where a route has an origin of its own they pass."""
    lines = b"".join(b"%b: x\r\n" % name for name in BOUND)
    upstream.answer = (
        b"HTTP/1.1 103 Early Hints\r\n" + lines + b"X-Else: 1\r\n\r\n"
        b"HTTP/1.1 " + status + b"\r\n" + lines + b"No-Vary-Search: params\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    shared = await proxy.ask(get("/api/x"))
    virtual = await proxy.ask(get("/x", host="api.localhost"))
    own = await proxy.ask(get("/x"), "api")

    assert [b"HTTP/1.1 103 Early Hints\r\nX-Else: 1\r\n\r\n"] == shared.interim
    assert {b"no-vary-search", b"content-length"} == {*shared.names}
    for answer in (virtual, own):
        assert {name.lower() for name in BOUND} <= {*answer.names}
        assert all(name + b": x\r\n" in answer.interim[0] for name in BOUND)


def two_routes(upstream):
    """Return the routes `a` and `b`, each with the credential, on one listener."""
    route = {"upstream": upstream.origin, "credential": {"bearer": {"env": "TOKEN"}}}
    return {"listen": ["127.0.0.1:0", "127.0.0.1:0"], "routes": {"a": route, "b": route}}


async def test_a_document_of_one_route_cannot_drive_another(start, upstream):
    """It runs sandboxed: what a browser then sends from it is refused, by every method."""
    proxy = await start(two_routes(upstream))
    host = f"localhost:{proxy.port}"
    typed = ["Sec-Fetch-Site: none", "Sec-Fetch-Dest: document"]
    page = await proxy.ask(get("/a/page", *typed, host=host))
    from_page = [
        # fetch(), a form, an image, a script, an iframe, a navigation: as browsers send them from
        # an opaque origin.
        ["Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"],
        ["Origin: null", "Sec-Fetch-Mode: cors"],
        ["Origin: null", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"],
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"],
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"],
    ]
    answers = [
        (await proxy.ask(request(method, "/b/x", *fields, host=host))).status
        for fields in from_page
        for method in ("GET", "POST", "DELETE", "OPTIONS")
    ]

    assert [SANDBOX] == page.all(b"Content-Security-Policy")
    assert {403} == set(answers)
    assert [b"/page"] == [each.target for each in upstream.requests]


async def test_a_page_on_another_port_of_ours_is_another_origin(start, upstream):
    """Ports are origins: a listener's pages drive no other listener."""
    proxy = await start(two_routes(upstream))
    other = f"Origin: http://localhost:{proxy.port_of(1)}"
    host = f"localhost:{proxy.port_of(0)}"
    fetched = await proxy.ask(get("/b/x", other, "Sec-Fetch-Site: same-site", host=host))
    embedded = await proxy.ask(get("/b/x", "Sec-Fetch-Site: same-site", host=host))
    virtual = await proxy.ask(
        get("/x", f"Origin: http://a.localhost:{proxy.port}", host=f"b.localhost:{proxy.port}")
    )

    assert [403] * 3 == [fetched.status, embedded.status, virtual.status]
    assert [] == upstream.visits


async def test_the_guard_is_off_on_unix_sockets(start, upstream, tmp_path):
    """No page reaches one: any name, any Origin (passed as it is), no sandbox."""
    path = tmp_path / "kb.sock"
    await start(one_route(upstream.origin) | {"listen": f"unix:{path}"})
    fields = ["Origin: https://x.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: document"]
    async with await Client.connect(path) as client:
        answer = await client.ask(get("/api/x", *fields, host="whatever.example"))

    assert (200, []) == (answer.status, answer.all(b"Content-Security-Policy"))
    assert b"https://x.example" == upstream.requests[0].one(b"Origin")
