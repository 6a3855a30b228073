"""References in an answer that must lead back to the proxy, and not past it.

A redirect to `/x` would leave the route's prefix; one to the upstream itself would make the client
go there without the credential, and with a custom header it may carry along (CVE-2018-1000007).
`destination.py` is the way back, for the references in a request.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from proxy.dataplane.target import Authority  # noqa: TC001 -- the compiled build looks it up
from proxy.judged import Judged
from proxy.upstream.origin import (
    Origin,  # noqa: TC001 -- as above
    parse_address,
)


class Base(NamedTuple):
    """What references are resolved against.

    Attributes:
        origin: the upstream.
        prefix: of the entrance, "" or "/name".
        shared: other routes are reached on the same browser origin.
        others: prefixes that lead to other routes of the same listener.
        names: what the upstream may call itself beside its origin: the Host that it is sent.
        announced: the prefix that the upstream is sent, and may put before its paths itself; or "".
        bare: the request was for the prefix alone, without a slash.
    """

    origin: Origin
    prefix: bytes
    shared: bool
    others: tuple[bytes, ...] = ()
    names: tuple[Authority, ...] = ()
    announced: bytes = b""
    bare: bool = False


_REFERENCE: Final = re.compile(
    rb"(?:(?P<scheme>https?):)?//(?P<authority>[^/?#\\]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_AUTHORITY: Final = re.compile(rb"(?P<host>\[[^\]]*\]|[^:@\[\]]+)(?::(?P<port>[0-9]{0,5}))?")
# No reference holds a `<` (RFC 3986 2), and to look after each for a `>` would take for ever.
_LINK: Final = re.compile(rb"<([^<>]*+)>")
# HTML 4.2.5.3: the separator may be a space, `url=` may be missing, a quote may stay open.
_REFRESH: Final = re.compile(
    rb"\s*[0-9.]+(?:\s*[;,]\s*|\s+)(?:url\s*=\s*)?(?P<quote>[\"']?)", re.IGNORECASE
)
# Browsers take a backslash for a slash and `%2e` for a dot (WHATWG URL 4.4).
_SEPARATOR: Final = re.compile(rb"[/\\]")
_DOT_SEGMENT: Final = re.compile(rb"[/\\](?:\.|%2e)", re.IGNORECASE)
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
    # Browsers drop tabs wherever they are: `/<tab>/host` names a host, `/.<tab>./x` climbs.
    text = reference.translate(None, b"\t").strip(b" ")
    match = _REFERENCE.fullmatch(text)
    # Without a host `///x` is a path to those who join by RFC 3986.
    if match is not None and (match["scheme"] or match["authority"]):
        if not _is_upstream(match["authority"], base):
            return reference
        rest = match["rest"]
        return _below(base, rest if rest.startswith(b"/") else b"/" + rest)
    if text.startswith((b"/", b"\\")) and base.prefix:
        return _below(base, b"/" + text[1:])
    return reference


def is_below(path: bytes, prefix: bytes) -> bool:
    """Return whether a path or reference begins with a prefix, up to the end of a segment."""
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in _ENDS_A_SEGMENT


_ENDS_A_SEGMENT: Final = frozenset({b"", b"/", b"?", b"#"})


def _below(base: Base, path: bytes) -> bytes:
    resolved = _without_dot_segments(path)
    if base.announced and is_below(resolved, base.announced):
        return resolved
    rebased = base.prefix + resolved
    # `//host` and, to browsers, `/\host` name another host (RFC 3986 4.2); `/.` keeps it a path.
    return b"/." + rebased if rebased[1:2] in (b"/", b"\\") else rebased


def _without_dot_segments(reference: bytes) -> bytes:
    """Return a path-absolute reference without dot segments (RFC 3986 5.2.4).

    A client would resolve them itself, and `/name/../x` would lead it out of the prefix.
    """
    if _DOT_SEGMENT.search(reference) is None:
        return reference
    end = min((i for i in (reference.find(b"?"), reference.find(b"#")) if i >= 0), default=None)
    path, tail = (reference, b"") if end is None else (reference[:end], reference[end:])
    kept: list[bytes] = []
    plain = b""
    for segment in _SEPARATOR.split(path)[1:]:
        # Python's urljoin takes `..;x` for `..` at the end of a path.
        plain = segment.lower().replace(b"%2e", b".").partition(b";")[0]
        if plain == b"..":
            del kept[-1:]
        elif plain != b".":
            kept.append(segment)
    if plain in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept) + tail


def _is_upstream(authority: bytes, base: Base) -> bool:
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return False
    host = match["host"].strip(b"[]").lower().removesuffix(b".").decode("latin-1")
    port = int(match["port"]) if match["port"] else None
    return _means(host, port, base.origin.public_host, base.origin.port) or any(
        _means(host, port, each.host, each.port) for each in base.names
    )


def _means(host: str, port: int | None, own_host: str, own_port: int | None) -> bool:
    if port is not None and port != own_port and port not in _DEFAULT_PORTS:
        return False
    return is_same_host(host, own_host)


def is_same_host(one: str, other: str) -> bool:
    """Return whether two hosts (lower case, no brackets) are one: addresses have many spellings."""
    return one == other or _PLAIN[one] == _PLAIN[other]


def _plain(host: str) -> str:
    try:
        return str(parse_address(host)) if host[-1:].isdigit() or ":" in host else host
    except ValueError:
        return host


_PLAIN: Final[Judged[str, str]] = Judged(_plain)


def _refresh(value: bytes, base: Base) -> bytes:
    match = _REFRESH.match(value)
    if match is None:
        return value
    url, quote, after = value[match.end() :], match["quote"], b""
    if quote:
        url, quote, after = url.partition(quote)
    return match[0] + rewrite(url, base) + quote + after


def rebase_cookie(value: bytes, base: Base) -> bytes:
    """Return a Set-Cookie without Domain, its Path below the entrance's prefix."""
    cookie, *attributes = value.split(b";")
    kept = [cookie]
    placed = False
    for attribute in attributes:
        name, equals, path = attribute.partition(b"=")
        folded = name.strip().lower()
        if folded == b"path":
            placed = path.strip().startswith(b"/")
            kept.append(name + equals + _cookie_path(path.strip(), base))
        elif folded != b"domain":
            kept.append(attribute)
    if base.bare and not placed:
        # A browser's default is from the request's path: here that is the root of all routes.
        kept.append(b" Path=" + base.prefix)
    return b";".join(kept)


def _cookie_path(path: bytes, base: Base) -> bytes:
    """Return the Path of the same requests; `/name/` would leave out those for `/name` itself."""
    # Browsers ignore a path in quotes, other clients take the quotes off.
    plain = path.strip(b'"')
    led_back = base.announced and is_below(plain, base.announced)
    if not base.prefix or led_back or not plain.startswith(b"/"):
        return path
    return path.replace(plain, base.prefix if plain == b"/" else base.prefix + plain, 1)
