"""Rows 13 to 16 and 20: request lines and fields by the letter of RFC 9112, or not."""

from __future__ import annotations

from typing import Final

from tests.integration.rig.upstream import OK
from tests.integration.wire.case import (
    BAD,
    BAD_OR_METHOD,
    BAD_OR_VERSION,
    END,
    FIELDS,
    GET,
    HELLO,
    KEEP,
    KEY,
    OK_CLOSE,
    POST,
    UNREADABLE,
    UP_GET,
    UP_POST,
    Case,
)


CONTROLS: Final = [byte for byte in (*range(32), 127) if byte not in (0, 9, 10, 13)]
HIGH: Final = bytes(range(0x80, 0x100))


def line(text: bytes) -> bytes:
    """Return a GET with another request line."""
    return text + b"\r\n" + FIELDS + END


NAMES: Final = [
    Case("a space before the colon", 13, GET + b"X-A : b\r\n" + END, answer=BAD),
    Case("a tab before the colon", 13, GET + b"X-A\t: b\r\n" + END, answer=BAD),
    Case("a space before Host's colon", 13, b"GET /api/x HTTP/1.1\r\nHost : localhost\r\nX-Mark: SPOOR\r\n\r\n", answer=BAD),
    Case("a leading space on the first field", 13, b"GET /api/x HTTP/1.1\r\n " + FIELDS + END, answer=BAD),
    Case("a leading tab on the first field", 13, b"GET /api/x HTTP/1.1\r\n\t" + FIELDS + END, answer=BAD),
    Case("no colon", 13, GET + b"SPOOR\r\n" + END, answer=BAD),
    Case("no colon on the first field", 13, b"GET /api/x HTTP/1.1\r\nSPOOR\r\nHost: localhost\r\n\r\n", answer=BAD),
    Case("no colon on the last field", 13, GET + b"X-A: b\r\nSPOOR\r\n" + END, answer=BAD),
    Case("an empty name", 13, GET + b": SPOOR\r\n" + END, answer=BAD),
    Case("a colon alone", 13, GET + b":\r\n" + END, answer=BAD),
    Case("a space in a name", 13, GET + b"X A: b\r\n" + END, answer=BAD),
    Case("NUL in a name", 13, GET + b"X\0A: b\r\n" + END, answer=BAD),
    Case("CR in a name", 13, GET + b"X\rA: b\r\n" + END, answer=BAD),
    Case("LF in a name", 13, GET + b"X\nA: b\r\n" + END, answer=BAD),
    *(Case(f"{c} in a name", 13, GET + b"X" + c.encode() + b"A: b\r\n" + END, answer=BAD) for c in '()<>@,;\\"/[]?={}'),
    Case("UTF-8 in a name", 13, GET + "X-caf\u00e9: b\r\n".encode() + END, answer=BAD),
    Case("Latin-1 in a name", 13, GET + b"X-caf\xe9: b\r\n" + END, answer=BAD),
    Case("all that a name may hold", 13, GET + b"!#$%&'*+-.^`|~9zZ: b\r\n" + END, UP_GET + b"!#$%&'*+-.^`|~9zZ: b\r\n" + KEY, OK, KEEP),
    Case("a value with colons", 13, GET + b"X-A: b:c: d\r\n" + END, UP_GET + b"X-A: b:c: d\r\n" + KEY, OK, KEEP),
]  # fmt: skip

VALUES: Final = [
    Case("NUL in a value", 14, GET + b"X-A: b\0c\r\n" + END, answer=BAD),
    Case("CR in a value", 14, GET + b"X-A: b\rX-B: c\r\n" + END, answer=BAD),
    Case("CR at the end of a value", 14, GET + b"X-A: b\r\r\n" + END, answer=BAD),
    Case("LF in a value", 14, GET + b"X-A: b\nX-B: c\r\n" + END, answer=BAD),
    Case("LF at the end of a value", 14, GET + b"X-A: b\n\r\n" + END, answer=BAD),
    Case("LF LF in a value: an end of the head to some", 14, GET + b"X-A: b\n\nGET /api/smuggled HTTP/1.1\r\n" + END, answer=BAD),
    Case("CR CR in a value", 14, GET + b"X-A: b\r\rGET /api/smuggled HTTP/1.1\r\n" + END, answer=BAD),
    *(Case(f"0x{c:02x} in a value", 14, GET + b"X-A: b" + bytes([c]) + b"c\r\n" + END, answer=BAD) for c in CONTROLS),
    Case("a folded value", 14, GET + b"X-A: b\r\n SPOOR\r\n" + END, answer=BAD),
    Case("a value folded with a tab", 14, GET + b"X-A: b\r\n\tSPOOR\r\n" + END, answer=BAD),
    Case("a folded Host", 14, b"GET /api/x HTTP/1.1\r\nHost:\r\n localhost\r\nX-Mark: SPOOR\r\n\r\n", answer=BAD),
    Case("a folded empty line", 14, GET + b"X-A: b\r\n \r\n" + END, answer=BAD),
    Case("LF for all line ends", 14, (GET + END).replace(b"\r\n", b"\n"), answer=BAD),
    Case("LF behind the request line", 14, (GET + END).replace(b"\r\n", b"\n", 1), answer=BAD),
    Case("LF for the empty line", 14, GET + b"\n", answer=BAD),
    Case("CR for all line ends", 14, (GET + END).replace(b"\r\n", b"\r"), answer=BAD),
    Case("CR CR LF for line ends", 14, (GET + END).replace(b"\r\n", b"\r\r\n"), answer=BAD),
    Case("LF CR for line ends", 14, (GET + END).replace(b"\r\n", b"\n\r"), answer=BAD),
    Case("a tab in a value stays", 14, GET + b"X-A: b\tc\r\n" + END, UP_GET + b"X-A: b\tc\r\n" + KEY, OK, KEEP),
    Case("an empty value stays", 14, GET + b"X-A:\r\n" + END, UP_GET + b"X-A: \r\n" + KEY, OK, KEEP),
    Case("spaces around a value go", 14, GET + b"X-A: \t b \t\r\n" + END, UP_GET + b"X-A: b\r\n" + KEY, OK, KEEP),
    Case("Latin-1 in a value stays", 15, GET + b"X-A: caf\xe9\r\n" + END, UP_GET + b"X-A: caf\xe9\r\n" + KEY, OK, KEEP),
    Case("UTF-8 in a value stays", 15, GET + b"X-A: caf\xc3\xa9\r\n" + END, UP_GET + b"X-A: caf\xc3\xa9\r\n" + KEY, OK, KEEP),
    Case("every high byte in a value stays", 15, GET + b"X-A: " + HIGH + b"\r\n" + END, UP_GET + b"X-A: " + HIGH + b"\r\n" + KEY, OK, KEEP),
    Case("high bytes in an answer stay", 15, GET + END, UP_GET + KEY, b"HTTP/1.1 200 caf\xe9\r\nX-A: " + HIGH + b"\r\nContent-Length: 0\r\n\r\n", KEEP, says=b"HTTP/1.1 200 caf\xe9\r\nX-A: " + HIGH + b"\r\nContent-Length: 0\r\n\r\n"),
    Case("order, case and repetition stay", 15, GET + b"b: 1\r\nA: 2\r\nB: 3\r\na: 4\r\n" + END, UP_GET + b"b: 1\r\nA: 2\r\nB: 3\r\na: 4\r\n" + KEY, OK, KEEP),
]  # fmt: skip

# Names that a gateway or a CGI behind the upstream takes for others: they go no further.
UNDERSCORES: Final = [
    *(
        Case(f"{name} is dropped", 16, GET + name.encode() + b": A-KEY-OF-THE-CLIENTS-OWN\r\n" + END, UP_GET + KEY, OK, KEEP)
        for name in (
            "Access_Token", "access_token", "Proxy_Authorization", "X_Api_Key", "X-Api_Key",
            "X_Access_Token", "Private_Token", "X_Vault_Token", "X_Auth_Token", "Api_Key",
            "X_Forwarded_For", "X_Real_IP", "Keep_Alive", "Proxy_Connection", "HTTP2_Settings",
        )
    ),
    Case("Content_Length is dropped", 16, POST + b"Content_Length: 99\r\nContent-Length: 5\r\n" + HELLO, UP_POST + b"Content-Length: 5\r\n" + KEY + b"hello", OK, KEEP),
    Case("Content_Length alone is dropped", 16, GET + b"Content_Length: 5\r\n" + END, UP_GET + KEY, OK, KEEP),
    Case("Transfer_Encoding is dropped", 16, POST + b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n" + HELLO, UP_POST + b"Content-Length: 5\r\n" + KEY + b"hello", OK, KEEP),
    Case("other underscores stay", 16, GET + b"X_A: b\r\n" + END, UP_GET + b"X_A: b\r\n" + KEY, OK, KEEP),
]  # fmt: skip

VERSIONS: Final = [
    Case("HTTP/0.9 without a version", 20, b"GET /api/SPOOR\r\n" + FIELDS + END, answer=BAD_OR_VERSION),
    Case("HTTP/0.9", 20, line(b"GET /api/x HTTP/0.9"), answer=BAD_OR_VERSION),
    Case("HTTP/1.2", 20, line(b"GET /api/x HTTP/1.2"), answer=BAD_OR_VERSION),
    Case("HTTP/1.9", 20, line(b"GET /api/x HTTP/1.9"), answer=BAD_OR_VERSION),
    Case("HTTP/1.10", 20, line(b"GET /api/x HTTP/1.10"), answer=BAD_OR_VERSION),
    Case("HTTP/1.01", 20, line(b"GET /api/x HTTP/1.01"), answer=BAD_OR_VERSION),
    Case("HTTP/01.1", 20, line(b"GET /api/x HTTP/01.1"), answer=BAD_OR_VERSION),
    Case("HTTP/1", 20, line(b"GET /api/x HTTP/1"), answer=BAD_OR_VERSION),
    Case("HTTP/1.", 20, line(b"GET /api/x HTTP/1."), answer=BAD_OR_VERSION),
    Case("HTTP/.1", 20, line(b"GET /api/x HTTP/.1"), answer=BAD_OR_VERSION),
    Case("HTTP/1,1", 20, line(b"GET /api/x HTTP/1,1"), answer=BAD_OR_VERSION),
    Case("HTTP/-1.1", 20, line(b"GET /api/x HTTP/-1.1"), answer=BAD_OR_VERSION),
    Case("HTTP/2.0", 20, line(b"GET /api/x HTTP/2.0"), answer=BAD_OR_VERSION),
    Case("HTTP/2", 20, line(b"GET /api/x HTTP/2"), answer=BAD_OR_VERSION),
    Case("HTTP/3.0", 20, line(b"GET /api/x HTTP/3.0"), answer=BAD_OR_VERSION),
    Case("HTTP/9.9", 20, line(b"GET /api/x HTTP/9.9"), answer=BAD_OR_VERSION),
    Case("http/1.1", 20, line(b"GET /api/x http/1.1"), answer=BAD_OR_VERSION),
    Case("HTTPS/1.1", 20, line(b"GET /api/x HTTPS/1.1"), answer=BAD_OR_VERSION),
    Case("RTSP/1.0", 20, line(b"GET /api/x RTSP/1.0"), answer=BAD_OR_VERSION),
    Case("RTSP/1.0 with a method of its own", 20, line(b"DESCRIBE /api/x RTSP/1.0"), answer=UNREADABLE),
    Case("ICE/1.0", 20, line(b"SOURCE /api/x ICE/1.0"), answer=UNREADABLE),
    Case("SIP/2.0", 20, line(b"INVITE /api/x SIP/2.0"), answer=UNREADABLE),
    Case("HTTP/1.1 behind a space at the end", 20, line(b"GET /api/x HTTP/1.1 "), answer=BAD_OR_VERSION),
    Case("HTTP/1.1x", 20, line(b"GET /api/x HTTP/1.1x"), answer=BAD_OR_VERSION),
    Case("HTTP/1.1 twice", 20, line(b"GET /api/x HTTP/1.1 HTTP/1.1"), answer=BAD_OR_VERSION),
    Case("HTTP/1.0 is served, and closed", 20, b"GET /api/x HTTP/1.0\r\n" + FIELDS + END, UP_GET + KEY, OK_CLOSE, behind=b""),
    Case("HTTP/1.0 with keep-alive is served, and closed", 20, b"GET /api/x HTTP/1.0\r\nConnection: keep-alive\r\n" + FIELDS + END, UP_GET + KEY, OK_CLOSE, behind=b""),
    Case("a tab behind the method", 14, line(b"GET\t/api/x HTTP/1.1"), answer=BAD_OR_METHOD),
    Case("a tab behind the target", 14, line(b"GET /api/x\tHTTP/1.1"), answer=BAD),
    Case("a space before the method", 14, line(b" GET /api/x HTTP/1.1"), answer=BAD_OR_METHOD),
    Case("NUL behind the method", 14, line(b"GET\0 /api/x HTTP/1.1"), answer=BAD_OR_METHOD),
    Case("a request line of a method", 14, line(b"GET"), answer=BAD_OR_METHOD),
    Case("CR in the request line", 14, line(b"GET /api/x\rSPOOR HTTP/1.1"), answer=BAD),
    Case("two spaces behind the method are one, as nginx has them", 14, line(b"GET  /api/x HTTP/1.1"), UP_GET + KEY, OK, KEEP),
]  # fmt: skip

CASES: Final = [*NAMES, *VALUES, *UNDERSCORES, *VERSIONS]
