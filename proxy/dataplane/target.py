"""The request target: kept byte for byte, refused where it could be read in two ways."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from itertools import product
from typing import Final, NamedTuple
from urllib.parse import unquote

from proxy.dataplane.errors import BadRequest, BadTarget, MethodDenied
from proxy.upstream.origin import parse_address


class Target:
    """What a request asks for.

    Attributes:
        path: undecoded, begins with `/`.
        query: undecoded, without its `?`; None where there is no `?`.
        authority: of an absolute target, else None.
        scheme: of an absolute target, lower case, else "".
    """

    __slots__ = ("authority", "path", "query", "scheme")

    def __init__(
        self, path: str, query: str | None, authority: str | None = None, scheme: str = ""
    ) -> None:
        self.path = path
        self.query = query
        self.authority = authority
        self.scheme = scheme


_DOT_SEGMENT: Final = re.compile(r"/\.{1,2}(?:$|[/;])")
_ENCODED_PERCENT: Final = re.compile(r"%(?:25)+")
_SPELLINGS: Final = (
    # Overlong UTF-8 too: old decoders take it.
    *((dot, ".") for dot in ("%2e", "%c0%ae", "%e0%80%ae")),
    *((slash, "/") for slash in ("%2f", "\\", "%5c", "%c0%af", "%e0%80%af", "%c1%9c")),
    ("%3b", ";"),
)
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MAX_AMBIGUOUS: Final = 512
"""Percent signs that are encoded in turn, and `;` beside encoded bytes: each doubles the ways to
read a path, so 16 KiB of them would hold all other requests for 40 ms."""
_ABSOLUTE: Final = re.compile(r"(https?)://([^/?]*)(/[^?]*)?(?:\?(.*))?", re.IGNORECASE)


def parse_target(method: str, raw: str) -> Target:
    """Return the parts of a request target (RFC 9112 3.2).

    Args:
        method: as sent.
        raw: the target as sent; bytes outside ASCII as any character above it.

    Raises:
        BadTarget: it is ambiguous, or no target at all.
        MethodDenied: CONNECT, TRACE.
    """
    if method in _NEVER_PASSED:
        raise _not_passed(method)
    if not raw.isascii() or not raw.isprintable() or _holds_forbidden(raw):
        # Whoever sends a fragment frames by rules of his own: nothing behind it is trusted.
        raise BadTarget(_why_forbidden(raw), close="#" in raw)
    if raw.startswith("/"):
        path, mark, query = raw.partition("?")
        target = Target(path, query if mark else None, None, "")
    else:
        target = _absolute(raw)
        path = target.path
    climbs = _climbs_decoded(path) if "%" in path else "." in path and _climbs(path)
    if climbs:
        raise BadTarget("The path holds a `.` or `..` segment; resolve it before you send it.")
    return target


def _holds_forbidden(raw: str) -> bool:
    # Fragments stay at home (RFC 9110 7.1); the backslash is a slash to browsers and some servers.
    # One expression for all of it costs twice as much.
    return " " in raw or "#" in raw or "\\" in raw or "%00" in raw


def _climbs_decoded(path: str) -> bool:
    twice = changes_twice(path)
    if path.count(";") + (path.count("%") if twice else 0) > _MAX_AMBIGUOUS:
        raise BadTarget("The path could be read in too many ways; encode it once.")
    # `%2%65` becomes `%2e`, and a server that decodes twice sees a dot.
    return _climbs(path) or (twice and _climbs(unquote(path, "latin-1")))


def _climbs(path: str) -> bool:
    # Plain replacing costs a tenth of one expression for all spellings.
    text = path.lower()
    if "%25" in text:
        text = _ENCODED_PERCENT.sub("%", text)
    for spelling, meaning in _SPELLINGS:
        text = text.replace(spelling, meaning)
    return _DOT_SEGMENT.search(text) is not None


def changes_twice(path: str) -> bool:
    """Tell whether decoding `path` leaves percent signs, so that a second decoding may differ."""
    return "%25" in path or _STRAY_PERCENT.search(path) is not None


# In any spelling: some servers fold the case of methods.
_NEVER_PASSED: Final = frozenset(
    "".join(letters)
    for name in ("TRACE", "CONNECT")
    for letters in product(*zip(name, name.lower(), strict=True))
)


def _not_passed(method: str) -> MethodDenied:
    if method.upper() == "TRACE":
        # The upstream would send the injected credential back in the body (RFC 9110 9.3.8).
        return MethodDenied("TRACE is never passed on.", fields=((b"Allow", b""),))
    return MethodDenied(
        "This listener does not tunnel: give the tool a route's base URL, and no proxy setting.",
        cause="CONNECT: the client takes this listener for a forward proxy (https_proxy); give it "
        "the base URL of a route instead",
        fields=((b"Allow", b""),),
        close=True,
    )


def _absolute(raw: str) -> Target:
    match = _ABSOLUTE.fullmatch(raw)
    if match is None:
        raise BadTarget("The request target must begin with `/`.")
    scheme, authority, path, query = match.groups()
    if not authority:
        raise BadTarget("The absolute request target names no host.")
    if "@" in authority:
        raise BadTarget("The request target holds user information; leave it away.")
    return Target(path or "/", query, authority, scheme.lower())


def _why_forbidden(raw: str) -> str:
    if not raw.isascii():
        return "The request target holds characters outside ASCII; percent-encode it."
    if "%00" in raw:
        return "The request target holds an encoded NUL."
    return "The request target holds a control character, a space, `#` or a backslash."


class Authority(NamedTuple):
    """Host and port of a `Host` field or an absolute target.

    Attributes:
        host: a name in lower case without one trailing dot, or an address without brackets.
        port: as number, or None where it is not said.
    """

    host: str
    port: int | None


_AUTHORITY: Final = re.compile(
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._~!$&'()*+,;=-]+))"
    r"(?::(?P<port>[0-9]{0,5}))?"
)
_MAX_PORT: Final = 65535


def parse_authority(text: str) -> Authority:
    """Return host and port of a `Host` field (RFC 9110 7.2).

    Raises:
        BadRequest: it is none.
    """
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise BadRequest("The Host field is not a host name or address with an optional port.")
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > _MAX_PORT:
        raise BadRequest("The Host field names an impossible port.")
    if match["name"]:
        return Authority(match["name"].lower().removesuffix("."), port)
    try:
        return Authority(str(parse_address(str(IPv6Address(match["address"])))), port)
    except ValueError:
        raise BadRequest("The Host field has brackets around no IPv6 address.") from None
