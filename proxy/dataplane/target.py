"""The request target: kept byte for byte, refused where it could be read in two ways."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes

from proxy.dataplane.errors import BadRequest, BadTarget, MethodDenied
from proxy.upstream.origin import parse_address


if TYPE_CHECKING:
    from collections.abc import Iterable


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
_ENCODED_PERCENT: Final = re.compile(r"%(?:25)++")
_SPELLINGS: Final = (
    ("%2e", "."),
    *((slash, "/") for slash in ("%2f", "\\", "%5c")),
    ("%3b", ";"),
)
_UTF_16: Final = re.compile(r"(?:%u[0-9a-f]{4})++")
"""Characters as JavaScript's `escape` writes them, which IIS decodes (lower case)."""
_BEYOND_ASCII: Final = re.compile(r"%[c-f]", re.IGNORECASE)
_NO_UTF_8: Final = re.compile(
    rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xed[\xa0-\xbf][\x80-\xbf]"
    rb"|(?:\xf0[\x80-\x8f]|\xf4[\x90-\xbf]|[\xf5-\xf7][\x80-\xbf])[\x80-\xbf]{2}"
    rb"|[\xf8-\xfb][\x80-\xbf]{4}|[\xfc\xfd][\x80-\xbf]{5}"
)
"""What a lax decoder takes for a character, which UTF-8 writes otherwise or not at all: overlong,
surrogates (CESU-8), more than four bytes or beyond U+10FFFF (RFC 3629 3)."""
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f#\\]|%00")
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MAX_AMBIGUOUS: Final = 512
"""Percent signs that are encoded in turn, and `;` beside encoded bytes: each doubles the ways to
read a path, so 16 KiB of them would hold all other requests for 40 ms."""
_ABSOLUTE: Final = re.compile(r"(https?)://([^/?]*)(/[^?]*)?(?:\?(.*))?", re.IGNORECASE | re.ASCII)


def parse_target(method: str, raw: str) -> Target:
    """Return the parts of a request target (RFC 9112 3.2).

    Args:
        method: as sent.
        raw: the target as sent; bytes outside ASCII as UTF-8 with surrogate escapes.

    Raises:
        BadTarget: it is ambiguous, or no target at all.
        MethodDenied: CONNECT, TRACE.
    """
    if method in _NEVER_PASSED:
        raise _not_passed(method)
    # Fragments stay at home (RFC 9110 7.1); the backslash is a slash to browsers and some servers.
    # One expression for all of it costs twice as much.
    printable = raw.isprintable() and " " not in raw
    if not printable or "#" in raw or "\\" in raw or "%00" in raw:
        _refuse_forbidden(raw)
    if raw.startswith("/"):
        path, mark, query = raw.partition("?")
        target = Target(path, query if mark else None, None, "")
    else:
        target = _absolute(raw)
        path = target.path
    if "%" in path or not path.isascii():
        climbs = _climbs_decoded(path if path.isascii() else percent_encoded(path))
    else:
        climbs = "." in path and _climbs(path)
    if climbs:
        raise BadTarget("The path holds a `.` or `..` segment; resolve it before you send it.")
    return target


def _refuse_forbidden(raw: str) -> None:
    found = _FORBIDDEN.search(raw)
    if found is not None:
        # Whoever sends a fragment frames by rules of his own: nothing behind it is trusted.
        raise BadTarget(why_forbidden(found[0], found.start()), close="#" in raw)


def why_forbidden(what: str, index: int) -> str:
    """Return why a target is refused that holds a character which is never part of one.

    Args:
        what: the character, or the encoded NUL.
        index: where it is.
    """
    where = f"at position {index + 1}"
    if what == "%00":
        return f"The request target holds an encoded NUL (%00) {where}."
    if what == "#":
        return f"The request target holds a fragment (`#`) {where}; send # as %23, or leave it out."
    name = _NAMES.get(what, f"a control character (0x{ord(what):02x})")
    return f"The request target holds {name} {where}; percent-encode it as %{ord(what):02X}."


_NAMES: Final = {" ": "a space", "\t": "a tab", "\\": "a backslash"}


def percent_encoded(text: str) -> str:
    """Return a part of a target with all bytes outside ASCII percent-encoded, all others as is."""
    return quote(text, _ASCII, "utf-8", "surrogateescape")


_ASCII: Final = "".join(map(chr, range(128)))


def _climbs_decoded(path: str) -> bool:
    twice = changes_twice(path)
    if path.count(";") + (path.count("%") if twice else 0) > _MAX_AMBIGUOUS:
        raise BadTarget("The path could be read in too many ways; encode it once.")
    # `%2%65` becomes `%2e`, and a server that decodes twice sees a dot.
    stages = (path, unquote(path, "latin-1")) if twice else (path,)
    if _BEYOND_ASCII.search(path) is not None or twice:
        _refuse_no_utf_8(stages)
    return any(map(_climbs, stages))


def _refuse_no_utf_8(stages: Iterable[str]) -> None:
    for stage in stages:
        text = _ENCODED_PERCENT.sub("%", stage) if "%25" in stage else stage
        # A second decoding has left bytes as characters of Latin-1.
        if _NO_UTF_8.search(unquote_to_bytes(text.encode("latin-1"))) is not None:
            raise BadTarget(
                "The path holds bytes that are read as characters though they are no UTF-8 "
                "(overlong, or a surrogate); percent-encode it as UTF-8."
            )


def _climbs(path: str) -> bool:
    # Plain replacing costs a tenth of one expression for all spellings.
    text = path.lower()
    if "%25" in text:
        text = _ENCODED_PERCENT.sub("%", text)
    if "%u" in text:
        text = _UTF_16.sub(_plain, text)
        if "\0" in text:
            raise BadTarget("The path holds an encoded NUL (%u0000).")
    for spelling, meaning in _SPELLINGS:
        text = text.replace(spelling, meaning)
    return _DOT_SEGMENT.search(text) is not None


def _plain(match: re.Match[str]) -> str:
    return decode_utf_16(match[0]).decode("latin-1")


def decode_utf_16(text: str) -> bytes:
    """Return the UTF-8 of a run of `%uXXXX`."""
    units = bytes.fromhex(text.replace("%u", ""))
    return units.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")


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
        raise BadTarget("The request target holds user information; leave it out.")
    return Target(path or "/", query, authority, scheme.lower())


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
