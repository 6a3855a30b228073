"""Web pages: of other origins, and of one route against another."""

from __future__ import annotations

import pytest

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
    fetch = f"Sec-Fetch-Dest: {destination}"
    shared = await proxy.ask(get("/api/x", fetch))
    virtual = await proxy.ask(get("/x", fetch, host="api.localhost"))
    own = await proxy.ask(get("/x", fetch), "api")
    data = await proxy.ask(get("/api/x", "Sec-Fetch-Dest: empty"))

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

    answer = await proxy.ask(get("/api/x", "Sec-Fetch-Dest: document"))

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


def two_routes(upstream):
    """Return the routes `a` and `b`, each with the credential, on one listener."""
    route = {"upstream": upstream.origin, "credential": {"bearer": {"env": "TOKEN"}}}
    return {"listen": ["127.0.0.1:0", "127.0.0.1:0"], "routes": {"a": route, "b": route}}


async def test_a_document_of_one_route_cannot_drive_another(start, upstream):
    """It runs sandboxed: what a browser then sends from it is refused, by every method."""
    proxy = await start(two_routes(upstream))
    host = f"localhost:{proxy.port}"
    page = await proxy.ask(get("/a/page", "Sec-Fetch-Dest: document", host=host))
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
