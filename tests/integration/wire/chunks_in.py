"""Rows 9 to 12: chunks, what is no HTTP at all, and clients that leave in the middle."""

from __future__ import annotations

from typing import Final

from tests.integration.rig.upstream import OK
from tests.integration.wire.case import (
    BAD,
    CLOSED,
    END,
    FIN,
    GET,
    KEEP,
    KEY,
    LEFT,
    POST,
    RST,
    TE,
    UNREADABLE,
    UP_POST,
    Arrived,
    Case,
)


START: Final = POST + TE + END
SEEN: Final = UP_POST + TE + KEY
WHOLE: Final = SEEN + b"5\r\nhello\r\n0\r\n\r\n"

BAD_CHUNKS: Final = [
    ("size 0x5", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("size +5", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("size -5", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("size 5_0", b"5_0\r\nhello\r\n0\r\n\r\n"),
    ("space before the size", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("tab before the size", b"\t5\r\nhello\r\n0\r\n\r\n"),
    ("size 5Z", b"5Z\r\nhello\r\n0\r\n\r\n"),
    ("size g", b"g\r\nhello\r\n0\r\n\r\n"),
    ("no size", b"\r\nhello\r\n0\r\n\r\n"),
    ("an extension and no size", b";a=b\r\nhello\r\n0\r\n\r\n"),
    ("size of 100 digits", b"1" * 100 + b"\r\nhello\r\n0\r\n\r\n"),
    ("size of 17 digits that is 5 in 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("LF behind the size", b"5\nhello\r\n0\r\n\r\n"),
    ("CR behind the size", b"5\rhello\r\n0\r\n\r\n"),
    ("CR CR LF behind the size", b"5\r\r\nhello\r\n0\r\n\r\n"),
    ("NUL behind the size", b"5\0\r\nhello\r\n0\r\n\r\n"),
    ("LF behind the data", b"5\r\nhello\n0\r\n\r\n"),
    ("CR behind the data", b"5\r\nhello\r0\r\n\r\n"),
    ("nothing behind the data", b"5\r\nhello0\r\n\r\n"),
    ("more data than told", b"5\r\nhello!\r\n0\r\n\r\n"),
    ("less data than told", b"6\r\nhello\r\n0\r\n\r\n"),
    ("LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    ("CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("NUL in an extension", b"5;a\0\r\nhello\r\n0\r\n\r\n"),
    ("LF at the end of an extension", b"5;a\nhello\r\n0\r\n\r\n"),
    ("LF behind the last size", b"5\r\nhello\r\n0\n\r\n"),
    ("LF for the last line", b"5\r\nhello\r\n0\r\n\n"),
    ("two LF at the end", b"5\r\nhello\r\n0\n\n"),
    ("CR X at the end", b"5\r\nhello\r\n0\r\n\rX"),
    ("a trailer without colon", b"5\r\nhello\r\n0\r\nX Y\r\n\r\n"),
    ("a trailer with a space before the colon", b"5\r\nhello\r\n0\r\nX : y\r\n\r\n"),
    ("a trailer that is folded", b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"),
    ("a trailer that ends in LF", b"5\r\nhello\r\n0\r\nX: y\n\r\n"),
    (
        "a trailer with a length, which may not be one",
        b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
    ),
    ("a trailer with a coding", b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("a trailer with NUL", b"5\r\nhello\r\n0\r\nX: \0\r\n\r\n"),
]
GOOD_CHUNKS: Final = [
    ("one chunk", b"5\r\nhello\r\n0\r\n\r\n"),
    ("two chunks", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    ("a chunk for each byte", b"1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n"),
    ("zeros before the size", b"0005\r\nhello\r\n0\r\n\r\n"),
    ("zeros for the last size", b"5\r\nhello\r\n0000\r\n\r\n"),
    ("an extension", b"5;a=b\r\nhello\r\n0\r\n\r\n"),
    ("an extension without value", b"5;a\r\nhello\r\n0\r\n\r\n"),
    ("an extension that is quoted", b'5;a="b;c"\r\nhello\r\n0\r\n\r\n'),
    ("two extensions", b"5;a=b;c=d\r\nhello\r\n0\r\n\r\n"),
    ("an extension of the last chunk", b"5\r\nhello\r\n0;a=b\r\n\r\n"),
    ("a trailer", b"5\r\nhello\r\n0\r\nX-T: SPOOR\r\n\r\n"),
    ("a trailer with a Host", b"5\r\nhello\r\n0\r\nHost: evil.example\r\n\r\n"),
    (
        "a trailer with a credential",
        b"5\r\nhello\r\n0\r\nAuthorization: A-KEY-OF-THE-CLIENTS-OWN\r\n\r\n",
    ),
]

CHUNKED: Final = [
    *(
        Case(f"chunks: {name}", 9, START + body, answer=BAD)
        for name, body in BAD_CHUNKS
    ),
    *(
        Case(f"chunks: {name}", 10, START + body, WHOLE, OK, KEEP)
        for name, body in GOOD_CHUNKS
    ),
    Case("chunks: size in capitals", 10, START + b"A\r\n0123456789\r\n0\r\n\r\n", SEEN + b"a\r\n0123456789\r\n0\r\n\r\n", OK, KEEP),
    Case("chunks: none but the last", 10, START + b"0\r\n\r\n", SEEN + b"0\r\n\r\n", OK, KEEP),
    Case("chunks: an announced trailer", 10, POST + b"Trailer: X-T\r\n" + TE + END + b"5\r\nhello\r\n0\r\nX-T: y\r\n\r\n", WHOLE, OK, KEEP),
    Case("chunks: a trailer never becomes a field of the next request", 10, START + b"5\r\nhello\r\n0\r\nX-T: SPOOR\r\n\r\n", WHOLE, OK, KEEP, apart=True),
    Case("chunks: a trailer that asks for an upgrade", 10, START + b"5\r\nhello\r\n0\r\nUpgrade: h2c\r\n\r\n", WHOLE, OK, KEEP),
    Case("chunks: a trailer that says close", 10, START + b"5\r\nhello\r\n0\r\nConnection: close\r\n\r\n", WHOLE, OK, KEEP),
    Case("chunks: a trailer with an Origin", 10, START + b"5\r\nhello\r\n0\r\nOrigin: https://evil.example\r\n\r\n", WHOLE, OK, KEEP),
    Case("chunks: a space behind the size is refused, where nginx is lenient", 9, START + b"5 \r\nhello\r\n0\r\n\r\n", answer=BAD),
    Case("chunks: in segments", 10, (START, Arrived(KEY), b"5\r\nhel", b"lo\r\n0\r\n\r\n"), SEEN + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", OK, KEEP),
    Case("chunks on GET", 10, GET + TE + END + b"5\r\nhello\r\n0\r\n\r\n", WHOLE.replace(b"POST", b"GET"), OK, KEEP),
]  # fmt: skip

# When the head has gone on: what had come before the fault has gone too, the end never does.
LATER: Final = [
    Case("chunks, later: no size", 9, (START, Arrived(KEY), b"zz\r\nhello\r\n0\r\n\r\n"), SEEN, BAD),
    Case("chunks, later: size +5", 9, (START, Arrived(KEY), b"+5\r\nhello\r\n0\r\n\r\n"), SEEN, BAD),
    Case("chunks, later: size 0x5", 9, (START, Arrived(KEY), b"0x5\r\nhello\r\n0\r\n\r\n"), SEEN, BAD),
    Case("chunks, later: size of 100 digits", 9, (START, Arrived(KEY), b"1" * 100 + b"\r\n"), SEEN, BAD),
    Case("chunks, later: LF behind the size", 9, (START, Arrived(KEY), b"5\nhello\r\n0\r\n\r\n"), SEEN, BAD),
    Case("chunks, later: CR behind the size", 9, (START, Arrived(KEY), b"5\rhello\r\n0\r\n\r\n"), SEEN, BAD),
    Case("chunks, later: behind a good one", 9, (START + b"5\r\nhello\r\n", Arrived(b"hello\r\n"), b"zz\r\n"), SEEN + b"5\r\nhello\r\n", BAD),
    Case("chunks, later: LF behind the data", 9, (START + b"5\r\nhello", Arrived(b"hello\r\n"), b"\n0\r\n\r\n"), SEEN + b"5\r\nhello\r\n", BAD),
    Case("chunks, later: more data than told", 9, (START + b"5\r\nhello", Arrived(b"hello\r\n"), b"!\r\n0\r\n\r\n"), SEEN + b"5\r\nhello\r\n", BAD),
    Case("chunks, later: LF behind the last size", 9, (START + b"5\r\nhello\r\n0", Arrived(b"hello\r\n"), b"\n\r\n"), SEEN + b"5\r\nhello\r\n", BAD),
    Case("chunks, later: LF for the last line", 9, (START + b"5\r\nhello\r\n0\r\n", Arrived(b"hello\r\n"), b"\n"), SEEN + b"5\r\nhello\r\n", BAD),
    Case("chunks, later: a bad trailer", 9, (START + b"5\r\nhello\r\n0\r\n", Arrived(b"hello\r\n"), b"X Y\r\n\r\n"), SEEN + b"5\r\nhello\r\n", BAD),
]  # fmt: skip

HALF_CL: Final = POST + b"Content-Length: 50\r\n" + END + b"hello"
HALF_TE: Final = START + b"5\r\nhello\r\n"
SEEN_CL: Final = UP_POST + b"Content-Length: 50\r\n" + KEY + b"hello"

LEAVING: Final = [
    Case("leaves by FIN in the middle of a length", 11, (HALF_CL, Arrived(b"hello"), FIN), SEEN_CL, after=LEFT),
    Case("leaves by RST in the middle of a length", 11, (HALF_CL, Arrived(b"hello"), RST), SEEN_CL, after=LEFT),
    Case("leaves by FIN between chunks", 11, (HALF_TE, Arrived(b"hello\r\n"), FIN), SEEN + b"5\r\nhello\r\n", after=LEFT),
    Case("leaves by RST between chunks", 11, (HALF_TE, Arrived(b"hello\r\n"), RST), SEEN + b"5\r\nhello\r\n", after=LEFT),
    Case("leaves by FIN in a chunk", 11, (START + b"a\r\nhello", Arrived(b"hello"), FIN), SEEN + b"5\r\nhello\r\n", after=LEFT),
    Case("leaves by FIN behind the last size", 11, (HALF_TE + b"0\r\n", Arrived(b"hello\r\n"), FIN), SEEN + b"5\r\nhello\r\n", after=LEFT),
    Case("leaves by FIN behind the head of an upload", 11, (START, Arrived(KEY), FIN), SEEN, after=LEFT),
    Case("leaves by RST behind the head of an upload", 11, (START, Arrived(KEY), RST), SEEN, after=LEFT),
]  # fmt: skip

GARBAGE: Final = [
    Case("control bytes", 12, b"\x01\x02SPOOR\r\n\r\n", answer=BAD),
    Case("NULs", 12, b"\0" * 1000 + b"SPOOR", answer=BAD),
    Case("a TLS hello", 12, bytes.fromhex("16030100c8010000c40303") + b"SPOOR" * 20, answer=BAD),
    Case("an SSLv2 hello", 12, bytes.fromhex("802e0100020015000000") + b"SPOOR", answer=BAD),
    Case("the HTTP/2 preface", 12, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nSPOOR", answer=UNREADABLE),
    Case("an SSH banner", 12, b"SSH-2.0-SPOOR\r\n", answer=BAD),
    Case("a SOCKS4 hello", 12, b"\x04\x01\x00\x50\x7f\0\0\x01SPOOR\0", answer=BAD),
    Case("a SOCKS5 hello", 12, b"\x05\x01\0SPOOR", answer=BAD),
    Case("a PROXY line, version 1", 12, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 SPOOR\r\n", answer=UNREADABLE),
    Case("a PROXY header, version 2", 12, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0cSPOOR", answer=BAD),
    Case("JSON", 12, b'{"SPOOR": 1}\r\n\r\n', answer=BAD),
    Case("an answer", 12, b"HTTP/1.1 200 OK\r\nX-Mark: SPOOR\r\n\r\n", answer=UNREADABLE),
    Case("empty lines before a request are forgiven", 12, b"\r\n\r\n" + GET + END, UP_POST.replace(b"POST", b"GET") + KEY, OK, KEEP),
    Case("more bytes than the length tells are a request that is none", 38, POST + b"Content-Length: 5\r\n\r\nhelloSPOOR\r\n\r\n", UP_POST + b"Content-Length: 5\r\n" + KEY + b"hello", (OK, UNREADABLE), CLOSED),
]  # fmt: skip

CASES: Final = [*CHUNKED, *LATER, *LEAVING, *GARBAGE]
