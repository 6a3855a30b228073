"""Rows 32 to 37: fields of the connection, the client's own credentials, upgrades."""

from __future__ import annotations

from typing import Final

from tests.integration.rig.proxy import TOKEN
from tests.integration.rig.upstream import OK
from tests.integration.wire.case import (
    BAD,
    BROKEN,
    CHUNKS,
    CL5,
    EITHER,
    END,
    FIELDS,
    FIN,
    GET,
    HELLO,
    KEEP,
    KEY,
    LEFT,
    OK_CLOSE,
    POST,
    TE,
    TUNNEL,
    UP_FIELDS,
    UP_GET,
    UP_POST,
    AnyOrder,
    Case,
    Ours,
    Until,
)


OWN: Final = {"credential": {"header": {"name": "X-Own", "secret": {"env": "TOKEN"}}}}
SECRET: Final = TOKEN.encode()
OPEN: Final = b"HTTP/1.1 200 OK\r\n"
EMPTY: Final = b"Content-Length: 0\r\n\r\n"

HOP_BY_HOP: Final = [
    *(
        Case(f"request, named: {fields!r}", 32, GET + fields + END, UP_GET + KEY, OK, KEEP)
        for fields in (
            b"Connection: X-Hop\r\nX-Hop: 1\r\n",
            b"X-Hop: 1\r\nConnection: X-Hop\r\n",
            b"Connection: x-hop\r\nX-HOP: 1\r\n",
            b"Connection: X-Hop, X-Two\r\nX-Hop: 1\r\nX-Two: 2\r\n",
            b"Connection: X-Hop\r\nConnection: X-Two\r\nX-Hop: 1\r\nX-Two: 2\r\n",
            b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\n",
            b"Connection: ,, X-Hop ,\r\nX-Hop: 1\r\n",
            b"Connection:X-Hop\r\nX-Hop: 1\r\nX-Hop: 2\r\n",
            b"Connection: X-Hop\r\nx_hop: 1\r\n",
            b"connection: X-Hop\r\nX-Hop:\r\n",
        )
    ),
    *(
        Case(f"request, by its name: {field.decode()}", 32, GET + field + b"\r\n" + END, UP_GET + KEY, OK, KEEP)
        for field in (
            b"Connection: keep-alive", b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive",
            b"TE: trailers", b"Trailer: X-T", b"HTTP2-Settings: AAMAAABkAAQ",
        )
    ),
    *(
        Case(f"answer: {fields!r}", 32, GET + END, UP_GET + KEY, OPEN + EMPTY, KEEP, says=OPEN + fields + EMPTY)
        for fields in (
            b"Connection: X-Hop\r\nX-Hop: 1\r\n",
            b"X-Hop: 1\r\nconnection: x-hop\r\n",
            b"Connection: keep-alive, X-Hop, X-Two\r\nX-Hop: 1\r\nx-two: 2\r\n",
            b"Connection: X-Hop\r\nConnection: X-Two\r\nX-Hop: 1\r\nX-Two: 2\r\n",
            b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
            b"Proxy-Connection: keep-alive\r\n",
            b"Upgrade: h2c\r\n",
            b"Trailer: X-T\r\n",
            b"TE: trailers\r\n",
        )
    ),
    Case("answer: Connection cannot name the length away", 32, GET + END, UP_GET + KEY, OK, KEEP, says=OPEN + b"Connection: Content-Length\r\nContent-Length: 2\r\n\r\nok"),
]  # fmt: skip

NAMED: Final = [
    *(
        Case(f"Connection names {name}", 33, GET + b"Connection: " + name.encode() + b"\r\n" + END, UP_GET + KEY, OK, KEEP)
        for name in ("Authorization", "authorization", "Host", "Access-Token", "Cookie", "X-None", "Connection")
    ),
    Case("Connection names Content-Length", 33, POST + b"Connection: Content-Length\r\n" + CL5 + HELLO, UP_POST + CL5 + KEY + b"hello", OK, KEEP),
    Case("Connection names Transfer-Encoding", 33, POST + b"Connection: Transfer-Encoding\r\n" + TE + CHUNKS, UP_POST + TE + KEY + b"5\r\nhello\r\n0\r\n\r\n", OK, KEEP),
    Case("Connection names the injected field, which the client sends", 33, GET + b"Connection: Authorization\r\nAuthorization: A-KEY-OF-THE-CLIENTS-OWN\r\n" + END, UP_GET + KEY, OK, KEEP),
    Case("Connection names an injected field of a route's own", 33, GET + b"Connection: X-Own, close\r\nX-Own: A-KEY-OF-THE-CLIENTS-OWN\r\n" + END, UP_GET + b"X-Own: " + SECRET + b"\r\n\r\n", OK_CLOSE, behind=b"", route=OWN),
]  # fmt: skip

NAMES: Final = (
    "Authorization", "authorization", "AUTHORIZATION", "Proxy-Authorization", "Access-Token",
    "access-token", "X-Access-Token", "X-Api-Key", "Api-Key", "X-Auth-Token", "Private-Token",
    "Job-Token", "Deploy-Token", "X-Client-Secret", "X-Vault-Token", "X-Goog-Api-Key",
    "X-Amz-Security-Token", "Cookie",
)  # fmt: skip
PARAMETERS: Final = (
    b"access_token", b"Access_Token", b"access-token", b"access.token", b"%61ccess_token",
    b"access%5Ftoken", b"access+token", b"access_token[]", b"access_token%5B0%5D", b"api_key",
    b"apikey", b"auth_token", b"private_token", b"client_secret",
)  # fmt: skip

CREDENTIALS: Final = [
    Case("no credential of the client's", 34, GET + END, UP_GET + KEY, OK, KEEP),
    *(
        Case(f"{name} is replaced", 34, GET + name.encode() + b": A-KEY-OF-THE-CLIENTS-OWN\r\n" + END, UP_GET + KEY, OK, KEEP)
        for name in NAMES
    ),
    Case("Authorization three times", 34, GET + b"Authorization: A-KEY-OF-THE-CLIENTS-OWN\r\n" * 3 + END, UP_GET + KEY, OK, KEEP),
    Case("Authorization in three cases", 34, GET + b"Authorization: a\r\nauthorization: b\r\nAUTHORIZATION: c\r\n" + END, UP_GET + KEY, OK, KEEP),
    Case("Authorization, empty", 34, GET + b"Authorization:\r\n" + END, UP_GET + KEY, OK, KEEP),
    Case("Authorization, the right one", 34, GET + b"Authorization: Bearer x\r\n" + END, UP_GET + KEY, OK, KEEP),
    Case("Authorization before everything", 34, b"GET /api/x HTTP/1.1\r\nAuthorization: A-KEY-OF-THE-CLIENTS-OWN\r\n" + FIELDS + END, UP_GET + KEY, OK, KEEP),
    *(
        Case(f"?{name.decode()} is dropped", 34, b"GET /api/x?a=b&" + name + b"=A-KEY-OF-THE-CLIENTS-OWN&c=d HTTP/1.1\r\n" + FIELDS + END, b"GET /x?a=b&c=d HTTP/1.1\r\n" + UP_FIELDS + KEY, OK, KEEP)
        for name in PARAMETERS
    ),
    Case("a query of a credential loses its mark", 34, b"GET /api/x?access_token=A-KEY-OF-THE-CLIENTS-OWN HTTP/1.1\r\n" + FIELDS + END, UP_GET + KEY, OK, KEEP),
    Case("a credential in a trailer", 35, POST + TE + b"\r\n5\r\nhello\r\n0\r\nAuthorization: A-KEY-OF-THE-CLIENTS-OWN\r\n\r\n", UP_POST + TE + KEY + b"5\r\nhello\r\n0\r\n\r\n", OK, KEEP),
    Case("a session in a trailer", 35, POST + TE + b"\r\n5\r\nhello\r\n0\r\nCookie: A-KEY-OF-THE-CLIENTS-OWN\r\n\r\n", UP_POST + TE + KEY + b"5\r\nhello\r\n0\r\n\r\n", OK, KEEP),
    Case("a credential in a folded line", 35, GET + b"X-A: b\r\n Authorization: A-KEY-OF-THE-CLIENTS-OWN\r\n" + END, answer=BAD),
    Case("a credential behind a bare LF", 35, GET + b"X-A: b\nAuthorization: A-KEY-OF-THE-CLIENTS-OWN\r\n" + END, answer=BAD),
    Case("a credential behind a bare CR", 35, GET + b"X-A: b\rAuthorization: A-KEY-OF-THE-CLIENTS-OWN\r\n" + END, answer=BAD),
    *(
        Case(f"{name} is not told upstream", 34, GET + name.encode() + b": 192.0.2.1\r\n" + END, UP_GET + KEY, OK, KEEP)
        for name in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Any", "X-Real-IP")
    ),
]  # fmt: skip

# An echo is how the credential would come back: DESIGN 4.
STARS: Final = b"*" * len(SECRET)


def echoing(fields: bytes, body: bytes, kind: bytes = b"text/plain") -> bytes:
    """Return an answer with a body of a kind."""
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    return OPEN + b"Content-Type: " + kind + b"\r\n" + fields + length + body


ECHOES: Final = [
    Case("echoed in a field", 25, GET + END, UP_GET + KEY, echoing(b"X-Echo: Bearer " + STARS + b"\r\n", b""), KEEP, says=echoing(b"X-Echo: Bearer " + SECRET + b"\r\n", b"")),
    *(
        Case(f"echoed in a body of {kind.decode()}", 25, GET + END, UP_GET + KEY, echoing(b"", b"<" + STARS + b">", kind), KEEP, says=echoing(b"", b"<" + SECRET + b">", kind))
        for kind in (b"text/plain", b"text/html; charset=utf-8", b"application/json", b"application/xml", b"application/x-www-form-urlencoded", b"application/problem+json")
    ),
    Case("echoed twice", 25, GET + END, UP_GET + KEY, echoing(b"", STARS + b" " + STARS), KEEP, says=echoing(b"", SECRET + b" " + SECRET)),
]  # fmt: skip

SOCKET: Final = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
SEEN_SOCKET: Final = AnyOrder(UP_GET + SOCKET + KEY)
SWITCHING: Final = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
H2C: Final = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
)

UPGRADES: Final = [
    *(
        Case(f"upgrade dropped: {fields!r}", 36, GET + fields + END, UP_GET + KEY, OK, EITHER)
        for fields in (
            H2C,
            b"Upgrade: h2c\r\n",
            b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
            b"Connection: upgrade\r\nUpgrade: foo/2\r\n",
            b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
            b"Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n",
            b"Upgrade: websocket\r\n",
            b"Connection: Upgrade\r\n",
        )
    ),
    Case("upgrade dropped, on POST with its body", 36, POST + H2C + CL5 + HELLO, UP_POST + CL5 + KEY + b"hello", OK, EITHER),
    Case("upgrade dropped, on POST in chunks", 36, POST + H2C + TE + CHUNKS, UP_POST + TE + KEY + b"5\r\nhello\r\n0\r\n\r\n", OK, EITHER),
    Case("a body behind a dropped upgrade is no request", 36, (GET + H2C + b"\r\nPOST /api/y HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n", b"GET /api/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"), UP_GET + KEY, OK_CLOSE, behind=b""),
    Case("an upgrade in HTTP/1.0 is dropped", 36, b"GET /api/x HTTP/1.0\r\n" + FIELDS + SOCKET + END, UP_GET + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + KEY, OK_CLOSE, behind=b""),
    Case("a 101 to a dropped upgrade is 502", 36, GET + H2C + END, UP_GET + KEY, BROKEN, EITHER, says=SWITCHING),
]  # fmt: skip

WEBSOCKETS: Final = [
    *(
        Case(f"websocket declined with {line.decode()}", 37, GET + SOCKET + END, SEEN_SOCKET, b"HTTP/1.1 " + line + b"\r\nContent-Length: 2\r\n\r\nno", EITHER, says=b"HTTP/1.1 " + line + b"\r\nContent-Length: 2\r\n\r\nno")
        for line in (b"200 OK", b"400 Bad Request", b"401 Unauthorized", b"403 Forbidden", b"426 Upgrade Required", b"503 Busy")
    ),
    Case("websocket declined in chunks", 37, GET + SOCKET + END, SEEN_SOCKET, OPEN + b"Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", EITHER, says=OPEN + b"Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"),
    Case("websocket declined by closing", 37, GET + SOCKET + END, SEEN_SOCKET, BROKEN, EITHER, says=(FIN,)),
    Case("websocket accepted: bytes in both directions", 37, (GET + SOCKET + END, Until(b"\r\n\r\n"), b"from the client"), (SEEN_SOCKET, b"from the client"), AnyOrder(SWITCHING + b"from the upstream"), TUNNEL, says=(SWITCHING, Until(b"from the client"), b"from the upstream", FIN)),
    Case("websocket accepted: bytes behind the 101", 37, GET + SOCKET + END, SEEN_SOCKET, AnyOrder(SWITCHING + b"early"), TUNNEL, says=(SWITCHING + b"early", FIN)),
    Case("websocket accepted: bytes behind the handshake", 37, GET + SOCKET + END + b"early", (SEEN_SOCKET, b"early"), AnyOrder(SWITCHING + b"done"), TUNNEL, says=(SWITCHING, Until(b"early"), b"done", FIN)),
    Case("websocket accepted: what looks like a request is none", 37, (GET + SOCKET + END, Until(b"\r\n\r\n"), b"GET /api/y HTTP/1.1\r\nHost: localhost\r\n\r\n"), (SEEN_SOCKET, b"GET /api/y HTTP/1.1\r\nHost: localhost\r\n\r\n"), AnyOrder(SWITCHING + b"done"), TUNNEL, says=(SWITCHING, Until(b"localhost\r\n\r\n"), b"done", FIN)),
    Case("websocket accepted: the client leaves", 37, (GET + SOCKET + END, Until(b"\r\n\r\n"), FIN), SEEN_SOCKET, AnyOrder(SWITCHING), LEFT, says=SWITCHING),
    Case("websocket not in `upgrade` is dropped", 37, GET + SOCKET + END, UP_GET + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + KEY, OK, EITHER, route={"upgrade": []}),
    Case("websocket from another origin", 37, GET + SOCKET + b"Origin: https://evil.example\r\n" + END, answer=Ours(403, "origin-denied"), after=EITHER),
    Case("websocket with a credential of the client's", 37, GET + SOCKET + b"Authorization: A-KEY-OF-THE-CLIENTS-OWN\r\n" + END, SEEN_SOCKET, OK, EITHER),
    Case("a 101 to another protocol than the one asked for is 502", 37, GET + SOCKET + END, SEEN_SOCKET, BROKEN, EITHER, says=SWITCHING.replace(b"websocket", b"h2c")),
    Case("a 101 that nobody asked for is 502", 37, GET + END, UP_GET + KEY, BROKEN, KEEP, says=SWITCHING),
]  # fmt: skip

CASES: Final = [*HOP_BY_HOP, *NAMED, *CREDENTIALS, *ECHOES, *UPGRADES, *WEBSOCKETS]
