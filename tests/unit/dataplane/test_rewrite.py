"""References in an answer that must lead back to the proxy."""

from __future__ import annotations

import pytest

from proxy.dataplane.rewrite import Base, rewrite, rewrite_field
from proxy.dataplane.target import Authority
from proxy.upstream.origin import Origin


UP = Origin.parse("https://up.example")
PREFIXED = Base(UP, b"/name", shared=True)
ROOTED = Base(UP, b"", shared=False)
ODD_PORT = Base(Origin.parse("http://127.0.0.1:9000"), b"/name", shared=True)
NAMED = Base(
    UP, b"/name", shared=True, names=(Authority("proxy.test", 8484), Authority("::1", None))
)
ANNOUNCED = NAMED._replace(announced=b"/name")
BARE = PREFIXED._replace(bare=True)
SIX = Base(Origin.parse("http://[::1]:9000"), b"/name", shared=True)

# What the upstream says, below a prefix, and at a root.
TO_US = {
    "the upstream": (b"https://up.example/a/b?c#d", b"/name/a/b?c#d", b"/a/b?c#d"),
    "its host in capitals": (b"HTTPS://UP.Example/A", b"/name/A", b"/A"),
    "its host with a dot": (b"https://up.example./a", b"/name/a", b"/a"),
    "its host by http": (b"http://up.example/a", b"/name/a", b"/a"),
    "its default port": (b"https://up.example:443/a", b"/name/a", b"/a"),
    "the other default port": (b"http://up.example:80/a", b"/name/a", b"/a"),
    "an empty port": (b"https://up.example:/a", b"/name/a", b"/a"),
    "without a scheme": (b"//up.example/a", b"/name/a", b"/a"),
    "without a path": (b"https://up.example", b"/name/", b"/"),
    "only a query": (b"https://up.example?a", b"/name/?a", b"/?a"),
    "only a fragment": (b"https://up.example#a", b"/name/#a", b"/#a"),
    "a path": (b"/a/b/?c=/d", b"/name/a/b/?c=/d", b"/a/b/?c=/d"),
    "the root": (b"/", b"/name/", b"/"),
    "a path that looks like the prefix": (b"/name/a", b"/name/name/a", b"/name/a"),
    "encoded bytes": (b"/a%2Fb/%7e", b"/name/a%2Fb/%7e", b"/a%2Fb/%7e"),
    "raw bytes": (b"/caf\xe9", b"/name/caf\xe9", b"/caf\xe9"),
    "a double slash in the upstream's path": (
        b"https://up.example//evil.com/x",
        b"/name//evil.com/x",
        b"/.//evil.com/x",
    ),
    "a backslash behind the host": (
        b"https://up.example\\evil.com/x",
        b"/name/\\evil.com/x",
        b"/./\\evil.com/x",
    ),
    "a tab that hides a double slash": (
        b"https://up.example/\t/evil.com",
        b"/name//evil.com",
        b"/.//evil.com",
    ),
    "dots that hide a double slash": (
        b"https://up.example/a/..//evil.com",
        b"/name//evil.com",
        b"/.//evil.com",
    ),
}

# These climb out of the prefix, in the eyes of some client.
CLIMBING = {
    "a path that climbs": (b"/../x", b"/name/x"),
    "a path that climbs far": (b"/a/../../../x", b"/name/x"),
    "a path that climbs at its end": (b"/a/b/..", b"/name/a/"),
    "a path that stays": (b"/a/./b/.", b"/name/a/b/"),
    "an absolute one that climbs": (b"https://up.example/../x", b"/name/x"),
    "encoded dots": (b"/%2e%2E/x", b"/name/x"),
    "half encoded dots": (b"/.%2e/x", b"/name/x"),
    "an encoded dot": (b"/%2e/x", b"/name/x"),
    "dots between backslashes": (b"/..\\..\\x", b"/name/x"),
    "dots behind a backslash": (b"/a\\..\\..\\x", b"/name/x"),
    "dots with parameters": (b"/..;x", b"/name/"),
    "dots apart by a tab": (b"/.\t./x", b"/name/x"),
    "an absolute one with backslashes": (b"https://up.example\\..\\..\\x", b"/name/x"),
    "dots in a query stay": (b"/a?b=/../c", b"/name/a?b=/../c"),
    "dots in a fragment stay": (b"/a#/../c", b"/name/a#/../c"),
    "dots within a name stay": (b"/.well-known/..a/b..", b"/name/.well-known/..a/b.."),
    "a backslash for a slash": (b"\\x", b"/name/x"),
    "a backslash for a host": (b"/\\evil.com/x", b"/name/\\evil.com/x"),
    "a path behind an empty host": (b"///x", b"/name///x"),
    "a backslash behind an empty host": (b"//\\x", b"/name//\\x"),
    "a tab before the path": (b"\t/x", b"/name/x"),
    "a space before the path": (b" /x", b"/name/x"),
}

UNCHANGED = {
    "another host": b"https://other.example/a/../b",
    "another host without a scheme": b"//other.example/a",
    "a host below the upstream's": b"https://a.up.example/a",
    "a host that begins like the upstream's": b"https://up.example.evil.com/a",
    "another port": b"https://up.example:8443/a",
    "an impossible port": b"https://up.example:" + b"4" * 5000 + b"/a",
    "a user": b"https://user@up.example/a",
    "another host behind a user": b"https://up.example@evil.com/a",
    "another host behind a port": b"https://up.example:443@evil.com/a",
    "another scheme": b"ftp://up.example/a",
    "a relative path": b"a/b",
    "a query": b"?a",
    "a fragment": b"#a",
    "nothing": b"",
    "a scheme without a host": b"https:a",
    "a scheme and an empty host": b"https:///a",
    "something else": b"mailto:a@up.example",
    "an open bracket": b"http://[::1/a",
}


@pytest.mark.parametrize(("reference", "prefixed", "rooted"), TO_US.values(), ids=TO_US)
def test_references_to_the_upstream_lead_back(reference, prefixed, rooted):
    """They become path-absolute under the entrance's prefix, with neither scheme nor host."""
    assert (prefixed, rooted) == (rewrite(reference, PREFIXED), rewrite(reference, ROOTED))


@pytest.mark.parametrize(("reference", "below"), CLIMBING.values(), ids=CLIMBING)
def test_references_do_not_climb_out_of_the_prefix(reference, below):
    """A client resolves dots, a browser also drops tabs and takes a backslash for a slash."""
    assert below == rewrite(reference, PREFIXED)


@pytest.mark.parametrize("reference", UNCHANGED.values(), ids=UNCHANGED)
def test_other_references_are_unchanged(reference):
    """Other hosts, relative or unparsable."""
    assert [reference, reference] == [rewrite(reference, base) for base in (PREFIXED, ROOTED)]


@pytest.mark.parametrize(
    ("base", "reference", "rewritten"),
    [
        pytest.param(ODD_PORT, b"http://127.0.0.1:9000/a", b"/name/a", id="its own port"),
        pytest.param(ODD_PORT, b"http://127.0.0.1/a", b"/name/a", id="no port"),
        pytest.param(ODD_PORT, b"http://127.0.0.1:9001/a", None, id="another port"),
        pytest.param(SIX, b"http://[::1]:9000/a", b"/name/a", id="an address in brackets"),
        pytest.param(SIX, b"http://[::2]:9000/a", None, id="another address in brackets"),
    ],
)
def test_the_port_counts_where_it_is_not_a_default(base, reference, rewritten):
    """Two servers of one machine are two origins."""
    assert (rewritten or reference) == rewrite(reference, base)


FIELDS = {
    "Location": (b"Location", b"https://up.example/a", b"/name/a"),
    "Location in capitals": (b"LOCATION", b"/a", b"/name/a"),
    "Content-Location": (b"Content-Location", b"/a", b"/name/a"),
    "Link": (
        b"Link",
        b'</a>; rel="next", <https://up.example/b>; rel=last, <https://x.org/>; rel=x, <c>',
        b'</name/a>; rel="next", </name/b>; rel=last, <https://x.org/>; rel=x, <c>',
    ),
    "Link without a target": (b"link", b"/a", b"/a"),
    "Refresh": (b"Refresh", b"5; url=/a", b"5; url=/name/a"),
    "Refresh with a comma": (b"Refresh", b"0,URL = https://up.example/a", b"0,URL = /name/a"),
    "Refresh with a space": (b"Refresh", b"0 url=/a", b"0 url=/name/a"),
    "Refresh without url=": (b"Refresh", b"0; /a", b"0; /name/a"),
    "Refresh in quotes": (b"Refresh", b"1.5;url='/a'", b"1.5;url='/name/a'"),
    "Refresh with more behind the quotes": (b"refresh", b'0;url="/a" b', b'0;url="/name/a" b'),
    "Refresh with an open quote": (b"refresh", b'0;url="/a', b'0;url="/name/a'),
    "Refresh to another host": (b"refresh", b"0;url=//x.org/a", b"0;url=//x.org/a"),
    "Refresh of the same page": (b"Refresh", b"5", b"5"),
    "Refresh that is none": (b"Refresh", b"url=/a", b"url=/a"),
    "Set-Cookie with Path": (b"Set-Cookie", b"a=b; Path=/x; Secure", b"a=b; Path=/name/x; Secure"),
    "Set-Cookie with Domain": (
        b"Set-Cookie",
        b"a=b; Domain=up.example; HttpOnly",
        b"a=b; HttpOnly",
    ),
    "Set-Cookie in odd case": (b"set-cookie", b"a=b;DOMAIN=x;PATH=/x/", b"a=b;PATH=/name/x/"),
    "Set-Cookie of the root": (b"Set-Cookie", b"a=b; Path=/; Secure", b"a=b; Path=/name; Secure"),
    "Set-Cookie of a path that looks like the prefix": (
        b"Set-Cookie",
        b"a=b; Path=/name",
        b"a=b; Path=/name/name",
    ),
    "Set-Cookie with a Path in quotes": (
        b"Set-Cookie",
        b'a=b; Path="/"; HttpOnly',
        b'a=b; Path="/name"; HttpOnly',
    ),
    "Set-Cookie that wants no prefix": (
        b"Set-Cookie",
        b"__Host-a=b; Secure; Path=/",
        b"__Host-a=b; Secure; Path=/name",
    ),
    "Set-Cookie with two paths": (
        b"set-cookie",
        b"a=b; path=/x; path=/y",
        b"a=b; path=/name/x; path=/name/y",
    ),
    "Set-Cookie without attributes": (b"Set-Cookie", b"domain=x", b"domain=x"),
    "Set-Cookie with an empty Path": (b"Set-Cookie", b"a=b; Path=", b"a=b; Path="),
}


@pytest.mark.parametrize(("name", "value", "rewritten"), FIELDS.values(), ids=FIELDS)
def test_fields_are_rewritten_where_the_reference_is(name, value, rewritten):
    """What stands around the reference stays."""
    assert rewritten == rewrite_field(name, value, PREFIXED)


@pytest.mark.parametrize(
    ("base", "reference", "rewritten"),
    [
        pytest.param(NAMED, b"http://proxy.test:8484/a", b"/name/a", id="our name"),
        pytest.param(NAMED, b"https://PROXY.test/a", b"/name/a", id="without its port"),
        pytest.param(NAMED, b"http://proxy.test:8485/a", None, id="another port"),
        pytest.param(NAMED, b"http://[0:0::1]/a", b"/name/a", id="an address in another spelling"),
        pytest.param(NAMED, b"http://[::1]:81/a", None, id="a port beside an address"),
        pytest.param(NAMED, b"https://up.example/a", b"/name/a", id="its own still"),
        pytest.param(PREFIXED, b"http://proxy.test:8484/a", None, id="a name that it is not sent"),
        pytest.param(NAMED, b"/name/a", b"/name/name/a", id="a path of its own like the prefix"),
        pytest.param(ANNOUNCED, b"/name/a?b", b"/name/a?b", id="a path with the prefix it is sent"),
        pytest.param(ANNOUNCED, b"http://proxy.test:8484/name", b"/name", id="the prefix alone"),
        pytest.param(ANNOUNCED, b"/names/a", b"/name/names/a", id="a path that begins alike"),
        pytest.param(ANNOUNCED, b"/name/../a", b"/name/a", id="a path that climbs out of it"),
        pytest.param(ANNOUNCED, b"/a", b"/name/a", id="a path without it"),
    ],
)
def test_an_upstream_may_use_the_names_that_it_is_sent(base, reference, rewritten):
    """Its Host, X-Forwarded-Host and X-Forwarded-Prefix."""
    assert (rewritten or reference) == rewrite(reference, base)


@pytest.mark.parametrize(
    ("base", "cookie", "rewritten"),
    [
        pytest.param(BARE, b"a=b; Secure", b"a=b; Secure; Path=/name", id="none"),
        pytest.param(BARE, b"a=b; Path=x", b"a=b; Path=x; Path=/name", id="none that counts"),
        pytest.param(
            BARE, b"a=b; Path=/x; Path=", b"a=b; Path=/name/x; Path=; Path=/name", id="two"
        ),
        pytest.param(BARE, b"a=b; Path=/x", b"a=b; Path=/name/x", id="a path"),
        pytest.param(PREFIXED, b"a=b", b"a=b", id="a request below the prefix"),
        pytest.param(ROOTED, b"a=b; Path=/; Domain=x", b"a=b; Path=/", id="no prefix"),
        pytest.param(ROOTED, b"__Host-a=b; Path=/", b"__Host-a=b; Path=/", id="no prefix, __Host-"),
        pytest.param(
            ANNOUNCED, b"a=b; Path=/name/", b"a=b; Path=/name/", id="the prefix it is sent"
        ),
        pytest.param(ANNOUNCED, b"a=b; Path=/", b"a=b; Path=/name", id="its root all the same"),
    ],
)
def test_a_cookie_stays_on_its_route(base, cookie, rewritten):
    """A client's default for a request of the prefix alone would be the root of every route."""
    assert rewritten == rewrite_field(b"Set-Cookie", cookie, base)
