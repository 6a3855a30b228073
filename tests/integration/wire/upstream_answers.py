"""Rows 50 to 55: answers that are right, however odd, and are passed on as they are."""

from __future__ import annotations

import gzip
from typing import Final

from tests.integration.rig.upstream import OK
from tests.integration.wire.case import (
    BROKEN,
    CLOSE,
    END,
    FIN,
    GET,
    HEAD,
    KEEP,
    KEY,
    OK_CLOSE,
    OLD,
    PAUSE,
    POST,
    UP_GET,
    UP_HEAD,
    UP_POST,
    Case,
)


SEEN: Final = UP_GET + KEY
OPEN: Final = b"HTTP/1.1 200 OK\r\n"
TE: Final = b"Transfer-Encoding: chunked\r\n"
HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n"
WORKING: Final = b"HTTP/1.1 102 Processing\r\n\r\n"
GO_ON: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

INTERIM: Final = [
    Case("103 is passed on", 50, GET + END, SEEN, HINTS + OK, KEEP, says=HINTS + OK),
    Case("102 is passed on", 50, GET + END, SEEN, WORKING + OK, KEEP, says=WORKING + OK),
    Case("103 twice is passed on twice", 50, GET + END, SEEN, HINTS + HINTS + OK, KEEP, says=HINTS + HINTS + OK),
    Case("103 before its answer is there", 50, GET + END, SEEN, HINTS + OK, KEEP, says=(HINTS, PAUSE, OK)),
    Case("199 is passed on", 50, GET + END, SEEN, b"HTTP/1.1 199 Odd\r\n\r\n" + OK, KEEP, says=b"HTTP/1.1 199 Odd\r\n\r\n" + OK),
    Case("100 that nobody asked for is dropped", 50, GET + END, SEEN, OK, KEEP, says=GO_ON + OK),
    Case("100 that nobody asked for, and 103", 50, GET + END, SEEN, HINTS + OK, KEEP, says=GO_ON + HINTS + OK),
    Case("103 with fields of the connection", 50, GET + END, SEEN, HINTS + OK, KEEP, says=HINTS.replace(b"X-A", b"Connection: X-Hop\r\nX-Hop: 1\r\nX-A") + OK),
    Case("103 with a session", 50, GET + END, SEEN, HINTS + OK, KEEP, says=HINTS.replace(b"X-A", b"Set-Cookie: s=1\r\nX-A") + OK),
    Case("103 with a length has no body", 50, GET + END, SEEN, HINTS + OK, KEEP, says=HINTS.replace(b"X-A", b"Content-Length: 9\r\nX-A") + OK),
    Case("103 with a reference", 50, GET + END, SEEN, HINTS.replace(b"X-A: b", b"Link: </api/s.css>; rel=preload") + OK, KEEP, says=HINTS.replace(b"X-A: b", b"Link: </s.css>; rel=preload") + OK),
    Case("103 is not passed to HTTP/1.0", 50, OLD + END, SEEN, OK_CLOSE, says=HINTS + OK, behind=b""),
    Case("103 before a 502", 50, GET + END, SEEN, (HINTS, BROKEN), KEEP, says=(HINTS, FIN)),
]  # fmt: skip

REFUSAL: Final = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"
REFUSED: Final = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"
UPLOAD: Final = POST + b"Content-Length: 500000\r\n\r\n"
SEEN_UPLOAD: Final = UP_POST + b"Content-Length: 500000\r\n" + KEY

EARLY: Final = [
    Case("413 before the upload ends", 51, UPLOAD, SEEN_UPLOAD, REFUSED, says=REFUSAL, early=True, behind=b""),
    Case("413 and close before the upload ends", 51, UPLOAD, SEEN_UPLOAD, REFUSED, says=(REFUSAL.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), FIN), early=True, behind=b""),
    Case("200 before the upload ends", 51, UPLOAD, SEEN_UPLOAD, OK_CLOSE, says=OK, early=True, behind=b""),
    Case("200 before the chunks end", 51, POST + TE + b"\r\n5\r\nhello\r\n", UP_POST + TE + KEY + b"5\r\nhello\r\n", OK_CLOSE, says=OK, early=True, behind=b""),
    Case("200 in chunks before the upload ends", 51, UPLOAD, SEEN_UPLOAD, OPEN + TE + CLOSE + b"\r\n2\r\nok\r\n0\r\n\r\n", says=OPEN + TE + b"\r\n2\r\nok\r\n0\r\n\r\n", early=True, behind=b""),
]  # fmt: skip

# The chunks are as the upstream's writes were: nothing has been held back to join them.
STREAMS: Final = [
    Case("each event at once", 52, GET + END, SEEN, OPEN + b"Content-Type: text/event-stream\r\n" + TE + b"\r\n" + b"9\r\ndata: 1\n\n\r\n" + b"9\r\ndata: 2\n\n\r\n" + b"0\r\n\r\n", KEEP, says=(OPEN + b"Content-Type: text/event-stream\r\n\r\n", PAUSE, b"data: 1\n\n", b"data: 2\n\n", FIN)),
    Case("each chunk at once", 52, GET + END, SEEN, OPEN + TE + b"\r\n" + b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n", KEEP, says=(OPEN + TE + b"\r\n", b"1\r\na\r\n", b"1\r\nb\r\n", b"0\r\n\r\n")),
    Case("a head at once", 52, GET + END, SEEN, OK, KEEP, says=(OK[:-2], PAUSE, b"o", b"k")),
    Case("chunks that come together go on together", 52, GET + END, SEEN, OPEN + TE + b"\r\n2\r\nab\r\n0\r\n\r\n", KEEP, says=OPEN + TE + b"\r\n1\r\na\r\n1;x=y\r\nb\r\n0\r\n\r\n"),
]  # fmt: skip


def with_fields(fields: bytes) -> bytes:
    """Return an answer with fields."""
    return OPEN + fields + b"Content-Length: 0\r\n\r\n"


HEADS: Final = [
    *(
        Case(f"a head with {name}", 53, GET + END, SEEN, with_fields(fields), KEEP, says=with_fields(fields))
        for name, fields in (
            ("a field of 9 KB", b"X-A: " + b"y" * 9000 + b"\r\n"),
            ("a field of 64 KB", b"X-A: " + b"y" * 65_536 + b"\r\n"),
            ("a field of 200 KB", b"X-A: " + b"y" * 200_000 + b"\r\n"),
            ("200 fields", b"X-A: b\r\n" * 200),
            ("10,000 fields", b"X-A: b\r\n" * 10_000),
            ("no fields of its own", b""),
            ("names of every kind", b"!#$%&'*+-.^`|~9zZ: b\r\n"),
            ("a tab in a value", b"X-A: a\tb\r\n"),
        )
    ),
    Case("a head in two parts, split in its empty line", 53, GET + END, SEEN, OK, KEEP, says=(OK[:-3], OK[-3:])),
    *(
        Case(f"status line {line!r}", 54, GET + END, SEEN, line + b"\r\nContent-Length: 2\r\n\r\nok", KEEP, says=line + b"\r\nContent-Length: 2\r\n\r\nok")
        for line in (b"HTTP/1.1 200 ", b"HTTP/1.1 200 All is  well", b"HTTP/1.1 299 Odd", b"HTTP/1.1 400 Bad", b"HTTP/1.1 401 Who", b"HTTP/1.1 500 Oops", b"HTTP/1.1 502 Theirs", b"HTTP/1.1 599 x", b"HTTP/1.1 999 y")
    ),
]  # fmt: skip

# What curl, nginx and Caddy forgive, or RFC 9112 asks a proxy to mend: what is sent has none of it.
MENDED: Final = [
    *(Case(f"mended: {name}", 54, GET + END, SEEN, OPEN + seen + b"Content-Length: 2\r\n\r\nok", KEEP, says=says + b"ok")
    for name, seen, says in (
        ("LF for line ends", b"X-A: b\r\n", b"HTTP/1.1 200 OK\nX-A: b\nContent-Length: 2\n\n"),
        ("LF behind the status line", b"", b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\n"),
        ("LF behind one field", b"X-A: b\r\n", OPEN + b"X-A: b\nContent-Length: 2\r\n\r\n"),
        ("LF behind the last field", b"", OPEN + b"Content-Length: 2\n\r\n"),
        ("LF for the empty line", b"", OPEN + b"Content-Length: 2\r\n\n"),
        ("LF and what a route removes", b"X-A: a\r\n", OPEN + b"X-A: a\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\n"),
        ("a folded field", b"X-A: a b\r\n", OPEN + b"X-A: a\r\n \tb\r\nContent-Length: 2\r\n\r\n"),
        ("a folded field that a route removes", b"", OPEN + b"Set-Cookie: a\r\n b\r\nContent-Length: 2\r\n\r\n"),
        ("a blank before a colon", b"X-A: a\r\n", OPEN + b"X-A \t: a\r\nContent-Length: 2\r\n\r\n"),
        ("a blank before the colon of what a route removes", b"", OPEN + b"Set-Cookie : a\r\nContent-Length: 2\r\n\r\n"),
        ("control bytes in a value", b"X-A: a b c \r\n", OPEN + b"X-A: a\x01b\x0bc\x7f\r\nContent-Length: 2\r\n\r\n"),
        ("a name that is no token goes", b"", OPEN + b'X-Foo;: 1\r\n\xff: 2\r\n"X": 3\r\nContent-Length: 2\r\n\r\n'),
    )),
    Case("mended: control bytes in the reason", 54, GET + END, SEEN, b"HTTP/1.1 200 O  K\r\nContent-Length: 2\r\n\r\nok", KEEP, says=b"HTTP/1.1 200 O\x0b\x01K\r\nContent-Length: 2\r\n\r\nok"),
    Case("mended: LF in an early hint", 50, GET + END, SEEN, HINTS + OK, KEEP, says=HINTS.replace(b"\r", b"") + OK),
    Case("mended: LF in an early hint and in its answer", 50, GET + END, SEEN, HINTS + HINTS + OK, KEEP, says=(HINTS + HINTS).replace(b"\r", b"") + OK.replace(b"\r", b"")),
]  # fmt: skip

PACKED: Final = gzip.compress(b"x" * 100, mtime=0)


def with_body(fields: bytes, body: bytes) -> bytes:
    """Return an answer with fields and a body."""
    return OPEN + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body


UNCHANGED: Final = [
    Case("gzip stays packed", 54, GET + END, SEEN, with_body(b"Content-Encoding: gzip\r\n", PACKED), KEEP, says=with_body(b"Content-Encoding: gzip\r\n", PACKED)),
    Case("gzip that is none", 54, GET + END, SEEN, with_body(b"Content-Encoding: gzip\r\n", b"no gzip"), KEEP, says=with_body(b"Content-Encoding: gzip\r\n", b"no gzip")),
    Case("a coding that nobody knows", 54, GET + END, SEEN, with_body(b"Content-Encoding: x, y\r\n", b"z"), KEEP, says=with_body(b"Content-Encoding: x, y\r\n", b"z")),
    Case("no Content-Type", 54, GET + END, SEEN, with_body(b"", b"<p>"), KEEP, says=with_body(b"", b"<p>")),
    Case("a range", 54, GET + b"Range: bytes=0-1\r\n" + END, UP_GET + b"Range: bytes=0-1\r\n" + KEY, b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nok", KEEP, says=b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nok"),
    Case("a length on HEAD stays", 54, HEAD + END, UP_HEAD + KEY, OPEN + b"Content-Length: 99\r\n\r\n", KEEP, says=OPEN + b"Content-Length: 99\r\n\r\n"),
    Case("a length on 304 stays", 54, GET + END, SEEN, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", KEEP, says=b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
    Case("304 without length", 54, GET + END, SEEN, b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", KEEP, says=b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"),
    Case("204", 54, GET + END, SEEN, b"HTTP/1.1 204 No Content\r\n\r\n", KEEP, says=b"HTTP/1.1 204 No Content\r\n\r\n"),
    Case("204 with a length of 0 loses it (RFC 9110 8.6)", 54, GET + END, SEEN, b"HTTP/1.1 204 No Content\r\n\r\n", KEEP, says=b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
    Case("205 with a length of 0", 54, GET + END, SEEN, b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", KEEP, says=b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n"),
    Case("order, case and repetition stay", 54, GET + END, SEEN, with_fields(b"b: 1\r\nA: 2\r\nB: 3\r\n"), KEEP, says=with_fields(b"b: 1\r\nA: 2\r\nB: 3\r\n")),
    Case("spaces around a value stay", 54, GET + END, SEEN, with_fields(b"X-A:  b \r\nX-B:c\r\nX-C:\r\n"), KEEP, says=with_fields(b"X-A:  b \r\nX-B:c\r\nX-C:\r\n")),
    Case("HTTP/1.0 becomes HTTP/1.1", 54, GET + END, SEEN, OK, KEEP, says=OK.replace(b"1.1", b"1.0")),
    Case("an empty line before the answer is forgiven", 54, GET + END, SEEN, OK, KEEP, says=b"\r\n" + OK),
    *(
        Case(f"{field.decode()} is removed", 54, GET + END, SEEN, with_fields(b"X-A: b\r\n"), KEEP, says=with_fields(field + b"\r\nX-A: b\r\n"))
        for field in (b"Set-Cookie: s=1", b"Alt-Svc: h3", b"Strict-Transport-Security: max-age=1", b"Access-Control-Allow-Origin: *", b"access-control-allow-credentials: true", b"Proxy-Authenticate: Basic")
    ),
    Case("a page on the shared listener is put in a sandbox", 54, GET + b"Sec-Fetch-Site: none\r\nSec-Fetch-Dest: document\r\n" + END, UP_GET + b"Sec-Fetch-Site: none\r\nSec-Fetch-Dest: document\r\n" + KEY, OPEN + b"Content-Length: 2\r\nContent-Security-Policy: sandbox allow-scripts allow-forms\r\n\r\nok", KEEP),
]  # fmt: skip

WITH_TRAILER: Final = b"5\r\nhello\r\n0\r\nX-T: y\r\n\r\n"
WITHOUT: Final = OPEN + TE + b"\r\n5\r\nhello\r\n0\r\n\r\n"
ASKING: Final = GET + b"TE: trailers\r\nConnection: TE\r\n" + END

# DESIGN 3 removes TE and Trailer in both directions, so that nobody waits for what nginx drops too.
TRAILERS: Final = [
    Case("a trailer is dropped, as nginx does", 55, GET + END, SEEN, WITHOUT, KEEP, says=OPEN + TE + b"\r\n" + WITH_TRAILER),
    Case("an announced trailer is dropped with its announcement", 55, GET + END, SEEN, WITHOUT, KEEP, says=OPEN + b"Trailer: X-T\r\n" + TE + b"\r\n" + WITH_TRAILER),
    Case("a trailer is dropped also where it was asked for", 55, ASKING, SEEN, WITHOUT, KEEP, says=OPEN + b"Trailer: X-T\r\n" + TE + b"\r\n" + WITH_TRAILER),
    Case("a trailer is not passed to HTTP/1.0", 55, OLD + END, SEEN, OPEN + CLOSE + b"\r\nhello", says=OPEN + TE + b"\r\n" + WITH_TRAILER, behind=b""),
    Case("a session in a trailer is dropped", 55, GET + END, SEEN, WITHOUT, KEEP, says=OPEN + TE + b"\r\n5\r\nhello\r\n0\r\nSet-Cookie: s=1\r\n\r\n"),
    Case("many trailers are dropped", 55, GET + END, SEEN, WITHOUT, KEEP, says=OPEN + TE + b"\r\n5\r\nhello\r\n0\r\n" + b"X-T: y\r\n" * 100 + b"\r\n"),
]  # fmt: skip

CASES: Final = [*INTERIM, *EARLY, *STREAMS, *HEADS, *MENDED, *UNCHANGED, *TRAILERS]
