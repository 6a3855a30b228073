"""Rows 38 to 42 and 64, 65: several requests on a connection, and when it ends."""

from __future__ import annotations

from typing import Final

from tests.integration.rig.upstream import OK
from tests.integration.wire.case import (
    BAD,
    CHUNKS,
    CL5,
    CLOSE,
    CLOSED,
    END,
    FIELDS,
    FIN,
    GET,
    HALF,
    HEAD,
    HELLO,
    KEEP,
    KEY,
    LEFT,
    METHOD,
    NO_ROUTE,
    OK_CLOSE,
    OLD,
    POST,
    TARGET,
    TE,
    UP_FIELDS,
    UP_GET,
    UP_HEAD,
    UP_POST,
    Arrived,
    Case,
    Each,
    Ours,
    Until,
)


NOT_FOUND: Final = b"GET /none HTTP/1.1\r\n" + FIELDS + END
CLIMBING: Final = b"GET /api/../x HTTP/1.1\r\n" + FIELDS + END
SEEN: Final = UP_GET + KEY
SEEN_POST: Final = UP_POST + CL5 + KEY + b"hello"
SEEN_CHUNKS: Final = UP_POST + TE + KEY + b"5\r\nhello\r\n0\r\n\r\n"
TINY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


def numbered(number: int) -> bytes:
    """Return a request of a row of them."""
    return b"GET /api/%d HTTP/1.1\r\n" % number + FIELDS + END


def seen(number: int) -> bytes:
    """Return what an upstream sees of it."""
    return b"GET /%d HTTP/1.1\r\n" % number + UP_FIELDS + KEY


def told(number: int) -> bytes:
    """Return the answer to it."""
    text = b"%d" % number
    return TINY % (len(text), text)


# Every kind of second request that is none, in the segment of a good one.
BAD_ONES: Final = {
    "no HTTP": b"SPOOR\r\n\r\n",
    "control bytes": b"\x01\x02\x03SPOOR\r\n\r\n",
    "CL and TE": POST + CL5 + TE + CHUNKS,
    "two lengths": POST + CL5 + b"Content-Length: 6\r\n" + HELLO,
    "no Host": b"GET /api/y HTTP/1.1\r\nX-Mark: SPOOR\r\n\r\n",
    "two Hosts": GET + b"Host: localhost\r\n" + END,
    "a space before a colon": GET + b"X-A : SPOOR\r\n" + END,
    "LF for line ends": (GET + END).replace(b"\r\n", b"\n"),
    "NUL in a value": GET + b"X-A: \0\r\n" + END,
    "a bad chunk": POST + TE + b"\r\nzz\r\nSPOOR",
}
SECOND: Final = [
    *(
        Case(f"a good request, then {name}", 38, GET + END + bad, SEEN, (OK, BAD))
        for name, bad in BAD_ONES.items()
    ),
    Case("a good request, then a method that is too long", 38, GET + END + b"M" * 49 + b" /api/y HTTP/1.1\r\n" + FIELDS + END, SEEN, (OK, METHOD)),
    Case("a good request with a body, then none", 38, POST + CL5 + HELLO + b"SPOOR\r\n\r\n", SEEN_POST, (OK, BAD)),
    Case("a good request in chunks, then none", 38, POST + TE + CHUNKS + b"SPOOR\r\n\r\n", SEEN_CHUNKS, (OK, BAD)),
    Case("two good requests, then none", 38, GET + END + POST + CL5 + HELLO + b"SPOOR\r\n\r\n", (SEEN, SEEN_POST), (OK, OK, BAD)),
    Case("a good request, then none in a segment of its own", 38, (GET + END, Until(b"ok"), b"SPOOR\r\n\r\n"), SEEN, (OK, BAD)),
    Case("a good request, then half of none", 38, (GET + END + b"SPO", Until(b"ok"), b"OR\r\n\r\n"), SEEN, (OK, BAD)),
    Case("a refused request, then a good one", 38, NOT_FOUND + GET + END, SEEN, (NO_ROUTE, OK), KEEP),
    Case("a refused target, then a good one", 38, CLIMBING + GET + END, SEEN, (TARGET, OK), KEEP),
    Case("a refused request with its body, then a good one", 38, b"POST /none HTTP/1.1\r\n" + FIELDS + CL5 + HELLO + GET + END, SEEN, (NO_ROUTE, OK), KEEP),
    Case("a refused request whose body is yet to come", 38, (b"POST /none HTTP/1.1\r\n" + FIELDS + b"Content-Length: 50\r\n\r\n", b"GET /api/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"), answer=NO_ROUTE, behind=b""),
    Case("a refused request whose chunks are yet to come", 38, (b"POST /none HTTP/1.1\r\n" + FIELDS + TE + END, b"GET /api/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"), answer=NO_ROUTE, behind=b""),
    Case("too long a body is refused, and what comes for it is no request", 38, (POST + b"Content-Length: 50\r\n\r\n", b"GET /api/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"), answer=Ours(413, "body-too-large"), behind=b"", route={"limits": {"body": 10}}),
]  # fmt: skip

LAST: Final = [
    Case("Connection: close", 39, GET + CLOSE + END, SEEN, OK_CLOSE),
    Case("Connection: Close", 39, GET + b"Connection: Close\r\n" + END, SEEN, OK_CLOSE),
    Case("Connection: close among others", 39, GET + b"Connection: X-Hop, close\r\nX-Hop: 1\r\n" + END, SEEN, OK_CLOSE),
    Case("Connection: close with a body", 39, POST + CLOSE + CL5 + HELLO, SEEN_POST, OK_CLOSE),
    Case("Connection: close with chunks", 39, POST + CLOSE + TE + CHUNKS, SEEN_CHUNKS, OK_CLOSE),
    Case("Connection: close, and no request behind it", 39, GET + CLOSE + END, SEEN, OK_CLOSE, behind=b"SPOOR\r\n\r\n"),
    Case("Connection: close, and an empty line behind it", 39, GET + CLOSE + END, SEEN, OK_CLOSE, behind=b"\r\n"),
    Case("Connection: close on a refused request", 39, NOT_FOUND[:-2] + CLOSE + END, answer=NO_ROUTE),
    Case("HTTP/1.0", 39, OLD + END, SEEN, OK_CLOSE),
    Case("HTTP/1.0 with keep-alive", 39, OLD + b"Connection: keep-alive\r\n" + END, SEEN, OK_CLOSE),
    Case("HTTP/1.0 with a body", 39, POST.replace(b"1.1", b"1.0") + CL5 + HELLO, SEEN_POST, OK_CLOSE),
    Case("HTTP/1.0, and no request behind it", 39, OLD + END, SEEN, OK_CLOSE, behind=b"SPOOR\r\n\r\n"),
    Case("HTTP/1.0, refused", 39, b"GET /none HTTP/1.0\r\n" + FIELDS + END, answer=NO_ROUTE),
    Case("a second request behind `Connection: close` in a later segment", 39, (GET + CLOSE + END, GET + END), SEEN, OK_CLOSE, behind=b""),
]  # fmt: skip

ROW: Final = [
    Case("20 requests in one segment", 40, b"".join(map(numbered, range(20))), tuple(map(seen, range(20))), tuple(map(told, range(20))), KEEP, says=Each(tuple(map(told, range(20))))),
    Case("40 requests in one segment: more than are queued", 40, b"".join(map(numbered, range(40))), tuple(map(seen, range(40))), tuple(map(told, range(40))), KEEP, says=Each(tuple(map(told, range(40))))),
    Case("lengths, chunks and no bodies in turn", 40, POST + CL5 + HELLO + GET + END + POST + TE + CHUNKS + HEAD + END, (SEEN_POST, SEEN, SEEN_CHUNKS, UP_HEAD + KEY), (OK, OK, OK, OK[:-2]), KEEP, says=Each((OK, OK, OK, OK[:-2]))),
    Case("HEAD before GET: a length without body", 40, HEAD + END + GET + END, (UP_HEAD + KEY, SEEN), (OK[:-2], OK), KEEP, says=Each((OK[:-2], OK))),
    Case("empty lines between requests", 40, GET + END + b"\r\n\r\n" + GET + END, (SEEN, SEEN), (OK, OK), KEEP),
    Case("one byte of the second in the first's segment", 40, (GET + END + b"G", Until(b"ok"), GET[1:] + END), (SEEN, SEEN), (OK, OK), KEEP),
    Case("a session of one client is not given to another", 41, GET + END + GET + END, (SEEN, SEEN), (OK, OK), KEEP, says=b"HTTP/1.1 200 OK\r\nSet-Cookie: s=1; Path=/\r\nContent-Length: 2\r\n\r\nok"),
    Case("a session is not kept beside a client's own", 41, GET + b"Cookie: A-KEY-OF-THE-CLIENTS-OWN\r\n" + END, SEEN, OK, KEEP, says=b"HTTP/1.1 200 OK\r\nset-cookie: s=1\r\nSet-Cookie: t=2\r\nContent-Length: 2\r\n\r\nok"),
    *(
        Case(f"a redirect with {line.decode()} is passed on, not followed", 42, GET + END, SEEN, b"HTTP/1.1 " + line + b"\r\nLocation: https://other.example/y\r\nContent-Length: 0\r\n\r\n", KEEP, says=b"HTTP/1.1 " + line + b"\r\nLocation: https://other.example/y\r\nContent-Length: 0\r\n\r\n")
        for line in (b"301 Moved Permanently", b"302 Found", b"303 See Other", b"307 Temporary Redirect", b"308 Permanent Redirect")
    ),
    *(
        Case(f"a redirect to {where.decode()} leads back through the prefix", 42, GET + END, SEEN, b"HTTP/1.1 302 Found\r\nLocation: /api/y\r\nContent-Length: 0\r\n\r\n", KEEP, says=b"HTTP/1.1 302 Found\r\nLocation: " + where + b"\r\nContent-Length: 0\r\n\r\n")
        for where in (b"/y", b"http://{upstream}/y", b"https://{upstream}/y", b"//{upstream}/y", b"/../y", b"HTTP://{upstream}/./y")
    ),
]  # fmt: skip

UPLOAD: Final = POST + b"Expect: 100-continue\r\n" + CL5
SEEN_UPLOAD: Final = UP_POST + b"Expect: 100-continue\r\n" + CL5 + KEY
GO_ON: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
REFUSAL: Final = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"

EXPECTING: Final = [
    Case("100 comes when the upstream wants the body", 65, (UPLOAD + END, Until(GO_ON), b"hello"), SEEN_UPLOAD + b"hello", GO_ON + OK, KEEP, says=(GO_ON, Until(b"hello"), OK), early=True, apart=True),
    Case("100 comes with its fields", 65, (UPLOAD + END, Until(b"\r\n\r\n"), b"hello"), SEEN_UPLOAD + b"hello", b"HTTP/1.1 100 Go on\r\nX-A: b\r\n\r\n" + OK, KEEP, says=(b"HTTP/1.1 100 Go on\r\nX-A: b\r\n\r\n", Until(b"hello"), OK), early=True, apart=True),
    Case("no 100 before the upstream says so: a client that does not wait", 65, (UPLOAD + END, Arrived(KEY), b"hello"), SEEN_UPLOAD + b"hello", OK, KEEP),
    Case("a client that sends the body at once", 65, UPLOAD + HELLO, SEEN_UPLOAD + b"hello", OK, KEEP),
    Case("in chunks", 65, (POST + b"Expect: 100-continue\r\n" + TE + END, Until(GO_ON), CHUNKS[2:]), UP_POST + b"Expect: 100-continue\r\n" + TE + KEY + b"5\r\nhello\r\n0\r\n\r\n", GO_ON + OK, KEEP, says=(GO_ON, Until(b"hello"), OK), early=True, apart=True),
    Case("a refusal by the upstream comes without the body", 65, UPLOAD + END, SEEN_UPLOAD, REFUSAL.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), says=REFUSAL, early=True, behind=b""),
    Case("a refusal of our own comes without the body", 65, UPLOAD.replace(b"/api/", b"/none/") + END, answer=NO_ROUTE, behind=b""),
    Case("another expectation goes on, as nginx and HAProxy have it", 65, GET + b"Expect: SPOOR\r\n" + END, UP_GET + b"Expect: SPOOR\r\n" + KEY, OK, KEEP),
    Case("an upstream's 417 is passed on", 65, UPLOAD + END, SEEN_UPLOAD, b"HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", says=b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", early=True, behind=b""),
    Case("in HTTP/1.0 there is no 100", 65, OLD.replace(b"GET", b"POST") + b"Expect: 100-continue\r\n" + CL5 + HELLO, UP_POST + b"Expect: 100-continue\r\n" + CL5 + KEY + b"hello", OK_CLOSE, says=GO_ON + OK, behind=b""),
]  # fmt: skip

HALF_CLOSED: Final = [
    Case("FIN behind a request is leaving", 64, (GET + END, Arrived(KEY), HALF), SEEN, (), LEFT, says=()),
    Case("FIN behind an upload is leaving", 64, (POST + CL5 + HELLO, Arrived(b"hello"), HALF), SEEN_POST, (), LEFT, says=()),
    Case("FIN in the middle of an answer is leaving", 64, (GET + END, Until(b"ok"), HALF), SEEN, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", LEFT, says=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
    Case("FIN on an idle connection ends it", 64, (GET + END, Until(b"ok"), HALF), SEEN, OK, CLOSED, behind=b""),
    Case("FIN in the middle of a head ends it", 64, (GET, HALF), (), (), CLOSED, behind=b""),
    Case("FIN before anything ends it", 64, (HALF,), (), (), CLOSED, behind=b""),
    Case("the client leaves by FIN while the upstream thinks", 61, (GET + END, Arrived(KEY), FIN), SEEN, (), LEFT, says=()),
    Case("the client leaves while the upstream streams", 61, (GET + END, Until(b"ok"), FIN), SEEN, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", LEFT, says=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"),
]  # fmt: skip

CASES: Final = [*SECOND, *LAST, *ROW, *EXPECTING, *HALF_CLOSED]
