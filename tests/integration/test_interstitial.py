"""The page that asks a person whom another site has sent: who gets it, and what it holds."""

from __future__ import annotations

import html
import re

import pytest

from tests.integration.rig.client_keys import client, new
from tests.integration.rig.proxy import get, one_route, request
from tests.integration.rig.raw import Client
from tests.integration.test_guard_on_the_wire import BROWSER, HTML, PLAIN


NAVIGATION = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-User: ?1"]
CROSS = ["Sec-Fetch-Site: cross-site", *NAVIGATION]
LINK = re.compile(rb'<a href="([^"]*)">')
POLICY = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def link_of(answer):
    """Return where the page's one link leads, as a browser reads it."""
    (link,) = LINK.findall(answer.body)
    return html.unescape(link.decode())


SENT = {
    "a link on another site": CROSS,
    "a link on another port": ["Sec-Fetch-Site: same-site", *NAVIGATION],
    "the way back from a login": ["Sec-Fetch-Site: cross-site", *NAVIGATION[:2]],
    "a link, to plain http": PLAIN,
    "a link in a text browser": [
        "User-Agent: Lynx/2.9",
        "Accept: text/html, text/plain, */*;q=0.01",
    ],
}


@pytest.mark.parametrize("clients", [False, True], ids=["", "clients"])
@pytest.mark.parametrize(
    ("listener", "host", "target"),
    [
        (0, "127.0.0.1", "/api/x?a=1"),
        (0, "api.localhost", "/x?a=1"),
        ("api", "localhost", "/x?a=1"),
    ],
    ids=["prefix", "virtual host", "own listener"],
)
@pytest.mark.parametrize("fields", SENT.values(), ids=SENT)
async def test_a_person_whom_another_site_sends_is_asked(  # noqa: PLR0917 -- a table
    start, upstream, fields, listener, host, target, clients
):
    """Nothing is sent meanwhile; the link leads on, and then the page is served."""
    alice = new("alice")
    extra = {"clients": {"alice": client(alice)}} if clients else {}
    proxy = await start(one_route(upstream.origin) | extra)
    host = f"{host}:{proxy.port_of(listener)}"

    answer = await proxy.ask(get(target, *fields, host=host), listener)

    assert (403, target) == (answer.status, link_of(answer))
    assert [] == upstream.visits
    line = await proxy.logged()
    assert (403, "origin-denied", None) == (line["status"], line["error"], line["credential"])

    # As the browser follows it: it names its site, or sends a Referer.
    back = f"Referer: http://{host}{target}"
    follow = (
        ["Sec-Fetch-Site: same-origin", *NAVIGATION] if "Sec-Fetch-Site" in fields[0] else fields
    )
    followed = await proxy.ask(get(target, *follow, back, host=host), listener)
    if clients:
        assert 401 == followed.status
        assert b"Basic" in b",".join(followed.all(b"WWW-Authenticate"))
        key = f"Authorization: Bearer {alice.text}"
        followed = await proxy.ask(get(target, *follow, back, key, host=host), listener)
    assert 200 == followed.status
    assert [b"/x?a=1"] == [each.target for each in upstream.requests]


async def test_a_typed_address_to_plain_http_is_called_one(proxy):
    """There a browser does not say that nobody has sent the person."""
    answer = await proxy.ask(get("/api/x", *PLAIN))

    assert b"<p>A typed address or an unknown page sent you here." in answer.body


async def test_the_page_is_ours_and_is_framed_by_nobody(proxy):
    """It runs no script, is not kept, and says by its fields who has said no."""
    answer = await proxy.ask(get("/api/x", *CROSS))
    fields = {
        b"Content-Type": b"text/html; charset=utf-8",
        b"Content-Security-Policy": POLICY,
        b"X-Frame-Options": b"DENY",
        b"X-Content-Type-Options": b"nosniff",
        b"Cache-Control": b"no-store",
        b"Referrer-Policy": b"same-origin",
        b"Proxy-Status": b"keybearer; error=http_request_denied",
    }

    assert fields == {name: answer.one(name) for name in fields}
    assert b"<script" not in answer.body


OTHERS = {
    "a frame": ("GET", ["Sec-Fetch-Site: cross-site", NAVIGATION[0], "Sec-Fetch-Dest: iframe"]),
    "an object": ("GET", ["Sec-Fetch-Site: cross-site", NAVIGATION[0], "Sec-Fetch-Dest: object"]),
    "a form": ("POST", [*CROSS, HTML, "Origin: https://evil.example"]),
    "a form from nowhere": ("POST", [*CROSS, HTML, "Origin: null"]),
    "a form without Origin": ("POST", [*CROSS, HTML]),
    "a form to plain http": ("POST", [*PLAIN]),
    "a navigation with an Origin": ("GET", [*CROSS, HTML, "Origin: https://evil.example"]),
    "fetch": (
        "GET",
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"],
    ),
    "fetch of HTML": (
        "GET",
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: empty", HTML],
    ),
    "an image": ("GET", ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", HTML]),
    "a site alone": ("GET", ["Sec-Fetch-Site: cross-site", HTML]),
    "a preflight": ("OPTIONS", [*CROSS, HTML]),
    "a write": ("DELETE", [*CROSS, HTML]),
    "a tool that calls itself Mozilla": ("GET", ["User-Agent: Mozilla/5.0 PowerShell/7.4"]),
    "the same for JSON": ("GET", [BROWSER, "Accept: application/json, */*"]),
}


@pytest.mark.parametrize(("method", "fields"), OTHERS.values(), ids=OTHERS)
async def test_whoever_is_no_person_gets_a_problem(proxy, upstream, method, fields):
    """Frames, forms and scripts of other sites, and tools."""
    answer = await proxy.ask(request(method, "/api/x", *fields))

    assert (403, "origin-denied") == (answer.status, answer.code)
    assert [] == upstream.visits


@pytest.mark.parametrize(
    "fields",
    [
        ["User-Agent: git/2.47.0", "Accept: */*"],
        ["User-Agent: curl/8.14.1", "Accept: */*"],
        ["User-Agent: node", "Accept: */*", "Sec-Fetch-Mode: cors"],
        ["User-Agent: Java/17.0.15", "Accept: text/html, image/gif, image/jpeg, */*; q=0.2"],
        ["User-Agent: pip/25.0", "Accept: application/json, text/html; q=0.01"],
        ["User-Agent: Mozilla/5.0 PowerShell/7.4", "Sec-Fetch-Site: none"],
    ],
)
async def test_tools_are_served(proxy, fields):
    """Also those that say half of what browsers say."""
    assert 200 == (await proxy.ask(get("/api/x", *fields))).status


async def test_a_head_is_answered_as_a_get_would_be(proxy, upstream):
    """Without the page (RFC 9110 9.3.2)."""
    got = await proxy.ask(get("/api/x", *CROSS))
    head = await proxy.ask(request("HEAD", "/api/x", *CROSS), to_head=True)

    assert (got.line, got.fields, b"") == (head.line, head.fields, head.body)
    assert [] == upstream.visits


async def test_the_connection_goes_on_but_for_http10(proxy):
    """As after any other refusal."""
    async with await proxy.client() as connection:
        first = await connection.ask(get("/api/x", *CROSS))
        second = await connection.ask(get("/api/x", "Sec-Fetch-Site: same-origin", *NAVIGATION))
    old = await proxy.ask(
        "\r\n".join(["GET /api/x HTTP/1.0", "Host: localhost", *CROSS, "", ""]).encode()
    )

    assert (403, 200) == (first.status, second.status)
    assert (403, "/api/x", b"close") == (old.status, link_of(old), old.one(b"Connection"))


REFERERS = {
    "https://wiki.example/page?token=hunter2": b"<p>https://wiki.example sent you here.",
    "http://wiki.example:8080": b"<p>http://wiki.example:8080 sent you here.",
    "http://192.0.2.9/": b"<p>http://192.0.2.9 sent you here.",
    "https://u:hunter2@wiki.example/": b"<p>Another page sent you here.",
    "https://a<script>alert(1)</script>.example/": b"<p>Another page sent you here.",
    "javascript://wiki.example/%0aalert(1)": b"<p>Another page sent you here.",
    "https://\xff.example/": b"<p>Another page sent you here.",
    "x" * 5000: b"<p>Another page sent you here.",
    f"https://{'a.' * 200}example/": b"<p>Another page sent you here.",
    "": b"<p>Another page sent you here.",
}


@pytest.mark.parametrize(("referer", "shown"), REFERERS.items(), ids=range(len(REFERERS)))
async def test_the_page_names_the_site_that_has_sent_the_person(proxy, referer, shown):
    """Its origin and nothing else; what is no origin is not shown."""
    answer = await proxy.ask(get("/api/x", *CROSS, f"Referer: {referer}"))

    assert shown in answer.body
    assert b"hunter2" not in answer.raw
    assert not re.search(rb"<script|alert", answer.body)


TARGETS = {
    "markup": ('/api/"><script>alert(1)</script>', '/api/"><script>alert(1)</script>'),
    "markup in the query": (
        "/api/x?a='\"><img/onerror=x>&amp;b",
        "/api/x?a='\"><img/onerror=x>&amp;b",
    ),
    "braces": ("/api/{link}?{site}", "/api/{link}?{site}"),
    "a scheme": ("/api/javascript:alert(1)", "/api/javascript:alert(1)"),
    "an encoded line end": (
        "/api/x%0d%0aSet-Cookie:a=b?%0d%0a",
        "/api/x%0d%0aSet-Cookie:a=b?%0d%0a",
    ),
    "another host": ("//evil.example/x?a", "/.//evil.example/x?a"),
    "another host, more slashes": ("///evil.example/x", "/.///evil.example/x"),
    "an empty query": ("/api/x?", "/api/x?"),
    "question marks": ("/api/x?a?b=//evil.example", "/api/x?a?b=//evil.example"),
    "absolute": ("http://localhost/api/x?a=1", "/api/x?a=1"),
    "absolute, two slashes": ("http://localhost//evil.example", "/.//evil.example"),
}


@pytest.mark.parametrize(("target", "link"), TARGETS.values(), ids=TARGETS)
async def test_the_link_leads_to_what_was_asked_for(proxy, target, link):
    """And nowhere else, whatever the target holds: it is escaped, and never another host."""
    answer = await proxy.ask(
        b"GET "
        + target.encode()
        + b" HTTP/1.1\r\nHost: localhost\r\n"
        + "\r\n".join([*CROSS, "", ""]).encode()
    )

    assert 403 == answer.status
    assert link == link_of(answer)
    assert 1 == answer.body.count(b"<a ")
    assert b"<script" not in answer.body
    assert b"<img" not in answer.body
    assert {b"set-cookie", b"location"}.isdisjoint(answer.names)
    assert b"\r" not in answer.body


async def test_the_guard_is_off_on_unix_sockets(start, upstream, tmp_path):
    """No page reaches one."""
    path = tmp_path / "kb.sock"
    await start(one_route(upstream.origin) | {"listen": f"unix:{path}"})
    async with await Client.connect(path) as connection:
        assert 200 == (await connection.ask(get("/api/x", *CROSS))).status
