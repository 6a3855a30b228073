"""Which fields of a request go upstream."""

from __future__ import annotations

import pytest

from proxy.dataplane.headers import RequestRules, Stripping
from proxy.dataplane.model import Entrance, Peer
from proxy.upstream.origin import Origin


UP = Origin.parse("https://up.example")
HOST_LINE = b"Host: up.example\r\n"
ENTRANCE = Entrance("shared", "http", "localhost:8484")
PEER = Peer("127.0.0.1")

# The two tables are DESIGN 3, copied and not imported: the code is judged by the contract.
HOP_BY_HOP = [
    *("Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade"),
    "HTTP2-Settings",
]
CREDENTIALS = [
    *("Authorization", "Proxy-Authorization", "Access-Token", "X-Access-Token", "X-Api-Key"),
    *("Api-Key", "X-Auth-Token", "Private-Token", "Job-Token", "Deploy-Token", "X-Client-Secret"),
    *("X-Vault-Token", "X-Goog-Api-Key", "X-Amz-Security-Token", "Cookie"),
]
FORWARDING = [
    *("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"),
    *("X-Forwarded-Anything", "X-Real-IP"),
]
FRAMING = ["Host", "Content-Length", "Transfer-Encoding"]
PLAIN = RequestRules(UP, Stripping())


def sent(rules, head, *, peer=PEER, ours=False, foreign=False):
    """Return the lines behind Host, and the names stripped."""
    lines, stripped, _ = rules.fields(head, ENTRANCE, peer, ours=ours, foreign=foreign)
    assert lines.startswith(HOST_LINE)
    return lines.removeprefix(HOST_LINE), stripped


def spellings(name):
    """Return a name in the ways that servers do not tell apart."""
    return {name, name.lower(), name.upper(), name.replace("-", "_"), name.swapcase()}


@pytest.mark.parametrize("name", [*HOP_BY_HOP, *FORWARDING, *FRAMING])
def test_what_belongs_to_the_connection_stays_here(make_head, name):
    """Hop-by-hop, forwarding and framing fields, in any spelling, go nowhere and are not told."""
    fields = [(each.encode(), b"close") for each in spellings(name)]

    assert (b"", []) == sent(PLAIN, make_head(*fields, *fields))


@pytest.mark.parametrize("name", CREDENTIALS)
def test_client_credentials_are_stripped_on_every_route(make_head, name):
    """Once, twice, in any case and with `_`; their names are told, their values are not."""
    fields = [(each.encode(), b"x") for each in [*spellings(name), name]]

    assert (b"", [name.lower()] * len(fields)) == sent(PLAIN, make_head(*fields))


@pytest.mark.parametrize(
    "name",
    ["User-Agent", "Accept", "X-Tokens", "Accesstoken", "Referer", "Expect", "X-Forwarded"],
)
def test_everything_else_is_untouched(make_head, name):
    """Order, case, duplicates and bytes, also those that are not UTF-8; nothing is invented."""
    fields = [(name.encode(), b"caf\xe9 \t x"), (name.upper().encode(), b""), (b"a_B", b"1")]
    lines = b"".join(b"%b: %b\r\n" % field for field in [*fields, *fields])

    assert (lines, []) == sent(PLAIN, make_head(*fields, *fields))


def test_connection_removes_what_it_names(make_head):
    """In several fields, any case, with `_`, with spaces (RFC 9110 7.6.1)."""
    head = make_head(
        (b"X-One", b"1"),
        (b"Connection", b"close, x-one ,, X_TWO"),
        (b"X-Two", b"2"),
        (b"x_two", b"2"),
        (b"X-Three", b"3"),
        (b"CONNECTION", b"\tX-Three\t"),
        (b"X-Four", b"4"),
    )

    assert (b"X-Four: 4\r\n", []) == sent(PLAIN, head)


def test_connection_does_not_remove_host_or_framing(make_head):
    """Without them the request would go elsewhere or end elsewhere (CVE-2024-45410)."""
    rules = RequestRules(UP, Stripping(), set_fields=[(b"X-Set", b"1")])
    names = b"Host, Content-Length, Transfer-Encoding, Authorization, X-Set"

    lines, _ = sent(rules, make_head((b"Connection", names), length=5))

    assert b"Content-Length: 5\r\nX-Set: 1\r\n" == lines


@pytest.mark.parametrize(
    ("head", "line"),
    [
        pytest.param({}, b"", id="no body"),
        pytest.param({"length": 0}, b"Content-Length: 0\r\n", id="an empty body"),
        pytest.param({"length": 7}, b"Content-Length: 7\r\n", id="a length"),
        pytest.param({"chunked": True}, b"Transfer-Encoding: chunked\r\n", id="chunks"),
    ],
)
def test_framing_is_the_parsers_decision(make_head, head, line):
    """Whatever the fields say."""
    fields = [(b"Content-Length", b"99"), (b"content_length", b"98"), (b"transfer_encoding", b"x")]

    assert (line, []) == sent(PLAIN, make_head(*fields, **head))


def test_the_injected_name_is_stripped_even_if_kept(make_head):
    """`strip.keep` opts out by name, never an injected one."""
    rules = RequestRules(
        UP,
        Stripping(
            injected_headers=frozenset({"X-Injected", "Authorization"}),
            keep=frozenset({"x_injected", "AUTHORIZATION", "X_Api_Key", "Cookie"}),
        ),
    )
    head = make_head(
        (b"x_injected", b"1"), (b"Authorization", b"2"), (b"X-Api-Key", b"3"), (b"Cookie", b"4")
    )

    expected = (b"X-Api-Key: 3\r\nCookie: 4\r\n", ["x-injected", "authorization"])
    assert expected == sent(rules, head)


OVERRIDES = [
    *(
        "X-Original-URL",
        "X-Original-URI",
        "X-Original-Path",
        "X-Original-Host",
        "X-Original-Method",
    ),
    *("X-Rewrite-URL", "X-Envoy-Original-Path", "X-Override-URL", "X-Request-URI", "Request-URI"),
    *("X-HTTP-DestinationURL", "X-HTTP-Path-Override", "X-WAWS-Unencoded-URL", "X-MS-Original-URL"),
    *(
        "X-Script-Name",
        "Script-Name",
        "Path-Info",
        "X-Astro-Path",
        "X-Proxy-URL",
        "X-Replaced-Path",
    ),
    *("X-Host", "X-HTTP-Host", "X-HTTP-Host-Override", "Proxy-Host"),
    *("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Method"),
    *("X-Middleware-Subrequest", "X-Middleware-Rewrite", "X-Invoke-Path", "X-Matched-Path"),
]


@pytest.mark.parametrize("name", OVERRIDES)
def test_fields_that_name_another_path_host_or_method(make_head, name):
    """They are stripped where the route or the client has rules, unless they are kept."""
    fields = [(each.encode(), b"/admin") for each in sorted(spellings(name))]
    head = make_head(*fields)
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    guarded = RequestRules(UP, Stripping(overrides=True))
    keeping = RequestRules(UP, Stripping(overrides=True, keep=frozenset({name})))
    of_a_client, stripped, _ = PLAIN.fields(head, ENTRANCE, PEER, ours=False, overrides=True)

    assert (b"", [name.lower()] * len(fields)) == sent(guarded, head)
    assert (HOST_LINE, [name.lower()] * len(fields)) == (of_a_client, stripped)
    assert (lines, []) == sent(keeping, head) == sent(PLAIN, head)
    assert [True, False, False] == [each.overridden(head) for each in (PLAIN, guarded, keeping)]


@pytest.mark.parametrize(
    "name", ["X-Middleware-Prefetch", "Next-Url", "X-Origin", "Override", "Url"]
)
def test_what_only_looks_like_one_is_untouched(make_head, name):
    guarded = RequestRules(UP, Stripping(overrides=True))
    head = make_head((name.encode(), b"x"))

    assert (f"{name}: x\r\n".encode(), []) == sent(guarded, head)
    assert not PLAIN.overridden(head)


def test_subprotocols_that_are_credentials_are_stripped(make_head):
    """In each of several fields; a field of nothing else goes; `strip.keep` keeps them."""
    head = make_head(
        (b"Sec-WebSocket-Protocol", b"a, openai-insecure-api-key.x"),
        (b"sec_websocket_protocol", b"openai-insecure-api-key.y"),
        (b"SEC-WEBSOCKET-PROTOCOL", b"b ,c"),
    )
    keeping = RequestRules(UP, Stripping(keep=frozenset({"OpenAI-insecure-api-key.*"})))
    asking = RequestRules(UP, Stripping(subprotocols=frozenset({"b", "c"})))
    name = "sec-websocket-protocol"

    expected = b"Sec-WebSocket-Protocol: a\r\nSEC-WEBSOCKET-PROTOCOL: b ,c\r\n"
    assert (expected, [name, name]) == sent(PLAIN, head)
    assert [] == sent(keeping, head)[1]
    assert [] == sent(RequestRules(UP, Stripping(keep=frozenset({name}))), head)[1]
    assert (b"Sec-WebSocket-Protocol: a\r\n", [name] * 3) == sent(asking, head)


def test_configured_names_are_stripped(make_head):
    """`strip.headers`, in any spelling."""
    rules = RequestRules(UP, Stripping(headers=frozenset({"X_My-Token"})))

    assert (b"", ["x-my-token"]) == sent(rules, make_head((b"x-my_TOKEN", b"1")))


def test_set_headers_replace_the_clients_own(make_head):
    """They are put behind the client's; its own of the same name does not pass."""
    rules = RequestRules(UP, Stripping(), set_fields=[(b"X-Set", b"ours"), (b"Accept", b"a/b")])
    head = make_head((b"x_set", b"theirs"), (b"ACCEPT", b"c/d"), (b"X-Else", b"1"))

    assert (b"X-Else: 1\r\nX-Set: ours\r\nAccept: a/b\r\n", []) == sent(rules, head)


def test_an_origin_of_ours_becomes_the_upstreams(make_head):
    """An upstream that checks Origin would take ours for a foreign one."""
    head = make_head((b"A", b"1"), (b"origin", b"http://localhost:8484"), (b"B", b"2"))

    lines, _ = sent(PLAIN, head, ours=True)

    assert b"A: 1\r\norigin: https://up.example\r\nB: 2\r\n" == lines


def test_an_origin_that_is_allowed_stays_here_and_cookies_with_it(make_head):
    """Also where `cookies: pass` keeps them: a page of ours has left them in the browser."""
    rules = RequestRules(UP, Stripping(keep=frozenset({"cookie"})))
    head = make_head((b"A", b"1"), (b"ORIGIN", b"https://app.example"), (b"cookie", b"s=1"))

    assert (b"A: 1\r\n", ["cookie"]) == sent(rules, head, foreign=True)
    assert b"cookie: s=1\r\n" in sent(rules, head, ours=True)[0]


def test_an_origin_by_a_unix_socket_is_untouched(make_head):
    """The guard is off there, so nobody has said that it is ours."""
    assert b"Origin: null\r\n" == sent(PLAIN, make_head((b"Origin", b"null")))[0]


def test_host_names_a_port_that_is_no_default(make_head):
    """RFC 9110 7.2."""
    rules = RequestRules(Origin.parse("http://[::1]:81"), Stripping())

    assert b"Host: [::1]:81\r\n" == rules.fields(make_head(), ENTRANCE, PEER, ours=False)[0]


TOLD = ((b"X-Forwarded-For", b"203.0.113.9"), (b"X-Forwarded-Proto", b"https"))


def test_forwarding_is_sent_only_if_asked_for(make_head):
    """`forwarded: true` tells the upstream of the client, and an untrusted peer's word is not."""
    rules = RequestRules(UP, Stripping(), forwarded=True)

    lines, _ = sent(rules, make_head(*TOLD, (b"Forwarded", b"for=x"), (b"X-Real-IP", b"y")))

    expected = (
        b"X-Forwarded-For: 127.0.0.1\r\n"
        b"X-Forwarded-Proto: http\r\n"
        b"X-Forwarded-Host: localhost:8484\r\n"
    )
    assert expected == lines


@pytest.mark.parametrize(
    ("proxy", "chain", "scheme"),
    [
        pytest.param("10.1.2.3", b"203.0.113.9, 10.1.2.3", b"https", id="a trusted peer"),
        pytest.param(None, b"11.1.2.3", b"http", id="another peer"),
    ],
)
def test_a_trusted_proxys_word_is_passed_on(make_head, proxy, chain, scheme):
    """What it says of the client stands before its own address."""
    rules = RequestRules(UP, Stripping(), forwarded=True)

    lines, _ = sent(rules, make_head(*TOLD), peer=Peer("11.1.2.3", proxy=proxy))

    assert b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (chain, scheme) in lines
    assert 1 == lines.lower().count(b"x-forwarded-for")


def test_a_unix_socket_is_no_address(make_head):
    """Nor is the word of whoever is behind it passed on, unless it is a trusted proxy's."""
    rules = RequestRules(UP, Stripping(), forwarded=True)

    lines, _ = sent(rules, make_head(*TOLD), peer=Peer("unix"))

    assert b"X-Forwarded-Proto: http\r\nX-Forwarded-Host: localhost:8484\r\n" == lines
    trusted, _ = sent(rules, make_head(*TOLD), peer=Peer("203.0.113.9", proxy="unix"))
    assert trusted.startswith(b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n")


def test_only_so_many_names_are_remembered(make_head):
    """A client that makes up names does not fill the memory, and is still judged right."""
    rules = RequestRules(UP, Stripping())
    for number in range(3000):
        sent(rules, make_head((b"X-%d" % number, b"")))

    assert 3000 > len(rules._fates)
    assert (b"", ["access-token"]) == sent(rules, make_head((b"aCCESS_tOKEN", b"x")))
