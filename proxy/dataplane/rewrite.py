"""References in an answer that must lead back to the proxy, and not past it.

A redirect to `/x` would leave the route's prefix; one to the upstream itself would make the client
go there without the credential, and with a custom header it may carry along (CVE-2018-1000007).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple


if TYPE_CHECKING:
    from proxy.upstream.origin import Origin


class Base(NamedTuple):
    """What references are resolved against.

    Attributes:
        origin: the upstream.
        prefix: of the entrance, "" or "/name".
        shared: other routes are reached on the same browser origin.
    """

    origin: Origin
    prefix: bytes
    shared: bool


_REFERENCE: Final = re.compile(
    rb"(?:(?P<scheme>https?):)?//(?P<authority>[^/?#\\]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_AUTHORITY: Final = re.compile(rb"(?P<host>\[[^\]]*\]|[^:@\[\]]+)(?::(?P<port>[0-9]*))?")
_LINK: Final = re.compile(rb"<([^>]*)>")
_REFRESH: Final = re.compile(
    rb"(?P<before>\s*[0-9.]*\s*[;,]\s*url\s*=\s*)(?P<quote>[\"']?)(?P<url>.*?)(?P<after>(?P=quote)\s*)",
    re.IGNORECASE | re.DOTALL,
)
_DEFAULT_PORTS: Final = frozenset({80, 443})


def rewrite_field(name: bytes, value: bytes, base: Base) -> bytes:
    """Return the value of Location, Content-Location, Link, Refresh or Set-Cookie, rewritten."""
    match name.lower():
        case b"link":
            return _LINK.sub(lambda link: b"<" + rewrite(link[1], base) + b">", value)
        case b"refresh":
            return _refresh(value, base)
        case b"set-cookie":
            return rebase_cookie(value, base)
        case _:
            return rewrite(value, base)


def rewrite(reference: bytes, base: Base) -> bytes:
    """Return a reference to the upstream as one below the entrance's prefix.

    The result is path-absolute, without scheme and host: a load balancer in front cannot spoil it.
    References to other hosts, relative ones and what cannot be read come back unchanged.
    """
    match = _REFERENCE.fullmatch(reference.strip(b" \t"))
    if match is not None:
        if not _is_upstream(match["authority"], base.origin):
            return reference
        rest = match["rest"]
        return _below(base.prefix, rest if rest.startswith(b"/") else b"/" + rest)
    if reference.startswith(b"/") and base.prefix:
        return _below(base.prefix, reference)
    return reference


def _below(prefix: bytes, path: bytes) -> bytes:
    rebased = prefix + _without_dot_segments(path)
    # `//host` and, to browsers, `/\host` name another host (RFC 3986 4.2); `/.` keeps it a path.
    return b"/." + rebased if rebased[1:2] in (b"/", b"\\") else rebased


def _without_dot_segments(reference: bytes) -> bytes:
    """Return a path-absolute reference without dot segments (RFC 3986 5.2.4).

    A client would resolve them itself, and `/name/../x` would lead it out of the prefix.
    """
    if b"/." not in reference:
        return reference
    end = min((i for i in (reference.find(b"?"), reference.find(b"#")) if i >= 0), default=None)
    path, tail = (reference, b"") if end is None else (reference[:end], reference[end:])
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept) + tail


def _is_upstream(authority: bytes, origin: Origin) -> bool:
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return False
    host = match["host"].strip(b"[]").lower().removesuffix(b".")
    if host != origin.host.encode("ascii"):
        return False
    port = int(match["port"]) if match["port"] else None
    return port is None or port == origin.port or port in _DEFAULT_PORTS


def _refresh(value: bytes, base: Base) -> bytes:
    match = _REFRESH.fullmatch(value)
    if match is None:
        return value
    return match["before"] + match["quote"] + rewrite(match["url"], base) + match["after"]


def rebase_cookie(value: bytes, base: Base) -> bytes:
    """Return a Set-Cookie without Domain, its Path below the entrance's prefix."""
    cookie, *attributes = value.split(b";")
    kept = [cookie]
    for attribute in attributes:
        name, equals, path = attribute.partition(b"=")
        folded = name.strip().lower()
        if folded == b"path" and path.strip().startswith(b"/"):
            kept.append(name + equals + base.prefix + path.strip())
        elif folded != b"domain":
            kept.append(attribute)
    return b";".join(kept)
