"""Rows 17 to 19: by which name, and from which web page."""

from __future__ import annotations

from typing import Final

from tests.integration.rig.upstream import OK
from tests.integration.wire.case import (
    BAD,
    END,
    GET,
    KEEP,
    KEY,
    OK_CLOSE,
    UP_GET,
    AnyOrder,
    Case,
    Ours,
)


HOST_DENIED: Final = Ours(421, "host-denied")
ORIGIN_DENIED: Final = Ours(403, "origin-denied")
CORS: Final = {"cors": {"allow_origins": ["https://app.example"]}}
FOREIGN: Final = b"Origin: https://evil.example\r\n"
ALLOWED: Final = b"Origin: https://app.example\r\n"
OPTIONS: Final = GET.replace(b"GET", b"OPTIONS")
ASKING: Final = b"Access-Control-Request-Method: PUT\r\n"
TOLD: Final = (b"Access-Control-Allow-Origin: https://app.example", b"Vary: Origin")
ALLOWED_TO: Final = Ours(
    204, "", (*TOLD, b"Access-Control-Allow-Methods: PUT", b"Access-Control-Max-Age: 600")
)


def named(host: bytes, target: bytes = b"/api/x") -> bytes:
    """Return a GET for a host."""
    return b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nX-Mark: SPOOR\r\n\r\n"


NONE_OR_TWO: Final = [
    Case("no Host", 17, b"GET /api/x HTTP/1.1\r\nX-Mark: SPOOR\r\n\r\n", answer=BAD),
    Case("no Host, but an absolute target", 17, b"GET http://localhost/api/x HTTP/1.1\r\nX-Mark: SPOOR\r\n\r\n", answer=BAD),
    Case("no Host, but `X-Forwarded-Host`", 17, b"GET /api/x HTTP/1.1\r\nX-Forwarded-Host: localhost\r\nX-Mark: SPOOR\r\n\r\n", answer=BAD),
    Case("two Hosts, the same", 17, GET + b"Host: localhost\r\n" + END, answer=BAD),
    Case("two Hosts", 17, GET + b"Host: evil.example\r\n" + END, answer=BAD),
    Case("two Hosts in two cases", 17, GET + b"HOST: evil.example\r\n" + END, answer=BAD),
    Case("two Hosts, one empty", 17, GET + b"Host:\r\n" + END, answer=BAD),
    Case("two Hosts in HTTP/1.0", 17, b"GET /api/x HTTP/1.0\r\nHost: localhost\r\nHost: localhost\r\nX-Mark: SPOOR\r\n\r\n", answer=BAD),
    Case("no Host in HTTP/1.0 is served", 17, b"GET /api/x HTTP/1.0\r\nX-Mark: SPOOR\r\n\r\n", UP_GET + KEY, OK_CLOSE, behind=b""),
]  # fmt: skip

NO_HOST_AT_ALL: Final = [
    *(
        Case(f"Host `{host.decode('latin-1')}`", 18, named(host), answer=BAD)
        for host in (
            b"", b"a/b", b"localhost/", b"u@localhost", b"u:p@localhost", b"@localhost",
            b"local host", b"localhost, evil.example", b"localhost:80:90", b"localhost:x",
            b"localhost:-1", b"localhost:65536", b"localhost:99999999", b"localhost:8o", b":80",
            b"[::1", b"::1", b"[::1]x", b"[localhost]", b"localhost#", b"localhost?",
            b"localhost\\evil", b"loc%61lhost", b"http://localhost", b"localhost\xe9",
            b'"localhost"', b"local\thost", b"<localhost>",
        )
    ),
    Case("Host with NUL", 18, named(b"local\0host"), answer=BAD),
    Case("Host with DEL", 18, named(b"localhost\x7f"), answer=BAD),
    Case("Host with an empty port", 18, named(b"localhost:"), UP_GET + KEY, OK, KEEP),
    Case("Host with any port", 18, named(b"localhost:1"), UP_GET + KEY, OK, KEEP),
]  # fmt: skip

STRANGERS: Final = [
    *(
        Case(f"Host {host}: DNS rebinding", 19, named(host.encode()), answer=HOST_DENIED, after=KEEP)
        for host in (
            "evil.example", "localhost.evil.example", "evil-localhost", "127.0.0.1.evil.example",
            "127.0.0.1.nip.io", "xn--lcalhost-k2a", "localhost..", ".localhost", "0x7f.1",
            "unknown.localhost", "api.localhost.evil.example", "evil.example:8484",
            "localhost;evil.example", "api.localhosts", "127.1", "2130706433",
        )
    ),
    Case("Host of another on a route's own listener", 19, named(b"evil.example", b"/x"), answer=HOST_DENIED, after=KEEP, listener="api"),
    *(
        Case(f"Host {host} is ours", 19, named(host.encode()), UP_GET + KEY, OK, KEEP)
        for host in ("localhost", "LOCALHOST", "localhost.", "localhost:99", "127.0.0.1", "[::1]", "127.8.8.8:80", "[::ffff:127.0.0.1]")
    ),
    *(
        Case(f"Host {host} is no address that the connection came in on", 19, named(host.encode()), answer=HOST_DENIED, after=KEEP)
        for host in ("192.0.2.1", "[2001:db8::1]:80", "0.0.0.0", "0.0.0.0:8484", "0.0.0.0.", "[::]", "[::]:80", "[::ffff:0.0.0.0]", "[::ffff:0:0]", "0", "0x0", "0.0")
    ),
    Case("an unspecified address on a route's own listener", 19, named(b"0.0.0.0", b"/x"), answer=HOST_DENIED, after=KEEP, listener="api"),
    Case("brackets around IPv4", 18, named(b"[127.0.0.1]"), answer=BAD),
    Case("an allowed address", 19, named(b"192.0.2.1:80"), UP_GET + KEY, OK, KEEP, config={"allow_hosts": ["192.0.2.1"]}),
    Case("an address of an allowed network", 19, named(b"[2001:db8::1]:80"), UP_GET + KEY, OK, KEEP, config={"allow_hosts": ["2001:db8::/32"]}),
    Case("an unspecified address of an allowed network", 19, named(b"0.0.0.0"), answer=HOST_DENIED, after=KEEP, config={"allow_hosts": ["0.0.0.0/0"]}),
    Case("a virtual host", 19, named(b"api.localhost", b"/x"), UP_GET + KEY, OK, KEEP),
    Case("a virtual host with port and dot", 19, named(b"API.localhost.:1", b"/x"), UP_GET + KEY, OK, KEEP),
    Case("an allowed host", 19, named(b"kb.example"), UP_GET + KEY, OK, KEEP, config={"allow_hosts": ["kb.example"]}),
    Case("below an allowed suffix", 19, named(b"a.kb.example"), UP_GET + KEY, OK, KEEP, config={"allow_hosts": ["*.kb.example"]}),
]  # fmt: skip

# A browser's page is the other half of rebinding: DESIGN 2.2.
PAGES: Final = [
    Case("a page of another origin", 19, GET + FOREIGN + END, answer=ORIGIN_DENIED, after=KEEP),
    Case("a page of no origin", 19, GET + b"Origin: null\r\n" + END, answer=ORIGIN_DENIED, after=KEEP),
    Case("an empty Origin", 19, GET + b"Origin:\r\n" + END, answer=ORIGIN_DENIED, after=KEEP),
    Case("an Origin of another port", 19, GET + b"Origin: http://localhost:1\r\n" + END, answer=ORIGIN_DENIED, after=KEEP),
    Case("an Origin that begins as ours", 19, GET + b"Origin: http://localhost.evil.example\r\n" + END, answer=ORIGIN_DENIED, after=KEEP),
    Case("an Origin with a user", 19, GET + b"Origin: http://localhost@evil.example\r\n" + END, answer=ORIGIN_DENIED, after=KEEP),
    Case("two Origins", 19, GET + b"Origin: http://localhost\r\n" * 2 + END, answer=ORIGIN_DENIED, after=KEEP),
    Case("two Origins in one", 19, GET + b"Origin: http://localhost https://evil.example\r\n" + END, answer=ORIGIN_DENIED, after=KEEP),
    Case("another site without Origin", 19, GET + b"Sec-Fetch-Site: cross-site\r\n" + END, answer=ORIGIN_DENIED, after=KEEP),
    Case("the same site without Origin", 19, GET + b"Sec-Fetch-Site: same-site\r\n" + END, answer=ORIGIN_DENIED, after=KEEP),
    *(
        Case(f"a browser that does not say its site: {field.decode()}", 19, GET + field + b"\r\n" + END, answer=ORIGIN_DENIED, after=KEEP)
        for field in (b"User-Agent: Mozilla/5.0", b"Upgrade-Insecure-Requests: 1", b"Sec-Fetch-Mode: no-cors", b"Sec-Fetch-Dest: image", b"Sec-Fetch-Dest: document")
    ),
    Case("a preflight of another origin", 19, OPTIONS + FOREIGN + ASKING + END, answer=ORIGIN_DENIED, after=KEEP),
    Case("a service worker's script", 19, GET + b"Service-Worker: script\r\n" + END, answer=ORIGIN_DENIED, after=KEEP),
    Case("our own Origin becomes the upstream's", 19, GET + b"Origin: http://localhost\r\n" + END, UP_GET + b"Origin: http://upstream\r\n" + KEY, OK, KEEP),
    Case("our own site", 19, GET + b"Sec-Fetch-Site: same-origin\r\n" + END, UP_GET + b"Sec-Fetch-Site: same-origin\r\n" + KEY, OK, KEEP),
    Case("cors: another origin than the allowed one", 19, GET + FOREIGN + END, answer=ORIGIN_DENIED, after=KEEP, config=CORS),
    Case("cors: a preflight of an allowed origin is answered here", 19, OPTIONS + ALLOWED + ASKING + END, answer=ALLOWED_TO, after=KEEP, config=CORS),
    Case("cors: an answer to an allowed origin can be read by it", 19, GET + ALLOWED + END, UP_GET + KEY, AnyOrder(OK[:-6] + b"\r\n" + b"\r\n".join((*TOLD, b"Access-Control-Expose-Headers: *", b"", b"ok"))), KEEP, config=CORS),
    Case("cors: a preflight of another origin", 19, OPTIONS + FOREIGN + ASKING + END, answer=ORIGIN_DENIED, after=KEEP, config=CORS),
    Case("cors: a refusal to an allowed origin can be read by it", 19, GET.replace(b"/api/", b"/none/") + ALLOWED + END, answer=Ours(404, "no-route", TOLD), after=KEEP, config=CORS),
    Case("cors: the scheme of an allowed origin counts", 19, GET + ALLOWED.replace(b"https", b"http") + END, answer=ORIGIN_DENIED, after=KEEP, config=CORS),
    Case("cors: the port of an allowed origin counts", 19, GET + ALLOWED.replace(b"example", b"example:1") + END, answer=ORIGIN_DENIED, after=KEEP, config=CORS),
]  # fmt: skip

CASES: Final = [*NONE_OR_TWO, *NO_HOST_AT_ALL, *STRANGERS, *PAGES]
