"""The request target: kept byte for byte, or refused."""

from __future__ import annotations

import pytest

from proxy.dataplane.errors import BadRequest, BadTarget, MethodDenied
from proxy.dataplane.target import Authority, Target, parse_authority, parse_target


KEPT = {
    "a path": ("/a/b", Target("/a/b", None)),
    "a path and a query": ("/a?b=c", Target("/a", "b=c")),
    "an empty query keeps its mark": ("/a?", Target("/a", "")),
    "further question marks belong to the query": ("/a?b?c", Target("/a", "b?c")),
    "double slashes stay": ("//a//b//", Target("//a//b//", None)),
    "an encoded slash stays": ("/a%2Fb%2fc", Target("/a%2Fb%2fc", None)),
    "parameters stay": ("/a;b=c/d;e", Target("/a;b=c/d;e", None)),
    "needless encoding stays": ("/%7eme/%61", Target("/%7eme/%61", None)),
    "bytes beyond ASCII stay encoded": ("/%E9%ff", Target("/%E9%ff", None)),
    "UTF-8 stays as it is": ("/caf\xe9?\xe9", Target("/caf\xe9", "\xe9")),
    "bytes that are no UTF-8 stay": ("/\udce9?\udcff", Target("/\udce9", "\udcff")),
    "control characters beyond ASCII stay": ("/\x85\u2028", Target("/\x85\u2028", None)),
    "half of an overlong letter": ("/%c1b", Target("/%c1b", None)),
    "UTF-16 stays": ("/%u00e9", Target("/%u00e9", None)),
    "dots within a segment are no dot segments": (
        "/a..b/.c/d./...",
        Target("/a..b/.c/d./...", None),
    ),
    "dots in a query are no segments": ("/a?../b", Target("/a", "../b")),
    "an encoded percent sign is a percent sign": ("/100%25/x", Target("/100%25/x", None)),
    "brackets and the like, which clients send raw": ('/a?b[]={"|^`}', Target("/a", 'b[]={"|^`}')),
    "many percent signs encoded in turn": ("/" + "%25" * 512, Target("/" + "%25" * 512, None)),
    "many encoded bytes": ("/" + "%61" * 5000, Target("/" + "%61" * 5000, None)),
    "many parameters": ("/" + ";a/" * 5000, Target("/" + ";a/" * 5000, None)),
    "absolute form": (
        "http://h.example:81/a?b",
        Target("/a", "b", authority="h.example:81", scheme="http"),
    ),
    "absolute form in any case": ("HTTPS://H/", Target("/", None, authority="H", scheme="https")),
    "absolute form without a path": ("http://h", Target("/", None, authority="h", scheme="http")),
    "absolute form with a query only": (
        "http://h?q",
        Target("/", "q", authority="h", scheme="http"),
    ),
}

REFUSED = {
    "a dot segment": "/./a",
    "a double dot segment": "/a/../b",
    "a dot segment at the end": "/a/.",
    "a double dot segment at the end": "/a/..",
    "encoded dots": "/a/%2e%2e/b",
    "encoded dots in upper case": "/a/%2E%2E/b",
    "one dot encoded": "/a/.%2e/b",
    "the other dot encoded": "/a/%2e./b",
    "a single encoded dot": "/a/%2e",
    "dots behind an encoded slash": "/a%2f..%2fb",
    "dots before an encoded slash": "/a/..%2Fb",
    "dots between encoded backslashes": "/a%5c..%5Cb",
    "dots with parameters": "/a/..;/b",
    "a dot with parameters": "/a/.;x=y/b",
    "dots with encoded parameters": "/a/..%3bx/b",
    "dots encoded twice": "/a/%252e%252e/b",
    "dots encoded three times": "/a/%25252e%25252e/b",
    "dots with an encoded digit": "/a/%2%65%2%65/b",
    "dots with every byte encoded twice": "/a/%25%32%65%25%32%65/b",
    "dots between slashes encoded twice": "/a%252f..%252fb",
    "dots in overlong UTF-8": "/a/%c0%ae%c0%ae/b",
    "dots between overlong slashes": "/a%c0%af..%c0%afb",
    "dots in the path of absolute form": "http://h/a/../b",
    "more percent signs encoded in turn than anyone needs": "/" + "%25" * 513,
    "more stray percent signs than anyone needs": "/" + "%" * 513,
    "more parameters beside encoded bytes than anyone needs": "/%61" + ";" * 513,
    "an encoded NUL": "/a%00b",
    "an encoded NUL in the query": "/a?b%00",
    "a control byte": "/a\x01b",
    "a DEL": "/a\x7f",
    "a tab": "/a\tb",
    "a space": "/a b",
    "a line break": "/a\r\nX: y",
    "a backslash": "/a\\b",
    "a backslash in the query": "/a?b\\c",
    "a fragment": "/a#b",
    "an overlong letter": "/%c1%a1dmin",
    "an overlong letter in three bytes": "/%e0%81%a1",
    "an overlong letter in four bytes": "/%F0%80%81%A1",
    "an overlong letter in five bytes": "/%f8%80%80%81%a1",
    "an overlong letter in six bytes": "/%fc%80%80%80%81%a1",
    "an overlong letter encoded twice": "/%25c1%25a1",
    "an overlong letter with encoded digits": "/%%631%%61%31",
    "an overlong letter as it is": "/\udcc1\udca1",
    "an overlong letter, half of it encoded": "/\udcc1%a1",
    "a surrogate": "/%ed%a0%80",
    "a pair of surrogates (CESU-8)": "/%ed%a0%bd%ed%b8%80",
    "a surrogate as it is": "/\udced\udcb3\udca9",
    "a character beyond Unicode": "/%f4%90%80%80",
    "dots as UTF-16": "/a/%u002e%U002E/b",
    "dots as UTF-16, encoded twice": "/a/%25u002e./b",
    "dots between slashes as UTF-16": "/a%u002f..%u005cb",
    "a NUL as UTF-16": "/a%u0000b",
    "dots beside a byte beyond ASCII": "/caf\xe9/../a",
    "a scheme beyond ASCII": "http\u017f://h/a",
    "nothing": "",
    "the asterisk": "*",
    "a relative path": "a/b",
    "an authority": "h.example:443",
    "another scheme": "ftp://h/a",
    "an absolute form without slashes": "http:/h/a",
    "an absolute form without a host": "http:///a",
    "an absolute form with only a query": "http://?a",
    "a user in absolute form": "http://user@h/",
    "a user and password in absolute form": "http://user:secret@h/",
}


@pytest.mark.parametrize(("raw", "target"), KEPT.values(), ids=KEPT)
def test_targets_are_kept_byte_for_byte(raw, target):
    """What has one reading is passed on as it is."""
    found = parse_target("GET", raw)

    assert (target.path, target.query) == (found.path, found.query)
    assert (target.authority, target.scheme) == (found.authority, found.scheme)


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_ambiguous_targets_are_refused(raw):
    """What could be read in two ways is 400, and the detail quotes nothing of it."""
    with pytest.raises(BadTarget) as caught:
        parse_target("GET", raw)

    assert (400, "bad-target") == (caught.value.status, caught.value.code)
    assert "secret" not in caught.value.detail


def test_options_asterisk_is_refused():
    """`OPTIONS *` asks about the server as a whole; there is no one upstream to ask."""
    with pytest.raises(BadTarget):
        parse_target("OPTIONS", "*")


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        ("/a b", r"a space at position 3; percent-encode it as %20\."),
        ("/a\tb", r"a tab at position 3; percent-encode it as %09\."),
        ("/a\x7f", r"control character \(0x7f\) at position 3; percent-encode it as %7F\."),
        ("/a?\\", r"a backslash at position 4; percent-encode it as %5C\."),
        ("/\xe9#a", r"a fragment \(`#`\) at position 3"),
        ("/a%00", r"an encoded NUL \(%00\) at position 3"),
    ],
)
def test_what_is_refused_is_named(raw, detail):
    """With what to send instead: the person who typed it learns what to do."""
    with pytest.raises(BadTarget, match=detail):
        parse_target("GET", raw)


@pytest.mark.parametrize(("method", "close"), [("TRACE", False), ("CONNECT", True)])
def test_tunnels_and_echoes_are_refused_whatever_the_target(method, close):
    """TRACE would echo the credential; behind a refused CONNECT anything may follow."""
    for raw in ("/", "*", "h:443", "/../"):
        with pytest.raises(MethodDenied) as caught:
            parse_target(method, raw)

        assert (405, close) == (caught.value.status, caught.value.close)
        assert (b"Allow", b"") in caught.value.fields


AUTHORITIES = {
    "a name": ("localhost", Authority("localhost", None)),
    "a name and a port": ("h.example:8484", Authority("h.example", 8484)),
    "a name in capitals": ("LocalHost", Authority("localhost", None)),
    "one trailing dot": ("localhost.:1", Authority("localhost", 1)),
    "only one trailing dot": ("localhost..", Authority("localhost.", None)),
    "an empty port": ("localhost:", Authority("localhost", None)),
    "an address": ("127.0.0.1:80", Authority("127.0.0.1", 80)),
    "an IPv6 address": ("[::1]:80", Authority("::1", 80)),
    "a mapped address": ("[::ffff:127.0.0.1]:80", Authority("127.0.0.1", 80)),
    "a mapped address in hex": ("[0::FFFF:7F00:1]", Authority("127.0.0.1", None)),
    "an IPv6 address in capitals": ("[FE80::1]", Authority("fe80::1", None)),
    "an underscore, as container networks use it": ("key_bearer", Authority("key_bearer", None)),
}

NO_AUTHORITIES = {
    "nothing": "",
    "a path": "a/b",
    "a user": "u@h",
    "a space": "a b",
    "a NUL": "a\0",
    "a line break at the end": "a\n",
    "two hosts": "a, b",
    "a port that is no number": "a:b",
    "a signed port": "a:+80",
    "a port too large": "a:65536",
    "a port of many digits": "a:000080",
    "digits that are not ASCII": "a:\u0661",
    "a bare IPv6 address": "::1",
    "an open bracket": "[::1",
    "a zone": "[fe80::1%25eth0]",
    "a percent sign": "a%2eb",
    "only a port": ":80",
    "a name beyond ASCII": "\u212a.example",
}


@pytest.mark.parametrize(("text", "authority"), AUTHORITIES.values(), ids=AUTHORITIES)
def test_authorities_are_folded(text, authority):
    """Case, one trailing dot and brackets do not count."""
    assert authority == parse_authority(text)


@pytest.mark.parametrize("text", NO_AUTHORITIES.values(), ids=NO_AUTHORITIES)
def test_what_is_no_authority_is_refused(text):
    """A Host field that two parsers could split differently is 400."""
    with pytest.raises(BadRequest):
        parse_authority(text)
