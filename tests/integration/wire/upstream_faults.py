"""Rows 43 to 49: an upstream that breaks off, is no HTTP, or says what nobody asked for."""

from __future__ import annotations

from typing import Final

from tests.integration.rig.upstream import OK
from tests.integration.wire.case import (
    BROKEN,
    CL5,
    CUT,
    END,
    FIELDS,
    FIN,
    GET,
    HEAD,
    HELLO,
    KEEP,
    KEY,
    OLD,
    PAUSE,
    POST,
    RESET,
    RST,
    SLOW,
    UP_FIELDS,
    UP_GET,
    UP_HEAD,
    UP_POST,
    Case,
    Each,
)


SEEN: Final = UP_GET + KEY
OPEN: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
IMPATIENT: Final = {"timeouts": {"response": "200ms", "idle": "200ms"}}
MANY: Final = b"HTTP/1.1 103 Early Hints\r\nX-A: yyyyyyyyyyyyyyyyyyyy\r\n\r\n" * 12_000

NO_HTTP: Final = {
    "an SSH banner": b"SSH-2.0-OpenSSH_9\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.10": b"HTTP/1.10 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9 with a status": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "RTSP/1.0": b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "ICY": b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "a status with a letter": b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status 000": b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "a space before the status line": b" HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "two spaces before the status": b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    "a letter for the length": OPEN + b"Content-Length: x\r\n\r\n",
    "a negative length": OPEN + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": OPEN + b"Content-Length: +2\r\n\r\nok",
    "a length in hexadecimal": OPEN + b"Content-Length: 0x2\r\n\r\nok",
    "an empty length": OPEN + b"Content-Length:\r\n\r\nok",
    "a length over 64 bits": OPEN + b"Content-Length: 18446744073709551618\r\n\r\nok",
    "two lengths": OPEN + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nok",
    "one length twice": OPEN + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a list of lengths": OPEN + b"Content-Length: 2, 2\r\n\r\nok",
    "CL and TE": OPEN + b"Content-Length: 2\r\n" + CHUNKED + b"\r\n2\r\nok\r\n0\r\n\r\n",
    "TE and CL": OPEN + CHUNKED + b"Content-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "TE gzip, chunked": OPEN + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "TE gzip": OPEN + b"Transfer-Encoding: gzip\r\n\r\nok",
    "TE identity": OPEN + b"Transfer-Encoding: identity\r\n\r\nok",
    "TE chunked, identity": OPEN + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "TE xchunked": OPEN + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE twice": OPEN + CHUNKED * 2 + b"\r\n0\r\n\r\n",
    "TE empty": OPEN + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "TE in HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "CR for line ends": b"HTTP/1.1 200 OK\rContent-Length: 0\r\r",
    "a folded length": OPEN + b"Content-Length:\r\n 0\r\n\r\n",
    "a folded coding": OPEN + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a fold before a colon": OPEN + b"X-A\r\n : a\r\nContent-Length: 0\r\n\r\n",
    "a fold of nothing": OPEN + b"X-A: a\r\n \r\nContent-Length: 0\r\n\r\n",
    "a fold before any field": OPEN + b" X-A: a\r\nContent-Length: 0\r\n\r\n",
    "a space before a length's colon": OPEN + b"Content-Length : 0\r\n\r\n",
    "a tab before a coding's colon": OPEN + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "a control byte in a length": OPEN + b"Content-Length: 0\x0b\r\n\r\n",
    "a control byte in a coding": OPEN + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a control byte in a name": OPEN + b"Content-Length\x01: 2\r\n\r\nok",
    "a length with ;": OPEN + b"Content-Length;: 2\r\n\r\nok",
    "a coding beyond ASCII": OPEN + b"Transfer-Encoding\xff: chunked\r\n\r\n0\r\n\r\n",
    "two lengths with LF": OPEN + b"Content-Length: 1\nContent-Length: 2\n\nok",
    "CL and TE with LF": OPEN + b"Content-Length: 2\n" + CHUNKED + b"\n2\r\nok\r\n0\r\n\r\n",
    "a CR more before LF": OPEN + b"X-A: a\r\r\nContent-Length: 0\r\n\r\n",
    "CR in a value": OPEN + b"X-A: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": OPEN + b"X-A: a\0b\r\nContent-Length: 0\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    "a space in a name": OPEN + b"X A: a\r\nContent-Length: 0\r\n\r\n",
    "no colon": OPEN + b"X-A\r\nContent-Length: 0\r\n\r\n",
    "an empty name": OPEN + b": a\r\nContent-Length: 0\r\n\r\n",
    "a head of 600 KB": OPEN + b"X-A: " + b"y" * 600_000,
    "early hints without end": MANY,
}

BEFORE_THE_HEAD: Final = [
    Case("closed without answer", 43, GET + END, SEEN, BROKEN, KEEP, says=(FIN,)),
    Case("reset without answer", 43, GET + END, SEEN, BROKEN, KEEP, says=(RST,)),
    Case("closed without answer, to a POST", 43, POST + CL5 + HELLO, UP_POST + CL5 + KEY + b"hello", BROKEN, KEEP, says=(FIN,)),
    Case("closed in the status line", 43, GET + END, SEEN, BROKEN, KEEP, says=(b"HTTP/1.1 20", FIN)),
    Case("reset in the status line", 43, GET + END, SEEN, BROKEN, KEEP, says=(b"HTTP/1.1 20", RST)),
    Case("closed in the fields", 43, GET + END, SEEN, BROKEN, KEEP, says=(OPEN + b"X-A: b\r\n", FIN)),
    Case("reset in the fields", 43, GET + END, SEEN, BROKEN, KEEP, says=(OPEN + b"X-A: b\r\n", RST)),
    Case("closed before the empty line", 43, GET + END, SEEN, BROKEN, KEEP, says=(OK[:-4], FIN)),
    Case("closed behind a 100", 43, GET + END, SEEN, BROKEN, KEEP, says=(b"HTTP/1.1 100 Continue\r\n\r\n", FIN)),
    Case("silent for too long", 43, GET + END, SEEN, SLOW, KEEP, says=(), route=IMPATIENT),
    Case("silent in the head for too long", 43, GET + END, SEEN, SLOW, KEEP, says=OPEN, route=IMPATIENT),
    *(Case(f"not HTTP/1.1: {name}", 43, GET + END, SEEN, BROKEN, KEEP, says=says) for name, says in NO_HTTP.items()),
    *(Case(f"not HTTP/1.1, and closed: {name}", 43, GET + END, SEEN, BROKEN, KEEP, says=(NO_HTTP[name], FIN)) for name in ("an SSH banner", "HTTP/0.9", "CL and TE", "two lengths")),
    Case("407 is no answer for us", 43, GET + END, SEEN, BROKEN, KEEP, says=b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"),
]  # fmt: skip

HALF: Final = OPEN + b"Content-Length: 10\r\n\r\nhello"
HALF_CHUNKED: Final = OPEN + CHUNKED + b"\r\n5\r\nhello\r\n"
UNTOLD: Final = OPEN + b"\r\nhello"
GONE_ON: Final = OPEN + CHUNKED + b"\r\n5\r\nhello\r\n"

IN_THE_BODY: Final = [
    *(
        case
        for how in (FIN, RST)
        for case in (
            Case(f"{how.name} in a length", 44, GET + END, SEEN, HALF, CUT, says=(HALF, how)),
            Case(f"{how.name} behind the head of a length", 44, GET + END, SEEN, HALF[:-5], CUT, says=(HALF[:-5], how)),
            Case(f"{how.name} between chunks", 44, GET + END, SEEN, GONE_ON, CUT, says=(HALF_CHUNKED, how)),
            Case(f"{how.name} in a chunk", 44, GET + END, SEEN, GONE_ON, CUT, says=(OPEN + CHUNKED + b"\r\na\r\nhello", how)),
            Case(f"{how.name} in a chunk's size", 44, GET + END, SEEN, GONE_ON, CUT, says=(HALF_CHUNKED + b"5", how)),
            Case(f"{how.name} behind the last size", 44, GET + END, SEEN, GONE_ON, CUT, says=(HALF_CHUNKED + b"0\r\n", how)),
            Case(f"{how.name} in a trailer", 44, GET + END, SEEN, GONE_ON, CUT, says=(HALF_CHUNKED + b"0\r\nX-T: y\r\n", how)),
            Case(f"{how.name} before the first chunk", 44, GET + END, SEEN, OPEN + CHUNKED + b"\r\n", CUT, says=(OPEN + CHUNKED + b"\r\n", how)),
        )
    ),
    *(
        Case(f"a bad chunk: {bad!r}", 44, GET + END, SEEN, GONE_ON, CUT, says=HALF_CHUNKED + bad)
        for bad in (b"zz\r\n", b"-1\r\n", b"0x5\r\n", b"+5\r\n", b" 5\r\n", b"5\nhello", b"\r\n", b"0\n\n", b"0\r\n\rX", b"1" * 40 + b"\r\n", b"\x00\r\n")
    ),
    Case("more in a chunk than told: what came before passes", 44, GET + END, SEEN, OPEN + CHUNKED + b"\r\na\r\nhellohello\r\n", CUT, says=HALF_CHUNKED + b"5\r\nhello!"),
    Case("silent in the body for too long", 44, GET + END, SEEN, HALF, CUT, says=HALF, route=IMPATIENT),
    Case("silent between chunks for too long", 44, GET + END, SEEN, GONE_ON, CUT, says=HALF_CHUNKED, route=IMPATIENT),
    *(
        Case(f"{name}, towards HTTP/1.0", 45, OLD + END, SEEN, OPEN + b"Connection: close\r\n\r\nhello", RESET, says=says, behind=b"")
        for name, says in (
            ("FIN between chunks", (HALF_CHUNKED, FIN)),
            ("RST between chunks", (HALF_CHUNKED, RST)),
            ("FIN in a chunk", (OPEN + CHUNKED + b"\r\na\r\nhello", FIN)),
            ("a bad chunk", (HALF_CHUNKED + b"zz\r\n",)),
            ("RST behind no length", (UNTOLD, RST)),
        )
    ),
    Case("FIN in a length, towards HTTP/1.0", 45, OLD + END, SEEN, OPEN + b"Content-Length: 10\r\nConnection: close\r\n\r\nhello", CUT, says=(HALF, FIN), behind=b""),
    Case("RST ends what only closing ends", 46, GET + END, SEEN, GONE_ON, CUT, says=(UNTOLD, RST)),
    Case("RST behind the head of what only closing ends", 46, GET + END, SEEN, OPEN + CHUNKED + b"\r\n", CUT, says=(OPEN + b"\r\n", RST)),
    Case("RST ends what `Connection: close` announced", 46, GET + END, SEEN, GONE_ON, CUT, says=(OPEN + b"Connection: close\r\n\r\nhello", RST)),
    Case("RST ends HTTP/1.0", 46, GET + END, SEEN, GONE_ON, CUT, says=(b"HTTP/1.0 200 OK\r\n\r\nhello", RST)),
    Case("FIN ends what only closing ends", 46, GET + END, SEEN, GONE_ON + b"0\r\n\r\n", KEEP, says=(UNTOLD, FIN)),
    Case("FIN ends HTTP/1.0", 46, GET + END, SEEN, GONE_ON + b"0\r\n\r\n", KEEP, says=(b"HTTP/1.0 200 OK\r\n\r\nhello", FIN)),
]  # fmt: skip

EVIL: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nevil!!"

# The canary is the next user of the connection: it never gets these bytes.
UNASKED: Final = [
    Case("an answer on an idle connection", 47, GET + END, SEEN, OK, KEEP, says=(OK, PAUSE, EVIL), apart=True),
    Case("half an answer on an idle connection", 47, GET + END, SEEN, OK, KEEP, says=(OK, PAUSE, b"HTTP/1.1 200 OK\r\nX-A"), apart=True),
    Case("one byte on an idle connection", 47, GET + END, SEEN, OK, KEEP, says=(OK, PAUSE, b"\r"), apart=True),
    Case("a 408 on an idle connection, as servers send before they close", 47, GET + END, SEEN, OK, KEEP, says=(OK, PAUSE, b"HTTP/1.1 408 Slow\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", FIN), apart=True),
    Case("an early hint on an idle connection", 47, GET + END, SEEN, OK, KEEP, says=(OK, PAUSE, b"HTTP/1.1 103 Early Hints\r\n\r\n"), apart=True),
    Case("two answers at once", 48, GET + END, SEEN, OK, KEEP, says=OK + EVIL),
    Case("an answer and one byte", 48, GET + END, SEEN, OK, KEEP, says=OK + b"x"),
    Case("an answer and an empty line", 48, GET + END, SEEN, OK, KEEP, says=OK + b"\r\n"),
    Case("two answers at once, the first in chunks", 48, GET + END, SEEN, GONE_ON + b"0\r\n\r\n", KEEP, says=GONE_ON + b"0\r\n\r\n" + EVIL),
    Case("an answer and a request", 48, GET + END, SEEN, OK, KEEP, says=OK + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    Case("a body on HEAD", 48, HEAD + END, UP_HEAD + KEY, OK[:-2], KEEP, says=OK),
    Case("chunks on HEAD", 48, HEAD + END, UP_HEAD + KEY, OPEN + b"\r\n", KEEP, says=GONE_ON + b"0\r\n\r\n"),
    Case("an answer as the body on HEAD", 48, HEAD + END, UP_HEAD + KEY, OPEN + b"Content-Length: 44\r\n\r\n", KEEP, says=OPEN + b"Content-Length: 44\r\n\r\n" + EVIL),
    Case("a body on 204", 48, GET + END, SEEN, b"HTTP/1.1 204 No Content\r\n\r\n", KEEP, says=b"HTTP/1.1 204 No Content\r\n\r\nhello"),
    Case("a body with its length on 204", 48, GET + END, SEEN, b"HTTP/1.1 204 No Content\r\n\r\n", KEEP, says=b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
    Case("an answer on 204", 48, GET + END, SEEN, b"HTTP/1.1 204 No Content\r\n\r\n", KEEP, says=b"HTTP/1.1 204 No Content\r\n\r\n" + EVIL),
    Case("a body on 304", 48, GET + END, SEEN, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", KEEP, says=b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"),
    Case("an answer on 304", 48, GET + END, SEEN, b"HTTP/1.1 304 Not Modified\r\n\r\n", KEEP, says=b"HTTP/1.1 304 Not Modified\r\n\r\n" + EVIL),
    Case("more than the length tells", 48, GET + END, SEEN, OK, KEEP, says=OK + b"evil"),
    Case("a body behind length 0", 48, GET + END, SEEN, OPEN + b"Content-Length: 0\r\n\r\n", KEEP, says=OPEN + b"Content-Length: 0\r\n\r\nevil"),
]  # fmt: skip

ANOTHER: Final = b"GET /api/y HTTP/1.1\r\n" + FIELDS + END
SEEN_ANOTHER: Final = b"GET /y HTTP/1.1\r\n" + UP_FIELDS + KEY
PUT: Final = b"PUT /api/y HTTP/1.1\r\n" + FIELDS + CL5 + HELLO
SEEN_PUT: Final = b"PUT /y HTTP/1.1\r\n" + UP_FIELDS + CL5 + KEY + b"hello"
POSTED: Final = POST + CL5 + HELLO
SEEN_POSTED: Final = UP_POST + CL5 + KEY + b"hello"

KEPT: Final = [
    Case("a kept connection closed in answer to GET: once more", 49, GET + END + ANOTHER, (SEEN, SEEN_ANOTHER, SEEN_ANOTHER), (OK, OK), KEEP, says=Each((OK, (FIN,), OK))),
    Case("a kept connection reset in answer to GET: once more", 49, GET + END + ANOTHER, (SEEN, SEEN_ANOTHER, SEEN_ANOTHER), (OK, OK), KEEP, says=Each((OK, (RST,), OK))),
    Case("a kept connection closed in answer to PUT: once more", 49, GET + END + PUT, (SEEN, SEEN_PUT, SEEN_PUT), (OK, OK), KEEP, says=Each((OK, (FIN,), OK))),
    Case("a kept connection closed in answer to POST: never twice", 49, GET + END + POSTED, (SEEN, SEEN_POSTED), (OK, BROKEN), KEEP, says=Each((OK, (FIN,), OK))),
    Case("a kept connection reset in answer to POST: never twice", 49, GET + END + POSTED, (SEEN, SEEN_POSTED), (OK, BROKEN), KEEP, says=Each((OK, (RST,), OK))),
    Case("a POST without body: never twice", 49, GET + END + POST + END, (SEEN, UP_POST + KEY), (OK, BROKEN), KEEP, says=Each((OK, (FIN,), OK))),
    Case("closed in answer to the repetition too: 502", 49, GET + END + ANOTHER, (SEEN, SEEN_ANOTHER, SEEN_ANOTHER), (OK, BROKEN), KEEP, says=Each((OK, (FIN,), (FIN,)))),
    Case("closed with one byte of answer: not repeated", 49, GET + END + ANOTHER, (SEEN, SEEN_ANOTHER), (OK, BROKEN), KEEP, says=Each((OK, (b"H", FIN), OK))),
    Case("a new connection closed without answer: not repeated", 49, GET + END, SEEN, BROKEN, KEEP, says=(FIN,)),
    Case("closed behind its answer: the next gets a new connection", 49, GET + END, SEEN, OK, KEEP, says=(OK, FIN), apart=True),
    Case("reset behind its answer: the next gets a new connection", 49, GET + END, SEEN, OK, KEEP, says=(OK, RST), apart=True),
    Case("`Connection: close` behind its answer: a POST gets a new connection", 49, GET + END + POSTED, (SEEN, SEEN_POSTED), (OK, OK), KEEP, says=Each((OPEN + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", OK))),
]  # fmt: skip

CASES: Final = [*BEFORE_THE_HEAD, *IN_THE_BODY, *UNASKED, *KEPT]
