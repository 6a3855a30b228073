"""Which fields of an answer come back."""

from __future__ import annotations

import pytest

from proxy.dataplane.headers_back import ResponseRules
from proxy.dataplane.rewrite import Base
from proxy.upstream.head import ResponseHead
from proxy.upstream.origin import Origin


UP = Origin.parse("https://up.example")
SHARED = Base(UP, b"/name", shared=True)
ALONE = Base(UP, b"", shared=False)
PLAIN = ResponseRules()

# DESIGN 3, copied.
REMOVED = [
    *("Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade"),
    *("HTTP2-Settings", "Transfer-Encoding", "Alt-Svc", "Strict-Transport-Security"),
    *("Set-Cookie", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"),
    *("Access-Control-Expose-Headers", "Proxy-Authenticate"),
]


def back(rules, base, *fields):
    """Return the lines for the client."""
    return back_as_sent(rules, base, *((name, b"%b: %b" % (name, value)) for name, value in fields))


def back_as_sent(rules, base, *lines):
    """Return the lines for the client of names and whole lines."""
    head = ResponseHead(200, b"200 OK", list(lines))
    first, *others = rules.relayed(head, base).split(b"\r\n")
    assert not first  # each line is behind a CRLF: else it would belong to the status line
    return others


@pytest.mark.parametrize("base", [SHARED, ALONE], ids=["shared", "alone"])
@pytest.mark.parametrize("name", REMOVED)
def test_what_is_not_the_clients_is_removed(name, base):
    """In any case, and each of several."""
    fields = [(each.encode(), b"close") for each in (name, name.lower(), name.upper())]

    assert [] == back(PLAIN, base, *fields)


def test_everything_else_is_untouched_and_nothing_is_added():
    """Order, case, duplicates and bytes; no Server, Date or Via of our own."""
    fields = [
        *((b"x-B", b"caf\xe9"), (b"X-b", b""), (b"Content-Encoding", b"gzip"), (b"Server", b"s")),
        *((b"Content-Length", b"5"), (b"WWW-Authenticate", b"Bearer"), (b"Vary", b"Origin")),
        *((b"Date", b"d"), (b"Content_Security", b"1"), (b"Via", b"1.1 x"), (b"ETag", b'W/"1"')),
    ]

    assert [b"%b: %b" % field for field in fields] == back(PLAIN, SHARED, *fields)


def test_lines_are_relayed_as_they_came():
    """Also the blanks around a value, or none; only what is rewritten is written anew."""
    lines = [
        *((b"A", b"A:b"), (b"x-C", b"x-C: \t caf\xe9 \t"), (b"D", b"D:"), (b"E", b"E: f:g ")),
        (b"Location", b"Location:\t/a "),
    ]

    assert [*(line for _, line in lines[:-1]), b"Location: /name/a"] == back_as_sent(
        PLAIN, SHARED, *lines
    )


def test_connection_removes_what_it_names():
    """Both directions (golang's ReverseProxy leaked these until 2026)."""
    lines = back(
        PLAIN,
        SHARED,
        (b"X-Hop", b"1"),
        (b"Location", b"/a"),
        (b"connection", b"close, X_HOP, Content-Length"),
        (b"Content-Length", b"5"),
    )

    assert [b"Location: /name/a", b"Content-Length: 5"] == lines


@pytest.mark.parametrize("value", [b"close,", b",", b", close", b"keep-alive, \t, x-hop", b" "])
def test_connection_may_name_nothing(value):
    """RFC 9110 5.6.1 allows empty elements: the first line stays apart from the status line."""
    fields = [(b"Content-Length", b"5"), (b"Connection", value), (b"A", b"b")]

    assert [b"Content-Length: 5", b"A: b"] == back(PLAIN, SHARED, *fields)


@pytest.mark.parametrize("name", [b"Location", b"content-location", b"LOCATION"])
def test_references_are_rewritten(name):
    """The details are in test_rewrite.py."""
    assert [name + b": /name/a"] == back(PLAIN, SHARED, (name, b"https://up.example/a"))


@pytest.mark.parametrize(
    ("base", "lines"),
    [
        pytest.param(SHARED, [], id="removed on a path listener"),
        pytest.param(ALONE, [b"Service-Worker-Allowed: /"], id="kept on an origin of its own"),
    ],
)
def test_service_worker_scope_is_not_widened_for_all_routes(base, lines):
    """One route's script would see the requests of the others."""
    assert lines == back(PLAIN, base, (b"Service-Worker-Allowed", b"/"))


def test_cookies_pass_where_they_may():
    """Then Domain goes and Path is re-based, each on its own line."""
    rules = ResponseRules(cookies_pass=True)
    fields = [(b"Set-Cookie", b"a=b; Domain=up.example; Path=/"), (b"set-cookie", b"c=d")]

    assert [b"Set-Cookie: a=b; Path=/name", b"set-cookie: c=d"] == back(rules, SHARED, *fields)
