"""Rows 21 to 31: what is asked for, in every form of target, and by which method."""

from __future__ import annotations

from typing import Final

from tests.integration.rig.upstream import OK
from tests.integration.wire.case import (
    BAD,
    BAD_OR_METHOD,
    EITHER,
    END,
    FIELDS,
    HELLO,
    KEEP,
    KEY,
    METHOD,
    NO_ROUTE,
    TARGET,
    UP_FIELDS,
    Case,
    OneOf,
    Ours,
)


# Some are no target to the parser already, which then cannot go on.
NO_TARGET: Final = OneOf((TARGET, BAD))
FORWARD_DENIED: Final = Ours(403, "forward-denied")
NOT_PASSED: Final = Ours(405, "method-denied")
TOO_LONG: Final = Ours(414, "target-too-large")
TOO_MUCH: Final = Ours(431, "headers-too-large")
KIB: Final = 1024


def asking(target: bytes, method: bytes = b"GET") -> bytes:
    """Return a request for a target."""
    return method + b" " + target + b" HTTP/1.1\r\n" + FIELDS + END


def asked(target: bytes, method: bytes = b"GET") -> bytes:
    """Return what an upstream sees of it."""
    return method + b" " + target + b" HTTP/1.1\r\n" + UP_FIELDS + KEY


def to(host: bytes, target: bytes) -> bytes:
    """Return a GET for an absolute target, its Host the same."""
    return b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nX-Mark: SPOOR\r\n\r\n"


ABSOLUTE: Final = [
    Case("absolute, ours", 21, asking(b"http://localhost/api/x"), asked(b"/x"), OK, KEEP),
    Case("absolute, ours, in capitals", 21, asking(b"HTTP://LOCALHOST/api/x"), asked(b"/x"), OK, KEEP),
    Case("absolute, with the default port", 21, asking(b"http://localhost:80/api/x"), asked(b"/x"), OK, KEEP),
    Case("absolute, without path", 21, to(b"api.localhost", b"http://api.localhost"), asked(b"/"), OK, KEEP),
    Case("absolute, with a query alone", 21, to(b"api.localhost", b"http://api.localhost?a=b"), asked(b"/?a=b"), OK, KEEP),
    Case("absolute, a virtual host", 21, to(b"api.localhost", b"http://api.localhost/x?a=b"), asked(b"/x?a=b"), OK, KEEP),
    Case("absolute, elsewhere", 21, to(b"other.example", b"http://other.example/api/x"), answer=FORWARD_DENIED, after=KEEP),
    Case("absolute, a name that begins as ours", 21, to(b"localhost.evil.example", b"http://localhost.evil.example/api/x"), answer=FORWARD_DENIED, after=KEEP),
    Case("absolute, elsewhere with our Host", 21, asking(b"http://other.example/api/x"), answer=BAD),
    Case("absolute, ours with another's Host", 21, to(b"other.example", b"http://localhost/api/x"), answer=BAD),
    Case("absolute, ours with another port in Host", 21, to(b"localhost:1", b"http://localhost:2/api/x"), answer=BAD),
    Case("absolute, with a user", 21, asking(b"http://A-KEY-OF-THE-CLIENTS-OWN@localhost/api/x"), answer=TARGET, after=KEEP),
    Case("absolute, with user and password", 21, asking(b"http://u:A-KEY-OF-THE-CLIENTS-OWN@localhost/api/x"), answer=TARGET, after=KEEP),
    Case("absolute, with an empty user", 21, asking(b"http://@localhost/api/x"), answer=TARGET, after=KEEP),
    Case("absolute, ours as somebody's user", 21, asking(b"http://localhost@evil.example/api/x"), answer=TARGET, after=KEEP),
    Case("absolute, by ftp", 21, asking(b"ftp://localhost/api/x"), answer=TARGET, after=KEEP),
    Case("absolute, a file", 21, asking(b"file:///etc/passwd"), answer=NO_TARGET, after=EITHER),
    Case("absolute, without host", 22, asking(b"http:///api/x"), answer=NO_TARGET, after=EITHER),
    Case("absolute, without slashes", 22, asking(b"http:/api/x"), answer=NO_TARGET, after=EITHER),
    Case("absolute, and nothing", 22, asking(b"http://"), answer=NO_TARGET, after=EITHER),
    Case("a host without scheme is a path", 22, asking(b"//localhost/api/x"), answer=NO_ROUTE, after=KEEP),
    Case("another host without scheme is a path", 22, asking(b"//evil.example/api/x"), answer=NO_ROUTE, after=KEEP),
    Case("* on GET", 22, asking(b"*"), answer=NO_TARGET, after=EITHER),
    Case("an authority on GET", 22, asking(b"localhost:80"), answer=NO_TARGET, after=EITHER),
    Case("a path without its slash", 22, asking(b"api/x"), answer=NO_TARGET, after=EITHER),
    Case("a query alone", 22, asking(b"?a=b"), answer=NO_TARGET, after=EITHER),
    Case("OPTIONS *", 23, asking(b"*", b"OPTIONS"), answer=TARGET, after=KEEP),
    Case("OPTIONS of a path goes on", 23, asking(b"/api/x", b"OPTIONS"), asked(b"/x", b"OPTIONS"), OK, KEEP),
]  # fmt: skip

NEVER_PASSED: Final = [
    *(
        Case(f"CONNECT {target.decode()}", 24, asking(target, b"CONNECT"), answer=NOT_PASSED)
        for target in (b"other.example:443", b"localhost:80", b"127.0.0.1:22", b"[::1]:443")
    ),
    Case("CONNECT with what looks like a length", 24, b"CONNECT localhost:80 HTTP/1.1\r\n" + FIELDS + b"Content-Length: 5\r\n" + HELLO, answer=NOT_PASSED),
    Case("CONNECT with keep-alive", 24, b"CONNECT localhost:80 HTTP/1.1\r\n" + FIELDS + b"Connection: keep-alive\r\n" + END, answer=NOT_PASSED),
    Case("CONNECT in HTTP/1.0", 24, b"CONNECT localhost:80 HTTP/1.0\r\n" + FIELDS + END, answer=NOT_PASSED),
    Case("CONNECT on a route's own listener", 24, asking(b"localhost:80", b"CONNECT"), answer=NOT_PASSED, listener="api"),
    Case("TRACE", 25, asking(b"/api/x", b"TRACE"), answer=NOT_PASSED, after=KEEP),
    Case("TRACE with Max-Forwards", 25, b"TRACE /api/x HTTP/1.1\r\n" + FIELDS + b"Max-Forwards: 0\r\n" + END, answer=NOT_PASSED, after=KEEP),
    Case("TRACE on a route's own listener", 25, asking(b"/x", b"TRACE"), answer=NOT_PASSED, after=KEEP, listener="api"),
]  # fmt: skip

# DESIGN 2.1: refused before anything else.
AMBIGUOUS: Final = [
    Case("# behind the path", 26, asking(b"/api/x#y"), answer=TARGET),
    Case("# at the end", 26, asking(b"/api/x#"), answer=TARGET),
    Case("# in the query", 26, asking(b"/api/x?a=b#c"), answer=TARGET),
    Case("# before the path", 26, asking(b"/#/api/x"), answer=TARGET),
    *(
        Case(f"climbs: {target}", 27, asking(target.encode()), answer=TARGET, after=KEEP)
        for target in (
            "/api/../x", "/api/x/..", "/api/..", "/api/.", "/api/./x", "/..", "/../api/x", "/.",
            "/api/%2e%2e/x", "/api/%2E%2e/x", "/api/.%2e/x", "/api/%2e./x", "/api/%2e/x",
            "/api/x/%2e%2e", "/api/..;/x", "/api/..;a=b/x", "/api/..%3b/x", "/api/..%2fx",
            "/api/x%2f..%2fy", "/api/x%2f..", "/api/..%5cx", "/api%2f..%2fx", "/api/x/..?q",
            "/api/%252e%252e/x", "/api/%25252e%25252e/x", "/api/..%252fx", "/api/%c0%ae%c0%ae/x",
            "/api/%2%65%2e/x", "http://localhost/api/../x", "http://localhost/..",
        )
    ),
    *(
        Case(f"two readings: {target!r}", 27, asking(target), answer=TARGET, after=KEEP)
        for target in (b"/api/x\\y", b"/api\\..\\x", b"/api/x%00", b"/api/x?a=%00")
    ),
    *(
        Case(f"no UTF-8, but read as it: {target!r}", 27, asking(target), answer=TARGET, after=KEEP)
        for target in (
            b"/api/%c1%a1", b"/api/%C1%A1dmin", b"/api/\xc1\xa1", b"/api/%c1\xa1", b"/api/%25c1%25a1",
            b"/api/%e0%81%a1", b"/api/%f0%80%81%a1", b"/api/%f8%80%80%81%a1",
            b"/api/%fc%80%80%80%81%a1", b"/api/%ed%a0%80%ed%b0%80", b"/api/%f4%90%80%80",
            b"/api/%u002e%u002e/x", b"/api/%25u002e./x", b"/api/x%u0000",
        )
    ),
    *(
        Case(f"0x{byte:02x} in the target", 27, asking(b"/api/x%cy" % byte), answer=BAD)
        for byte in (0, 13)
    ),
    *(
        Case(f"0x{byte:02x} in the target", 27, asking(b"/api/x%cy" % byte), answer=TARGET)
        for byte in (1, 9, 11, 12, 27, 127)
    ),
    Case("LF in the target", 27, asking(b"/api/x\ny"), answer=BAD),
    Case("a space in the target", 27, asking(b"/api/x SPOOR"), answer=TARGET),
]  # fmt: skip

BYTE_FOR_BYTE: Final = [
    Case(f"as it came: {path.decode()}", 28, asking(b"/api" + path), asked(path), OK, KEEP)
    for path in (
        b"/a%2Fb", b"/a%2fb", b"/%61", b"/%7e", b"/~", b"//a", b"/a//b", b"/a/", b"/;a=b",
        b"/a;b/c", b"/%E9", b"/%e9", b"/%C3%A9", b"/a?b=%2F", b"/a?b=%2f&c=%20", b"/a?b+c",
        b"/a??", b"/a?", b"/a?b=c?d", b"/a?&&", b"/a?b=http://c/d", b"/a@b", b"/a:b", b"/a|b",
        b"/{a}", b"/a^b", b'/"a"', b"/<a>", b"/`", b"/%", b"/%zz", b"/a%3Fb", b"/a%23b", b"/!$&'()*+,=",
        b"/...", b"/.a", b"/a.", b"/..a", b"/a..", b"/a?../b", b"/a?b=/../c", b"/%u00e9",
    )
] + [
    Case(f"as it came: {path!r}", 28, asking(b"/api" + path), asked(path), OK, KEEP)
    for path in (
        b"/caf\xc3\xa9", b"/caf\xe9", b"/x?a=\xff", b"/\xf0\x9f\x98\x80?\xe2\x80\xa8", b"/\x80\xff%E9",
        b"/\xc1", b"/\xc2\x85",
    )
] + [
    Case("as it came, absolute", 28, asking(b"http://localhost/api/\xc3\xa9?\xe9"), asked(b"/\xc3\xa9?\xe9"), OK, KEEP),
    Case("as it came, by an unknown method", 28, asking(b"/api/\xc3\xa9", b"BREW"), asked(b"/\xc3\xa9", b"BREW"), OK, KEEP),
    Case("a scheme beyond ASCII", 28, asking("http\u017f://localhost/api/x".encode()), answer=NO_TARGET, after=EITHER),
    Case("a host beyond ASCII", 28, asking(b"http://localhos\xc5\xa7/api/x"), answer=OneOf((BAD, TARGET)), after=EITHER),
    Case("a prefix beyond ASCII", 28, asking(b"/\xc3\xa9/x"), answer=NO_ROUTE, after=KEEP),
]  # fmt: skip

PREFIXES: Final = [
    *(
        Case(f"no route: {target}", 29, asking(target.encode()), answer=NO_ROUTE, after=KEEP)
        for target in (
            "/", "/apix", "/api.evil.example/x", "/api@evil.example/x", "/api:80/x", "/api;x/y",
            "/API/x", "/Api", "/%61pi/x", "/api%2fx", "/api%2Fx", "/api%20/x", "/a", "/x/api",
            "//api/x", "/?/api/x", "/api&x", "/api=x", "/api-x",
        )
    ),
    Case("the prefix alone is the root", 29, asking(b"/api"), asked(b"/"), OK, KEEP),
    Case("the prefix and a query is the root", 29, asking(b"/api?a=b"), asked(b"/?a=b"), OK, KEEP),
    Case("the prefix and a slash is the root", 29, asking(b"/api/"), asked(b"/"), OK, KEEP),
    Case("the prefix twice is cut once", 29, asking(b"/api/api/x"), asked(b"/api/x"), OK, KEEP),
    Case("no prefix on a route's own listener", 29, asking(b"/api/x"), asked(b"/api/x"), OK, KEEP, listener="api"),
    Case("@ behind a listener's root", 29, asking(b"/@evil.example/x"), asked(b"/@evil.example/x"), OK, KEEP, listener="api"),
]  # fmt: skip


def long_field(size: int) -> bytes:
    """Return a GET with a field of that many bytes."""
    return asking(b"/api/x")[:-2] + b"X-Long: " + b"x" * size + b"\r\n\r\n"


def many_fields(size: int) -> bytes:
    """Return a GET with a head of about that many bytes in many fields."""
    return asking(b"/api/x")[:-2] + (b"X-A: " + b"x" * 993 + b"\r\n") * (size // 1000) + END


SMALL: Final = {"limits": {"head": "2KiB", "target": "1KiB"}}

LIMITS: Final = [
    Case("a target below the limit", 30, asking(b"/api/" + b"x" * 16_000), asked(b"/" + b"x" * 16_000), OK, KEEP),
    Case("a target above the limit", 30, asking(b"/api/" + b"x" * 17 * KIB), answer=TOO_LONG),
    Case("a query above the limit", 30, asking(b"/api/x?" + b"SPOOR" * 20_000), answer=TOO_LONG),
    Case("a target above the limit in parts", 30, (b"GET /api/" + b"SPOOR" * 2000, b"x" * 8000, b" HTTP/1.1\r\n" + FIELDS + END), answer=TOO_LONG),
    Case("a target that does not end", 30, b"GET /api/" + b"SPOOR" * 20_000, answer=TOO_LONG, behind=b""),
    Case("a field below the limit", 30, long_field(60_000), asked(b"/x")[: -len(KEY)] + b"X-Long: " + b"x" * 60_000 + b"\r\n" + KEY, OK, KEEP),
    Case("a field above the limit", 30, long_field(70_000), answer=TOO_MUCH),
    Case("a name above the limit", 30, asking(b"/api/x")[:-2] + b"X" * 70_000 + b": SPOOR\r\n\r\n", answer=TOO_MUCH),
    Case("a head above the limit in many fields", 30, many_fields(100_000), answer=TOO_MUCH),
    Case("a head that does not end", 60, asking(b"/api/x")[:-2] + b"X-A: SPOOR\r\n" * 50_000, answer=TOO_MUCH, behind=b""),
    Case("a field that does not end", 60, asking(b"/api/x")[:-2] + b"X-A: " + b"SPOOR" * 100_000, answer=TOO_MUCH, behind=b""),
    Case("a head above the limit in segments", 60, tuple([asking(b"/api/x")[:-2]] + [b"X-A: " + b"x" * 7993 + b"\r\n"] * 12), answer=TOO_MUCH, behind=b""),
    Case("more fields than are read", 30, asking(b"/api/x")[:-2] + b"X-A: b\r\n" * 1000 + END, answer=TOO_MUCH),
    Case("limits.target: below", 30, asking(b"/api/" + b"x" * 900), asked(b"/" + b"x" * 900), OK, KEEP, config=SMALL),
    Case("limits.target: above", 30, asking(b"/api/" + b"x" * 1100), answer=TOO_LONG, config=SMALL),
    Case("limits.head: below", 30, long_field(1800), asked(b"/x")[: -len(KEY)] + b"X-Long: " + b"x" * 1800 + b"\r\n" + KEY, OK, KEEP, config=SMALL),
    Case("limits.head: above, one field", 30, long_field(2100), answer=TOO_MUCH, config=SMALL),
    Case("limits.head: above, many fields", 30, asking(b"/api/x")[:-2] + b"X-A: b\r\n" * 250 + END, answer=TOO_MUCH, config=SMALL),
]  # fmt: skip

# A method is any token (RFC 9110 9.1), whether a parser knows it or not.
METHODS: Final = [
    *(
        Case(f"method {method}", 31, asking(b"/api/x", method.encode()), asked(b"/x", method.encode()), OK, KEEP)
        for method in ("DELETE", "PUT", "PATCH", "OPTIONS", "PROPFIND", "MKCOL", "REPORT", "PURGE", "LINK", "M-SEARCH", "SEARCH")
    ),
    *(
        Case(f"method {method}, unknown", 31, asking(b"/api/x", method.encode()), asked(b"/x", method.encode()), OK, KEEP)
        for method in ("FOOBAR", "GETX", "POSTS", "BREW", "X-GET", "A", "GET1", "CONNECTX", "VERSION_CONTROL", "LIST", "BAN", "PRI", "DESCRIBE", "!#$%&'*+-.^_`|~", "M" * 48)
    ),
    *(
        Case(f"method {method}, in small letters", 31, asking(b"/api/x", method.encode()), asked(b"/x", method.encode()), OK, KEEP)
        for method in ("get", "Get", "post")
    ),
    Case("method MMM…, too long", 31, asking(b"/api/x", b"M" * 49), answer=METHOD),
    Case("method MMM…, far too long", 31, asking(b"/api/x", b"M" * 1000), answer=METHOD),
    *(
        Case(f"method {method}, no token", 31, asking(b"/api/x", method.encode()), answer=BAD_OR_METHOD)
        for method in ("GE:T", "G@T", "G\u00c9T", '"GET"', "(GET)")
    ),
    Case("an unknown method with a body", 31, b"FOOBAR /api/x HTTP/1.1\r\n" + FIELDS + b"Content-Length: 5\r\n" + HELLO, b"FOOBAR /x HTTP/1.1\r\n" + UP_FIELDS[:-2] + b"\r\nContent-Length: 5\r\n" + KEY + b"hello", OK, KEEP),
    Case("an unknown method with two lengths", 31, b"FOOBAR /api/x HTTP/1.1\r\n" + FIELDS + b"Content-Length: 5\r\nContent-Length: 6\r\n" + HELLO, answer=BAD),
    Case("an unknown method and a field that is none", 31, b"FOOBAR /api/x HTTP/1.1\r\n" + FIELDS + b"X A: b\r\n\r\n", answer=BAD),
]  # fmt: skip

CASES: Final = [
    *ABSOLUTE,
    *NEVER_PASSED,
    *AMBIGUOUS,
    *BYTE_FOR_BYTE,
    *PREFIXES,
    *LIMITS,
    *METHODS,
]
