"""What the proxy promises to change, said a second time and as plainly as can be.

`forwarded` makes of a request what the server must see; it is sent to the server directly, so that
what a server echoes needs no correction. `relayed` makes of the server's answer what the client
must get. Whatever they do not name has to be equal byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tests.integration.fidelity.rig.shape import Shape
    from tests.integration.fidelity.rig.wire import Reply


TOKEN: Final = "FAKE-injected"  # under 16 characters: nothing masks an echo of it
CREDENTIAL: Final = f"Authorization: Bearer {TOKEN}"
DUMMY: Final = "FAKE-of-the-client"
"""What clients send as a credential; no server may see it."""

HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "http2-settings"}
)
CREDENTIALS: Final = frozenset(
    {
        *("authorization", "proxy-authorization", "access-token", "x-access-token", "x-api-key"),
        *("api-key", "x-auth-token", "private-token", "job-token", "deploy-token"),
        *("x-client-secret", "x-vault-token", "x-goog-api-key", "x-amz-security-token", "cookie"),
    }
)
FORWARDING: Final = frozenset(
    {"forwarded", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
)
ANSWER_REMOVED: Final = frozenset(
    {
        *("alt-svc", "strict-transport-security", "set-cookie"),
        *("access-control-allow-origin", "access-control-allow-credentials"),
        *("access-control-allow-methods", "access-control-max-age"),
    }
)
VOLATILE: Final = {
    b"date": re.compile(rb".+"),
    b"expires": re.compile(rb".+"),
    # nginx counts them.
    b"content-type": re.compile(rb"(?<=multipart/byteranges; boundary=)[0-9]+"),
}
"""What differs between any two answers, by the name of its field."""

_MASK: Final = b"*"
_GZIP: Final = b"\x1f\x8b"
_NO_TIME: Final = bytes(4)  # RFC 1952 2.3.1: bytes 4 to 7 are a clock's
_BOUNDARY: Final = re.compile(rb"(?<=\r\n--)[0-9]{20}")


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the same server is reached in both ways.

    Attributes:
        direct: the server's port.
        proxied: the proxy's.
        prefix: of the route.
    """

    direct: int
    proxied: int
    prefix: str = "/up"


def sent(shape: Shape, paths: Paths) -> bytes:
    """Return the head that the client sends to the proxy."""
    host = () if shape.version == "1.0" else (f"Host: localhost:{paths.proxied}",)
    line = f"{shape.method} {paths.prefix}{shape.target} HTTP/{shape.version}"
    return _head([line, *host, *shape.fields, *shape.framing])


def forwarded(shape: Shape, paths: Paths) -> bytes:
    """Return the head that the server must see, and that it is sent directly."""
    named = _named(each.partition(":") for each in shape.fields)
    kept = [
        _plain(each)
        for each in shape.fields
        if _folded(each.partition(":")[0]) not in HOP_BY_HOP | CREDENTIALS | FORWARDING | named
    ]
    target = shape.target if shape.forwarded is None else shape.forwarded
    line = f"{shape.method} {target} HTTP/1.1"
    return _head([line, f"Host: 127.0.0.1:{paths.direct}", *kept, *shape.framing, CREDENTIAL])


def relayed(shape: Shape, direct: Reply) -> Reply:
    """Return the answer that the client must get, of the one that the server gives directly."""
    named = _named((n.decode(), ":", v.decode("latin-1")) for n, v in direct.fields)
    gone = HOP_BY_HOP | ANSWER_REMOVED | named | {"transfer-encoding"}
    if direct.code == 204:
        gone |= {"content-length"}  # RFC 9110 8.6
    rewritten = {name.lower(): value.encode() for name, value in shape.rewritten.items()}
    fields = tuple(
        (name, rewritten.get(name.decode().lower(), value))
        for name, value in direct.fields
        if name.decode().lower() not in gone
    )
    framing = direct.framing
    if framing in {"chunked", "close"}:
        framing = "close" if shape.version == "1.0" else "chunked"
    interim = () if shape.version == "1.0" else tuple(_led_back(h, shape) for h in direct.interim)
    return settled(replace(direct, fields=fields, framing=framing, interim=interim))


def _led_back(head: bytes, shape: Shape) -> bytes:
    """Return an informational head with what must lead back to the proxy."""
    lines = head.split(b"\r\n")
    for name, value in shape.rewritten.items():
        start = name.lower().encode() + b":"
        lines = [
            line[: len(start)] + b" " + value.encode() if line.lower().startswith(start) else line
            for line in lines
        ]
    return b"\r\n".join(lines)


def comparable(proxied: Reply) -> Reply:
    """Return what a client got without what belongs to its own connection."""
    own = {b"connection", b"transfer-encoding"}
    fields = tuple(field for field in proxied.fields if field[0].lower() not in own)
    return settled(replace(proxied, fields=fields))


def settled(reply: Reply) -> Reply:
    """Return an answer with what is volatile masked."""
    fields = tuple(
        (name, VOLATILE[name.lower()].sub(_MASK, value) if name.lower() in VOLATILE else value)
        for name, value in reply.fields
    )
    parts = any(value.startswith(b"multipart/byteranges") for value in reply.all(b"content-type"))
    body = _BOUNDARY.sub(_MASK, reply.body) if parts else reply.body
    if body.startswith(_GZIP):
        body = body[:4] + _NO_TIME + body[8:]
    return replace(reply, fields=fields, body=body)


def _head(lines: Iterable[str]) -> bytes:
    return "".join(line + "\r\n" for line in (*lines, "")).encode("latin-1")


def _plain(line: str) -> str:
    """Return a field line with the one space that the proxy writes."""
    name, _, value = line.partition(":")
    return f"{name}: {value.strip()}"


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")


def _named(fields: Iterable[Collection[str]]) -> set[str]:
    """Return the names that Connection fields list."""
    values = [value for name, _, value in fields if name.lower() == "connection"]
    return {name.strip().lower() for value in values for name in value.split(",")}
