"""References in a request: Destination, If, Referer and the like become the upstream's.

The way back of `rewrite.py`: a client knows a resource by the URL that it has here, the entrance's
origin and prefix, and the upstream by its own. WebDAV's COPY and MOVE name where to write to, so
that reference is judged like the target (RFC 4918 10.3): one reading, of this route, and allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence  # noqa: TC003 -- the compiled build looks them up
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.dataplane.errors import (
    BadRequest,
    BadTarget,
    PolicyDenied,
    Refusal,  # noqa: TC001 -- as above
)
from proxy.dataplane.rewrite import (
    Base,  # noqa: TC001 -- as above
    is_below,
    is_same_host,
)
from proxy.dataplane.target import Authority, parse_authority, parse_target
from proxy.upstream.origin import DEFAULT_PORTS


if TYPE_CHECKING:
    from proxy.dataplane.target import Target


NAMING: Final = frozenset({"destination", "if", "upload-concat"})
"""Fields whose references the upstream acts on: WebDAV's, and the parts of a tus upload."""
INFORMING: Final = frozenset({"referer", "content-location", "link"})
"""Fields whose references only say something: RFC 9110 10.1.3, 8.7, RFC 8288."""
OPAQUE: Final = frozenset(
    {
        *("x-copy-from", "x-object-manifest", "x-symlink-target"),  # OpenStack Swift
        *("x-amz-copy-source", "x-amz-rename-source", "x-goog-copy-source"),
        *("x-oss-copy-source", "x-cos-copy-source", "x-obs-copy-source"),
        *("x-ms-copy-source", "x-ms-rename-source"),
    }
)
"""Fields that name a resource in an upstream's own way, which no rule can be compared with."""

_MOST: Final = 256
LONGEST: Final = 16 * 1024
"""Maximum references of one request, and bytes of all fields that hold them; more is 400. Each is
read like a target: a head of 64 KiB of them would hold all other requests for 100 ms."""


class Named(NamedTuple):
    """A resource that a request names beside its target.

    Attributes:
        field: the name of the field, as in the standards.
        path: the upstream's, undecoded; None: unknown.
        refusal: why no rule is to be asked, or None.
    """

    field: str
    path: str | None
    refusal: Refusal | None = None


class Way(NamedTuple):
    """How a request's references are led back.

    Attributes:
        base: the entrance.
        names: what the client calls us.
        origin: what the upstream takes itself for, `scheme://host`.
        strip: takes the credentials off a query.
        stripped: gets their names.
    """

    base: Base
    names: tuple[Authority, ...]
    origin: str
    strip: Callable[[str | None], tuple[str | None, list[str]]]
    stripped: list[str]


_TITLES: Final = {"destination": "Destination", "if": "If", "upload-concat": "Upload-Concat"}
_ABSOLUTE: Final = re.compile(r"https?:|[A-Za-z][A-Za-z0-9+.-]*://|[/\\\\]", re.IGNORECASE)
_LINK: Final = re.compile(rb"<([^<>]*)>")
# RFC 4918 10.4.2: outside of parentheses `<>` name a resource, inside they hold a lock's token.
_IF_PIECE: Final = re.compile(rb'"[^"]*"|<[^<>]*>|[()]|[^"<>()]+')


def lead_back(  # noqa: PLR0911 -- one for each kind of field
    name: str, value: bytes, way: Way, named: list[Named]
) -> bytes | None:
    """Return a field's value with its references to us as the upstream's; None: leave it out.

    Args:
        name: of the field, lower case.
        value: as it came.
        way: where the references lead.
        named: gets the resources to be judged.

    Raises:
        BadTarget: a reference that the upstream acts on could be read in two ways.
        PolicyDenied: it leads to another host or route.
    """
    match name:
        case "destination":
            return _act_on(name, value, way, named)
        case "if":
            return _lead_back_tags(value, way, named)
        case "upload-concat":
            return _lead_back_parts(value, way, named)
        case "referer":
            return _lead_back_referer(value, way)
        case "link":
            return _LINK.sub(lambda link: b"<" + _mention(link[1], way) + b">", value, _MOST)
        case "content-location":
            return _mention(value, way)
        case _:
            named.append(Named(name, None))
            return value


def _lead_back_tags(value: bytes, way: Way, named: list[Named]) -> bytes:
    """Return the value of `If` with its resource tags led back."""
    pieces = _IF_PIECE.findall(value)
    length = sum(map(len, pieces))
    depth = 0
    for at, piece in enumerate(pieces):
        if piece == b"(":
            depth += 1
        elif piece == b")":
            depth -= 1
        elif depth == 0 and piece.startswith(b"<"):
            pieces[at] = b"<" + _act_on("if", piece[1:-1], way, named) + b">"
        if depth not in _DEPTHS:
            break
    if depth != 0 or length != len(value):
        raise BadTarget("In the If field: parentheses, quotes or <> do not match.")
    return b"".join(pieces)


_DEPTHS: Final = frozenset({0, 1})
"""Lists are not nested, and end after they begin."""


def _lead_back_parts(value: bytes, way: Way, named: list[Named]) -> bytes:
    kind, semicolon, parts = value.partition(b";")
    if kind.strip(b" \t").lower() != b"final":
        return value
    led = [_act_on("upload-concat", part, way, named) for part in parts.split()]
    return kind + semicolon + b" ".join(led)


def _act_on(name: str, value: bytes, way: Way, named: list[Named]) -> bytes:
    """Return a reference that the upstream acts on, led back."""
    text = value.decode("utf-8", "surrogateescape")
    title = _TITLES[name]
    if len(named) == _MOST:
        raise BadTarget(f"The {title} field names more than {_MOST} resources.")
    if _ABSOLUTE.match(text) is None:
        # CouchDB's and Swift's are relative, each to something of its own.
        named.append(Named(title, None))
        return value
    try:
        target = _parse(text)
        path = _path_of(target, way)
    except (BadTarget, BadRequest) as refusal:
        detail = refusal.detail.replace("request target", "reference").replace("Host field", "host")
        raise BadTarget(f"In the {title} field: {detail}") from None
    if path is None:
        raise PolicyDenied(
            f"The {title} field names a resource of another host or route; it can name this "
            "route's only, by the host and prefix that the request itself has.",
            cause=f"{title} leads to another host or route",
        )
    named.append(Named(title, path))
    prefix, raw = way.base.announced, path.encode("utf-8", "surrogateescape")
    if prefix and is_below(raw, prefix):
        # An upstream that is sent the prefix may cut it off what it takes for a URL of ours.
        named.append(Named(title, raw[len(prefix) :].decode("utf-8", "surrogateescape") or "/"))
    return _written(target, path, way)


def _mention(value: bytes, way: Way) -> bytes:
    """Return a reference that only says something: led back if it is ours, unchanged if not."""
    text = value.decode("utf-8", "surrogateescape")
    try:
        target = _parse(text)
        path = _path_of(target, way)
    except (BadTarget, BadRequest):
        return value
    return value if path is None else _written(target, path, way)


def _lead_back_referer(value: bytes, way: Way) -> bytes | None:
    """Return the page that a request comes from; an upstream learns of no other route's pages."""
    text = value.decode("utf-8", "surrogateescape").partition("#")[0]
    try:
        target = _parse(text)
        if target.authority is None or not _is_one_of(target, way.names):
            return value
        path = _path_of(target, way)
    except (BadTarget, BadRequest):
        return value
    if path is not None:
        return _written(target, path, way)
    return value if _longest_other(target, way.base) < 0 else None


def _parse(text: str) -> Target:
    if text.startswith("//"):
        raise BadTarget("It begins with two slashes; name scheme and host, or a path.")
    return parse_target("", text)


def _path_of(target: Target, way: Way) -> str | None:
    """Return the upstream's path of a reference; None: it leads to another host or route."""
    if target.authority is not None and not _is_one_of(target, way.names):
        upstream = way.base.origin
        itself = (Authority(upstream.public_host, upstream.port), *way.base.names)
        return target.path if _is_one_of(target, itself) else None
    prefix, other = way.base.prefix, _longest_other(target, way.base)
    if is_below(target.path.encode("utf-8", "surrogateescape"), prefix) and other < len(prefix):
        return target.path[len(prefix) :] or "/"
    # A path of no route is the upstream's own: clients have it from a body.
    return target.path if other < 0 and target.authority is None else None


def _longest_other(target: Target, base: Base) -> int:
    """Return the length of the longest prefix of another route that a path has, -1 for none."""
    path = target.path.encode("utf-8", "surrogateescape")
    return max([len(each) for each in base.others if is_below(path, each)], default=-1)


def _is_one_of(target: Target, names: Sequence[Authority]) -> bool:
    """Return whether a target's authority is one of ours; the scheme may be a load balancer's."""
    named = parse_authority(target.authority or "")
    default = DEFAULT_PORTS[target.scheme]
    for each in names:
        same_port = (named.port or default) == (each.port or default)
        if same_port and is_same_host(named.host, each.host):
            return True
    return False


def _written(target: Target, path: str, way: Way) -> bytes:
    query, stripped = way.strip(target.query)
    way.stripped.extend(stripped)
    text = path if query is None else f"{path}?{query}"
    if target.authority is not None:
        text = way.origin + text
    return text.encode("utf-8", "surrogateescape")
