"""References of a request at the upstream: by every entrance, and judged by the rules."""

from __future__ import annotations

import ssl

import pytest
import trustme

from tests.integration.rig.client_keys import client, new
from tests.integration.rig.proxy import get, one_route, request, running
from tests.integration.rig.raw import Client
from tests.integration.rig.tls import Pki, connect


ALICE = new("alice")
KEY = f"X-Api-Key: {ALICE.text}"


def copied(destination, *fields, prefix="/api", host="localhost"):
    """Return a COPY to somewhere."""
    return request("COPY", f"{prefix}/a", f"Destination: {destination}", *fields, host=host)


async def refused(proxy, upstream, data, listener=0):
    """Send what is to be refused; return how, and the line of the log."""
    answer = await proxy.ask(data, listener)
    line = await proxy.logged()
    assert [] == upstream.visits
    return answer.status, answer.code, line["cause"]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("listener", "prefix", "host"),
    [
        (0, "/api", "localhost:{0}"),
        (0, "/api", "127.0.0.1:{0}"),
        (0, "/api", "[::ffff:127.0.0.1]:{0}"),
        (0, "/api", "LocalHost"),
        (0, "", "api.localhost:{0}"),
        ("api", "", "127.0.0.1:{1}"),
    ],
)
async def test_a_reference_leads_to_the_upstream_by_every_entrance(
    start, upstream, scheme, listener, prefix, host
):
    """Whole or as a path; by https as well, for TLS may end before this proxy."""
    proxy = await start(one_route(upstream.origin))
    host = host.format(proxy.port, proxy.port_of("api"))
    base = f"{scheme}://{host}{prefix}"
    fields = [f"If: <{base}/d/a> (<urn:uuid:1>)", f"Referer: {base}/page?q=1"]

    await proxy.ask(copied(f"{base}/d/new%20name", *fields, prefix=prefix, host=host), listener)
    await proxy.ask(copied(f"{prefix}/d/b", prefix=prefix, host=host), listener)

    whole, path = upstream.requests
    assert f"{upstream.origin}/d/new%20name".encode() == whole.one(b"Destination")
    assert f"<{upstream.origin}/d/a> (<urn:uuid:1>)".encode() == whole.one(b"If")
    assert f"{upstream.origin}/page?q=1".encode() == whole.one(b"Referer")
    assert [b"host", b"destination", b"if", b"referer", b"authorization"] == whole.names
    assert b"/d/b" == path.one(b"Destination")


async def test_a_reference_by_a_unix_socket_leads_to_the_upstream(start, upstream, tmp_path):
    """Whatever name the client made up for it."""
    path = tmp_path / "kb.sock"
    await start(one_route(upstream.origin, listen=f"unix:{path}"))
    async with await Client.connect(path) as connection:
        await connection.ask(copied("http://any.thing/b", prefix="", host="any.thing"))
        other = await connection.ask(copied("http://other/b", prefix="", host="any.thing"))

    assert [f"{upstream.origin}/b".encode()] == upstream.requests[0].all(b"Destination")
    assert (403, 1) == (other.status, len(upstream.requests))


async def test_a_reference_by_the_absolute_form_leads_to_the_upstream(proxy, upstream):
    """There the target's authority is our name; HTTP/1.0 may have no other."""
    lines = b"\r\nDestination: http://localhost:1/api/b\r\n\r\n"
    target = b"COPY http://localhost:1/api/a HTTP/"

    await proxy.ask(target + b"1.1\r\nHost: localhost:1" + lines)
    await proxy.ask(target + b"1.0" + lines)

    assert [f"{upstream.origin}/b".encode()] * 2 == [
        each.one(b"Destination") for each in upstream.requests
    ]


async def test_a_reference_from_tls_leads_to_an_upstream_with_tls(start, serve, tmp_path):
    """Both ends say https; each has its own origin."""
    pki = Pki(tmp_path, trustme.CA())
    leaf = pki.issue()
    pki.write(leaf)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    upstream = await serve(tls=context)
    ca = str(pki.trust("ca.pem", pki.authority))
    proxy = await start(pki.config(upstream.origin, {"tls": {"ca": ca}}))
    host = f"localhost:{proxy.port}"

    async with await connect(proxy, pki.context()) as connection:
        await connection.ask(copied(f"https://{host}/api/b", host=host))

    [seen] = upstream.requests
    assert f"https://127.0.0.1:{upstream.port}/b".encode() == seen.one(b"Destination")


@pytest.mark.parametrize(
    "destination",
    [
        "http://evil.test/api/b",
        "http://localhost:1/api/b",
        "http://localhost/other/b",
        "/other/b",
        "/other",
        "/_keybearer/readyz",
        "http://localhost/apis/b",
        "http://localhost/",
        "http://other.localhost/b",
    ],
)
async def test_another_hosts_or_routes_resource_is_denied(start, upstream, destination):
    """An upstream that looks at the path alone would take it for its own."""
    config = one_route(upstream.origin)
    config["routes"]["other"] = {"upstream": upstream.origin, "credential": "none"}
    proxy = await start(config)

    assert (403, "policy-denied", "Destination leads to another host or route") == (
        await refused(proxy, upstream, copied(destination))
    )


async def test_a_path_that_is_nobodys_here_is_the_upstreams_own(start, upstream):
    """Clients have it from a body, which is not rewritten; it is judged all the same."""
    rules = [{"paths": ["/secret/**"], "action": "deny"}]
    proxy = await start(one_route(upstream.origin, rules=rules))

    passed = await proxy.ask(copied("/d/b"))
    denied = await proxy.ask(copied("/secret/b"))

    assert (200, 403) == (passed.status, denied.status)
    assert [b"/d/b"] == [each.one(b"Destination") for each in upstream.requests]


async def test_a_deeper_route_is_another_one(start, upstream):
    """The longest prefix wins for what a field names, too."""
    config = one_route(upstream.origin)
    config["routes"]["deep"] = {
        "upstream": upstream.origin,
        "credential": "none",
        "path": "/api/deep",
    }
    proxy = await start(config)

    for destination in ("/api/deep", "http://localhost/api/deep/b"):
        assert 403 == (await proxy.ask(copied(destination))).status
    await proxy.ask(copied("/api/deeper"))

    assert [b"/deeper"] == [each.one(b"Destination") for each in upstream.requests]


@pytest.mark.parametrize(
    "destination",
    [
        "http://localhost/api/a/../secret/b",
        "/api/..%2fsecret/b",
        "/api/a%00b",
        "/api/a\\b",
        "/api/b#c",
        "http://me:x@localhost/api/b",
        "//localhost/api/b",
        "http:/api/b",
    ],
)
async def test_a_destination_with_two_readings_is_a_bad_target(proxy, upstream, destination):
    """The connection goes on: the head itself was in order."""
    async with await proxy.client() as connection:
        answer = await connection.ask(copied(destination))
        after = await connection.ask(get())

    assert (400, "bad-target", 200) == (answer.status, answer.code, after.status)
    assert b"Destination" in answer.body
    assert [b"GET"] == [each.method for each in upstream.requests]


async def test_a_destination_in_raw_utf_8_passes_as_it_is_and_is_judged(start, upstream):
    """As a target does: like its percent-encoding."""
    rules = [{"paths": ["/geheim-\xfc/**"], "action": "deny"}]
    proxy = await start(one_route(upstream.origin, rules=rules))

    def data(segment):
        return copied("http://localhost/api/{}/b").replace(b"{}", segment)

    passed = await proxy.ask(data("caf\xe9-\u65e5".encode()))
    raw = await proxy.ask(data("geheim-\xfc".encode()))
    encoded = await proxy.ask(data(b"geheim-%C3%BC"))

    [seen] = upstream.requests
    assert (200, 403, 403) == (passed.status, raw.status, encoded.status)
    assert f"{upstream.origin}/caf\xe9-\u65e5/b".encode() == seen.one(b"Destination")


async def test_two_destinations_are_a_bad_target(proxy, upstream):
    """Whether the first or the last counts is anybody's guess."""
    answer = await proxy.ask(copied("/api/b", "destination: /api/c"))

    assert (400, "bad-target", []) == (answer.status, answer.code, upstream.visits)


@pytest.mark.parametrize(
    "destination", ["/other/b", "http://evil.test/b", "/api/../b", "http://me@localhost/api/b"]
)
async def test_a_client_is_asked_who_it_is_before_its_destination_counts(
    start, upstream, destination
):
    """Without a key the answer is that of every request; with one, the log names the client."""
    config = one_route(upstream.origin) | {"clients": {"alice": client(ALICE)}}
    config["routes"]["other"] = {"upstream": upstream.origin, "credential": "none"}
    proxy = await start(config)

    stranger = await proxy.ask(copied(destination))
    known = await proxy.ask(copied(destination, KEY))
    line = await proxy.logged(2)

    assert (401, []) == (stranger.status, upstream.visits)
    assert (known.status, known.code) in {(403, "policy-denied"), (400, "bad-target")}
    assert ("alice", known.status) == (line["client"], line["status"])


@pytest.mark.parametrize(
    "value",
    [
        ")<http://localhost/api/secret/x>( (<urn:1>)",
        "((<urn:1>) <http://localhost/api/secret/x>)",
        "(<urn:1>",
        "<urn:1>)",
    ],
)
async def test_parentheses_of_if_that_do_not_match_are_a_bad_target(proxy, upstream, value):
    """Nor do lists nest: what is a resource, and what a lock, would be anybody's guess."""
    answer = await proxy.ask(request("PUT", "/api/x", f"If: {value}", body=b""))

    assert (400, "bad-target", []) == (answer.status, answer.code, upstream.visits)


DENIED = [{"paths": ["/secret/**"], "action": "deny"}]


@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("COPY", "Destination: http://localhost/api/secret/x"),
        ("MOVE", "Destination: /api/secret/x"),
        ("COPY", "Destination: /api/SECRET//x"),
        ("COPY", "Destination: /api/%73ecret/x"),
        ("COPY", "Destination: /api/a%2f..%2fsecret/x"),
        ("MKCOL", "Destination: /api/secret/x"),
        ("PUT", "destination: /api/secret;v=1/x"),
        ("PUT", 'If: </api/secret/x> (["etag"])'),
        ("PUT", "If: </api/open> (<urn:1>) <http://localhost/api/secret/x> (<urn:2>)"),
        ("POST", "Upload-Concat: final;/api/open/x /api/secret/x"),
        ("COPY", "Destination: secret"),
        ("COPY", "Destination: ../secret/x"),
        ("PUT", "X-Amz-Copy-Source: /open/x"),
        ("PUT", "x_copy_from: secret/x"),
        ("PUT", "X.Copy.From: secret/x"),
    ],
)
@pytest.mark.parametrize("whose", ["route", "client"])
async def test_a_rule_holds_for_every_resource_that_a_request_names(
    start, upstream, method, field, whose
):
    """The route's rules and the client's: where a field cannot be compared with them, it is no."""
    if whose == "route":
        config = one_route(upstream.origin, rules=DENIED)
    else:
        config = one_route(upstream.origin) | {"clients": {"alice": client(ALICE, rules=DENIED)}}
    proxy = await start(config)

    answer = await proxy.ask(request(method, "/api/open/x", KEY, field, body=b""))

    assert answer.status in {400, 403}
    assert answer.code in {"policy-denied", "bad-target"}
    assert [] == upstream.visits


async def test_a_rule_judges_a_destination_by_the_requests_own_method(start, upstream):
    """COPY is what it is called, whatever it does there; and what no rule denies passes."""
    rules = [
        {"methods": ["PUT"], "paths": ["/secret/**"], "action": "deny"},
        {"methods": ["COPY"], "paths": ["/kept/**"], "action": "deny"},
    ]
    proxy = await start(one_route(upstream.origin, rules=rules))

    kept = await proxy.ask(copied("/api/kept/b"))
    secret = await proxy.ask(copied("/api/secret/b"))

    assert (403, 200) == (kept.status, secret.status)
    assert "Destination names what is denied" == (await proxy.logged())["cause"]


async def test_an_upstream_that_cuts_the_prefix_off_is_not_led_past_the_rules(start, upstream):
    """It is sent X-Forwarded-Prefix, and may take a destination for a URL of ours."""
    proxy = await start(one_route(upstream.origin, rules=DENIED, forwarded=True))

    answer = await proxy.ask(copied("/api/api/secret/b"))

    assert (403, []) == (answer.status, upstream.visits)


async def test_an_allow_has_to_name_the_destination_too(start, upstream):
    """With an `allow` in the list everything else is denied."""
    allow = [{"paths": ["/open/**"], "action": "allow"}]
    proxy = await start(one_route(upstream.origin, rules=allow))
    data = request("COPY", "/api/open/a", "Destination: /api/{}/b")

    other = await proxy.ask(data.replace(b"{}", b"other"))
    opened = await proxy.ask(data.replace(b"{}", b"open"))

    assert (403, 200) == (other.status, opened.status)


async def test_the_audit_names_the_rule_that_a_destination_broke(upstream, tmp_path):
    """As for a target."""
    path = tmp_path / "audit.log"
    config = one_route(upstream.origin, rules=DENIED) | {"audit": {"file": str(path)}}
    async with running(config) as proxy:
        await proxy.ask(copied("/api/secret/b"))

    assert b'"rule":"routes.api.rules[0]"' in path.read_bytes()


async def test_without_rules_a_field_of_the_upstreams_own_kind_passes(proxy, upstream):
    """CouchDB's destination is relative to the database."""
    await proxy.ask(copied("other?rev=1", "X-Copy-From: c/o"))

    [seen] = upstream.requests
    assert (b"other?rev=1", b"c/o") == (seen.one(b"Destination"), seen.one(b"X-Copy-From"))


async def test_a_kept_field_passes_whatever_the_rules_say(start, upstream):
    """Who configures it knows what it names."""
    keep = {"keep": ["X-Amz-Copy-Source"]}
    proxy = await start(one_route(upstream.origin, rules=DENIED, strip=keep))

    answer = await proxy.ask(request("PUT", "/api/x", "X-Amz-Copy-Source: /open/x", body=b""))

    assert (200, b"/open/x") == (answer.status, upstream.requests[0].one(b"X-Amz-Copy-Source"))


async def test_a_referer_of_another_route_goes_nowhere(start, upstream):
    """Nor does its query; one of elsewhere is none of our business."""
    config = one_route(upstream.origin)
    config["routes"]["other"] = {"upstream": upstream.origin, "credential": "none"}
    proxy = await start(config)
    for referer in ("http://localhost/other/page?key=1", "https://elsewhere.test/other/page"):
        await proxy.ask(get("/api/x", f"Referer: {referer}"))

    assert [None, b"https://elsewhere.test/other/page"] == [
        each.one(b"Referer") for each in upstream.requests
    ]


async def test_a_field_that_connection_names_is_gone_before_it_is_looked_at(proxy, upstream):
    """It was for this hop."""
    answer = await proxy.ask(copied("http://evil.test/x", "Connection: destination"))

    assert (200, []) == (answer.status, upstream.requests[0].all(b"Destination"))


# What the upstream calls itself: `upstream_host`.


@pytest.mark.parametrize(
    ("says", "host", "sent"),
    [
        (None, "localhost:7", "{}"),
        ("upstream", "localhost:7", "{}"),
        ("client", "localhost:7", "localhost:7"),
        ("client", "LocalHost", "LocalHost"),
        ("npm.example:8443", "localhost:7", "npm.example:8443"),
        ("[::1]", "localhost:7", "[::1]"),
    ],
)
async def test_the_upstream_is_sent_the_host_that_is_configured(start, upstream, says, host, sent):
    """Servers make links from it; what comes from a page of ours comes from there, too."""
    more = {} if says is None else {"upstream_host": says}
    proxy = await start(one_route(upstream.origin, **more))
    fields = [f"Origin: http://{host}", f"Destination: http://{host}/api/b"]

    await proxy.ask(request("COPY", "/api/a", *fields, host=host))

    sent = sent.format(f"127.0.0.1:{upstream.port}")
    [seen] = upstream.requests
    assert sent.encode() == seen.one(b"Host")
    assert f"http://{sent}".encode() == seen.one(b"Origin")
    assert f"http://{sent}/b".encode() == seen.one(b"Destination")


async def test_the_clients_host_is_the_targets_in_absolute_form(start, upstream):
    """And without any, in HTTP/1.0, it is the upstream's."""
    proxy = await start(one_route(upstream.origin, upstream_host="client"))

    await proxy.ask(get("http://localhost:7/api/x", host="localhost:7"))
    await proxy.ask(b"GET http://localhost:8/api/x HTTP/1.0\r\n\r\n")
    await proxy.ask(b"GET /api/x HTTP/1.0\r\n\r\n")

    assert [b"localhost:7", b"localhost:8", f"127.0.0.1:{upstream.port}".encode()] == [
        each.one(b"Host") for each in upstream.requests
    ]


async def test_the_guard_decides_which_host_a_client_may_choose(start, upstream):
    """A name that is not ours never becomes the upstream's."""
    proxy = await start(one_route(upstream.origin, upstream_host="client"))

    answer = await proxy.ask(get("/api/x", host="evil.test"))

    assert (421, []) == (answer.status, upstream.visits)


@pytest.mark.parametrize(
    ("route", "location", "back"),
    [
        ({"upstream_host": "client"}, "http://{host}/a", "/api/a"),
        ({"upstream_host": "client"}, "https://{host}/a", "/api/a"),
        ({"upstream_host": "client"}, "http://{host}/other/a", "/api/other/a"),
        ({"upstream_host": "client"}, "{up}/a", "/api/a"),
        ({"upstream_host": "client"}, "http://other.test/a", "http://other.test/a"),
        ({"upstream_host": "npm.example"}, "https://npm.example/a", "/api/a"),
        ({"upstream_host": "npm.example"}, "http://{host}/a", "http://{host}/a"),
        ({"forwarded": True}, "http://{host}/a", "/api/a"),
        ({"forwarded": True}, "http://{host}/api/a", "/api/a"),
        ({"forwarded": True}, "/api/a", "/api/a"),
        ({"forwarded": True}, "/a", "/api/a"),
        ({}, "http://{host}/a", "http://{host}/a"),
        ({}, "/api/a", "/api/api/a"),
    ],
)
async def test_an_answer_leads_back_whatever_the_upstream_calls_itself(
    start, upstream, route, location, back
):
    """By the Host, and with `forwarded` the prefix, that it was sent."""
    proxy = await start(one_route(upstream.origin, **route))
    names = {"host": f"localhost:{proxy.port}", "up": upstream.origin}
    upstream.answer = (
        b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n"
        % location.format(**names).encode()
    )

    answer = await proxy.ask(get("/api/x", host=names["host"]))

    assert back.format(**names).encode() == answer.one(b"Location")


@pytest.mark.parametrize(
    ("target", "listener", "prefix"),
    [("/api/x", 0, [b"/api"]), ("/api", 0, [b"/api"]), ("/x", "api", [])],
)
async def test_forwarded_names_the_prefix(start, upstream, target, listener, prefix):
    """Where one is cut off; a client's own word on it goes nowhere."""
    proxy = await start(one_route(upstream.origin, forwarded=True))

    await proxy.ask(get(target, "X-Forwarded-Prefix: /evil"), listener)

    assert prefix == upstream.requests[0].all(b"X-Forwarded-Prefix")


@pytest.mark.parametrize(
    ("target", "host", "kept"),
    [
        ("/api/login", "localhost", [b"a=1; Path=/api", b"b=2", b"__Host-c=3; Path=/api; Secure"]),
        (
            "/api",
            "localhost",
            [b"a=1; Path=/api", b"b=2; Path=/api", b"__Host-c=3; Path=/api; Secure"],
        ),
        ("/", "api.localhost", [b"a=1; Path=/", b"b=2", b"__Host-c=3; Path=/; Secure"]),
    ],
)
async def test_a_cookie_can_be_deleted_where_it_was_set(start, upstream, target, host, kept):
    """Its path is that of the requests that bring it back, `/api` itself among them."""
    upstream.answer = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n"
        b"Set-Cookie: __Host-c=3; Path=/; Secure\r\nContent-Length: 0\r\n\r\n"
    )
    proxy = await start(one_route(upstream.origin, cookies="pass"))

    answer = await proxy.ask(get(target, host=host))

    assert kept == answer.all(b"Set-Cookie")
