"""Strip: which fields and query pairs go upstream.

Names are judged folded, lower case with `_` and the like as `-`: servers that hand fields to
programs as variables (CGI, WSGI) take them for one, so `Access_Token` would slip by
(CVE-2025-64484).
Each spelling is judged once and remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from proxy.dataplane.authenticate import KEY_PREFIX, keys_in
from proxy.dataplane.destination import (
    INFORMING,
    LONGEST,
    NAMING,
    OPAQUE,
    Named,
    Way,
    lead_back,
)
from proxy.dataplane.errors import BadTarget, PolicyDenied
from proxy.dataplane.forwarded import forwarding_lines, names_of, prefix_of, scheme_of
from proxy.dataplane.names import fold
from proxy.dataplane.overrides import is_override, is_override_parameter
from proxy.dataplane.subprotocols import CREDENTIALS as PROTOCOL_CREDENTIALS, FIELD, Subprotocols
from proxy.dataplane.target import parse_authority
from proxy.judged import Judged


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from proxy.dataplane.model import Entrance, Head, Peer
    from proxy.dataplane.rewrite import Base
    from proxy.dataplane.target import Authority
    from proxy.upstream.origin import Origin


Field = tuple[bytes, bytes]

HOP_BY_HOP: Final = frozenset(
    {
        "connection",  # RFC 9110 7.6.1, and all that it names
        "keep-alive",
        "proxy-connection",  # never standard, still sent by old clients
        "te",
        "trailer",
        "upgrade",
        "http2-settings",  # RFC 7540 3.2.1
    }
)
FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
CLIENT_CREDENTIALS: Final = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "access-token",
        "x-access-token",
        "x-api-key",
        "api-key",
        "x-auth-token",
        "private-token",  # GitLab, with the next two
        "job-token",
        "deploy-token",
        "x-client-secret",  # Isometric
        "x-vault-token",
        "x-goog-api-key",
        "x-amz-security-token",
        "cookie",
    }
)
KEY_FIELDS: Final = frozenset({"authorization", "proxy-authorization", "access-token", "x-api-key"})
"""Where clients' keys are looked for in every form on every route, beside where its credential
goes; in all else that is stripped, whole keys as they are. So a dummy in one of them does no harm.
"""
CLIENT_CREDENTIAL_PARAMETERS: Final = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "auth_token",
        "private_token",
        "client_secret",
        "token",  # Jupyter, which prefers it to a header
    }
)

_KEY: Final = KEY_PREFIX.encode("ascii")
_FORWARDING: Final = frozenset({"forwarded", "x-real-ip"})
_NOT_OF_A_FOREIGN_PAGE: Final = frozenset({b"origin", b"cookie"})
_PERSISTENCE: Final = frozenset({b"keep-alive", b"close", b""})


_MENTIONS: Final = 256
_LONGEST_MENTION: Final = 512
"""So many values of Referer and the like, each so long, need not be led back again."""

# What becomes of a field. Plain numbers: looking up an enum's member costs more than the rest.
KEEP: Final = 0
DROP: Final = 1
CONNECTION: Final = 2  # dropped, with the fields that it names
SHARED_ORIGIN: Final = 3  # kept, but not where several routes are one browser origin
REWRITE: Final = 4
CREDENTIAL: Final = 5  # dropped, and told
KEY_SLOT: Final = 6  # the same, and looked into for a client's key in every form
OVERRIDE: Final = 7  # kept, but not where there are rules
PROTOCOLS: Final = 8  # kept but for the members that are credentials
MENTION: Final = (
    -1
)  # rewritten, and the same again and again: every request of a page has a Referer


def fold_bytes(name: bytes) -> str:
    """Return a field's name, as it came, folded."""
    return fold(name.decode("latin-1"))


_FOLDED: Final[Judged[bytes, str]] = Judged(fold_bytes)


def fold_parameter(name: str) -> str:
    """Return a query parameter's name (decoded) as servers that are lax about it see it.

    PHP drops leading spaces, cuts at `[` and turns dots and spaces into underscores; others do
    not tell `-` and `_`.
    """
    bare = name.lstrip(" ").split("[", 1)[0].lower()
    return bare.replace("-", "_").replace(".", "_").replace(" ", "_")


@dataclass(frozen=True, slots=True)
class Stripping:
    """What the configuration adds to, or takes from, the names that are stripped anyway.

    Attributes:
        injected_headers: put on by the credential; a client's own never passes.
        injected_parameters: the same for the query.
        headers: `strip.headers` and the names of `set_headers`.
        parameters: `strip.query`.
        subprotocols: `strip.subprotocols`.
        keep: `strip.keep`, and `Cookie` where cookies pass; never an injected name.
        overrides: there are rules, which fields that name another path or method would pass by.
        keys: clients have keys.
    """

    injected_headers: frozenset[str] = frozenset()
    injected_parameters: frozenset[str] = frozenset()
    headers: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    subprotocols: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    overrides: bool = False
    keys: bool = False


class RequestRules:
    """What of a request's fields and query one route passes on.

    Args:
        origin: the upstream, for `Host` and for an `Origin` that is ours.
        stripping: names beside the fixed ones.
        set_fields: put on every request.
        forwarded: send X-Forwarded-*; otherwise the upstream has no business knowing the client.
        host: what `Host` is: `upstream`, `client` for the client's own, or a text.

    Attributes:
        reveals: the upstream is sent names that the client has for us; see `seen`.
        names: what else it may call itself on every request.
        overrides_met: a field has come that names another path or method; until then no head has
            to be searched for one.
    """

    def __init__(  # noqa: PLR0915 -- as many as there are names to remember
        self,
        origin: Origin,
        stripping: Stripping,
        *,
        set_fields: Sequence[Field] = (),
        forwarded: bool = False,
        host: str = "upstream",
    ) -> None:
        injected = frozenset(map(fold, stripping.injected_headers))
        keep = frozenset(map(fold, stripping.keep)) - injected
        named = frozenset(map(fold, stripping.headers))
        self._kept = keep
        self._credentials = (CLIENT_CREDENTIALS - keep) | injected | named
        self._slots = (KEY_FIELDS - keep) | injected
        self._drop = frozenset(fold_bytes(name) for name, _ in set_fields)
        self._fates: Judged[bytes, int] = Judged(self._judge)
        kept = frozenset(map(fold_parameter, stripping.keep))
        asked = frozenset(map(fold_parameter, stripping.parameters))
        always = frozenset(map(fold_parameter, stripping.injected_parameters))
        self._parameters = (CLIENT_CREDENTIAL_PARAMETERS - kept) | asked | always
        self._parameter_slots = always
        self._kept_parameters = kept
        self._forbidden: Judged[str, str | None] = Judged(self._judge_parameter)
        self._mentions: dict[tuple[Field, str | None, str, bytes], bytes] = {}
        self._overriding: Judged[str, str | None] = Judged(self._judge_override)
        self._overrides = stripping.overrides
        self.overrides_met = False
        patterns = PROTOCOL_CREDENTIALS - frozenset(name.lower() for name in stripping.keep)
        patterns = frozenset() if FIELD in keep else patterns
        self._subprotocols = Subprotocols(patterns | stripping.subprotocols, keys=stripping.keys)
        self._scheme = origin.scheme
        self._keeps_host = host == "client"
        self._host = origin.authority if host in {"upstream", "client"} else host
        self._host_line = b"Host: " + self._host.encode("ascii") + b"\r\n"
        self._forwarded = forwarded
        self.reveals = self._keeps_host or forwarded
        self.names = () if host in {"upstream", "client"} else (parse_authority(host),)
        self._set = b"".join(name + b": " + value + b"\r\n" for name, value in set_fields)

    def _judge(self, name: bytes) -> int:  # noqa: PLR0911 -- one for each fate
        folded = fold_bytes(name)
        if name.lower() == b"connection":
            return CONNECTION
        if folded in self._credentials:
            return KEY_SLOT if folded in self._slots else CREDENTIAL
        # `Content_Length` and the like are no framing here, but may be behind a gateway.
        dropped = folded in HOP_BY_HOP or folded in FRAMING or folded in self._drop
        forwarding = folded in _FORWARDING or folded.startswith("x-forwarded-")
        if dropped or forwarding or folded == "host":
            return DROP
        if folded == FIELD:
            return PROTOCOLS
        if is_override(folded) and folded not in self._kept:
            self.overrides_met = True
            return OVERRIDE
        opaque = folded in OPAQUE and folded not in self._kept
        if folded in INFORMING:
            return MENTION
        return REWRITE if opaque or folded in NAMING else KEEP

    def seen(self, head: Head, entrance: Entrance, peer: Peer, base: Base) -> Base:
        """Return what references in the answer are resolved against, where the request says it.

        An upstream that is sent the names and the prefix that the client uses may use them itself.
        """
        if not self.reveals:
            return base
        names = (*base.names, *_names(head, entrance, peer))
        prefix = prefix_of(head, peer, base.prefix) if self._forwarded else b""
        return base._replace(names=names, announced=prefix)

    def _host_of(self, entrance: Entrance) -> str:
        """Return the Host that the upstream is sent; HTTP/1.0 clients may have none to keep."""
        return (entrance.authority if self._keeps_host else None) or self._host

    def _origin_of(self, head: Head, entrance: Entrance, peer: Peer) -> str:
        """Return the origin that the upstream takes for its own."""
        known = self._keeps_host and self._forwarded
        scheme = scheme_of(entrance, head, peer) if known else self._scheme
        return f"{scheme}://{self._host_of(entrance)}"

    def fields(  # noqa: C901, PLR0912, PLR0913, PLR0915 -- one pass over all fields: each costs
        self,
        head: Head,
        entrance: Entrance,
        peer: Peer,
        *,
        ours: bool,
        foreign: bool = False,
        base: Base | None = None,
        named: list[Named] | None = None,
        overrides: bool = False,
    ) -> tuple[bytes, list[str], list[str]]:
        """Return the field lines to send, without the credential, and what was taken off.

        Args:
            head: the client's.
            entrance: how it came.
            peer: from whom.
            ours: the request has an Origin, and it is ours: upstream it becomes the upstream's.
            foreign: it has one of `cors.allow_origins`. The upstream does not know of that page,
                and the page has no part in what the browser keeps for our host.
            base: where references to us lead; None: they stay as they are.
            named: gets the resources that fields name; they are to be judged like the target.
            overrides: the client has rules, which some fields would pass by.

        Returns:
            the lines; the names that were stripped; the values that stood in slots of keys.
        """
        fates = self._fates
        kept: list[Field] = []
        stripped: list[str] = []
        offered: list[str] = []
        nominated: list[bytes] = []
        refers = False
        for field in head.fields:
            fate = fates[field[0]]
            if fate == KEEP:
                kept.append(field)
            elif fate == DROP:
                continue
            elif fate == KEY_SLOT:
                stripped.append(_FOLDED[field[0]])
                offered.append(field[1].decode("latin-1"))
            elif fate == CREDENTIAL:
                stripped.append(_FOLDED[field[0]])
                if field[1].find(_KEY) >= 0:
                    offered += keys_in(field[1].decode("latin-1"))
            elif fate == CONNECTION:
                nominated.append(field[1])
            elif fate == PROTOCOLS:
                self._cut_protocols(field, kept, stripped, offered)
            elif fate == OVERRIDE:
                if overrides or self._overrides:
                    stripped.append(_FOLDED[field[0]])
                else:
                    kept.append(field)
            elif fate == MENTION:
                led = self._mentioned(field, head, entrance, peer, base, stripped)
                if led is not None:
                    kept.append((field[0], led))
            elif fate == REWRITE:
                kept.append(field)
                refers = True
        gone = _named_by(nominated) if nominated else ()
        if gone:
            kept = [field for field in kept if fold_bytes(field[0]) not in gone]
        if ours or foreign:
            origin = self._origin_of(head, entrance, peer).encode("ascii") if ours else None
            kept = _of_a_page(kept, stripped, origin)
        if refers and base is not None:
            way = self._way(head, entrance, peer, base, stripped, overrides=overrides)
            named = [] if named is None else named
            try:
                kept = self._led_back(kept, way, named)
            except (BadTarget, PolicyDenied) as refusal:
                # The client is asked who it is first.
                named.append(Named("", None, refusal))
        host = self._host_of(entrance) if self._keeps_host else None
        parts = [self._host_line if host is None else f"Host: {host}\r\n".encode("ascii")]
        for name, value in kept:
            parts.append(name)
            parts.append(b": ")
            parts.append(value)
            parts.append(b"\r\n")
        parts.append(_framing(head))
        if self._forwarded:
            prefix = b"" if base is None else base.prefix
            parts.append(forwarding_lines(head, entrance, peer, prefix))
        parts.append(self._set)
        return b"".join(parts), stripped, offered

    def _way(
        self,
        head: Head,
        entrance: Entrance,
        peer: Peer,
        base: Base,
        stripped: list[str],
        *,
        overrides: bool = False,
    ) -> Way:
        names, origin = _names(head, entrance, peer), self._origin_of(head, entrance, peer)
        query = partial(self.query, overrides=overrides)
        return Way(base, names, origin, query, stripped)

    def _mentioned(
        self,
        field: Field,
        head: Head,
        entrance: Entrance,
        peer: Peer,
        base: Base | None,
        stripped: list[str],
    ) -> bytes | None:
        """Return the value of a field that only says something, led back; None: leave it out."""
        if base is None:
            return field[1]
        key = (field, entrance.authority, entrance.scheme, base.prefix)
        known = self._mentions.get(key) if peer.proxy is None else None
        if known is not None:
            return known
        way = self._way(head, entrance, peer, base, stripped)
        led = lead_back(_FOLDED[field[0]], field[1], way, [])
        # A query may hold a secret.
        short = len(field[1]) <= _LONGEST_MENTION and b"?" not in field[1]
        if led is not None and short and peer.proxy is None:
            if len(self._mentions) == _MENTIONS:
                self._mentions.clear()
            self._mentions[key] = led
        return led

    def _cut_protocols(
        self, field: Field, kept: list[Field], stripped: list[str], offered: list[str]
    ) -> None:
        cut = self._subprotocols.cut(field[1])
        if cut is None:
            kept.append(field)
            return
        stripped.append(_FOLDED[field[0]])
        offered += cut[1]
        if cut[0] is not None:
            kept.append((field[0], cut[0]))

    def overridden(self, head: Head) -> bool:
        """Return whether `fields` has passed on a field that would evade a client's rules."""
        if self._overrides:
            return False
        fates = self._fates
        return any(fates[name] == OVERRIDE for name, _ in head.fields)

    def _led_back(self, kept: list[Field], way: Way, named: list[Named]) -> list[Field]:
        """Return the fields with their references to us as the upstream's.

        Raises:
            BadTarget: a reference could be read in two ways, or there is too much of them.
            PolicyDenied: it leads to another host or route.
        """
        left: list[Field] = []
        destinations = length = 0
        for name, value in kept:
            if self._fates[name] != REWRITE:
                left.append((name, value))
                continue
            folded = _FOLDED[name]
            destinations += folded == "destination"
            length += len(value)
            if length > LONGEST:
                raise BadTarget(f"The fields that name resources exceed {LONGEST} bytes.")
            if destinations > 1:
                raise BadTarget("The request has more than one Destination field; send one.")
            led = lead_back(folded, value, way, named)
            if led is not None:
                left.append((name, led))
        return left

    def _judge_parameter(self, spelling: str) -> str | None:
        """Return the name of a parameter that is a credential, or None."""
        decoded = _decoded(spelling)
        name = fold_parameter(decoded)
        if "[" in decoded and name not in self._parameters:
            name = _fold_unmatched(decoded)
        return name if name in self._parameters else None

    def _judge_override(self, spelling: str) -> str | None:
        """Return the name of a parameter that names another path or method, or None."""
        decoded = _decoded(spelling)
        for name in (fold_parameter(decoded), _fold_unmatched(decoded)):
            if is_override_parameter(name) and name not in self._kept_parameters:
                return name
        return None

    def offered_in(self, query: str) -> list[str]:
        """Return the values that stand in the query where a client's key may, decoded."""
        offered: list[str] = []
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            forbidden = self._forbidden[name]
            if forbidden is not None:
                text = unquote_plus(value, "latin-1")
                offered += [text] if forbidden in self._parameter_slots else keys_in(text)
        return offered

    def query(self, query: str | None, *, overrides: bool = False) -> tuple[str | None, list[str]]:
        """Return the query without credentials, byte for byte otherwise, and the names stripped.

        An emptied query is None: it loses its `?`.

        Args:
            query: the client's.
            overrides: the client has rules, which some parameters would pass by.
        """
        if not query:
            return query, []
        kept: list[str] = []
        stripped: list[str] = []
        overrides = overrides or self._overrides
        for pair in query.split("&"):
            name = pair.partition("=")[0]
            forbidden = self._forbidden[name]
            if forbidden is not None:
                stripped.append(f"?{forbidden}")
            elif not overrides or (";" not in pair and self._overriding[name] is None):
                kept.append(pair)
            else:
                self._cut_overrides(pair, kept, stripped)
        if not stripped:
            return query, stripped
        return "&".join(kept) if kept else None, stripped

    def _cut_overrides(self, pair: str, kept: list[str], stripped: list[str]) -> None:
        """Keep what is left of a pair; some servers take `;` in it for `&`."""
        left: list[str] = []
        for part in pair.split(";"):
            overriding = self._overriding[part.partition("=")[0]]
            if overriding is None:
                left.append(part)
            else:
                stripped.append(f"?{overriding}")
        if left:
            kept.append(";".join(left))


def _decoded(spelling: str) -> str:
    """Return a parameter's name decoded, each byte as a character."""
    if not spelling.isascii():
        spelling = spelling.encode("utf-8", "surrogateescape").decode("latin-1")
    return unquote_plus(spelling, "latin-1")


def _of_a_page(kept: list[Field], stripped: list[str], origin: bytes | None) -> list[Field]:
    """Return the fields of a page's request: with the upstream's origin, or without any."""
    if origin is not None:
        return [(n, origin if n.lower() == b"origin" else value) for n, value in kept]
    stripped += ["cookie" for name, _ in kept if name.lower() == b"cookie"]
    return [field for field in kept if field[0].lower() not in _NOT_OF_A_FOREIGN_PAGE]


def _names(head: Head, entrance: Entrance, peer: Peer) -> tuple[Authority, ...]:
    """Return what the client calls us."""
    authority = entrance.authority
    return names_of(None if authority is None else parse_authority(authority), head, peer)


def _fold_unmatched(name: str) -> str:
    """Return a parameter's name folded, where `[` may be an underscore: PHP, if no `]` follows."""
    matched = "]" in name.partition("[")[2]
    return fold_parameter(name if matched else name.replace("[", "_"))


def _framing(head: Head) -> bytes:
    """Return the field that frames the body as the parser has read it, whatever was sent."""
    if head.chunked:
        return b"Transfer-Encoding: chunked\r\n"
    return b"Content-Length: %d\r\n" % head.length if head.length is not None else b""


_NEVER_NAMED: Final = frozenset({"host", ""}) | FRAMING


def _named_by(values: Iterable[bytes]) -> set[str]:
    named: set[str] = set()
    for value in values:
        named |= _NAMED[value]
    return named


def names_in(value: bytes) -> frozenset[str]:
    """Return the names that a Connection field lists (RFC 9110 7.6.1), folded.

    Never Host and the framing: that would take the destination or the end off the message. An
    empty element names nothing (RFC 9110 5.6.1).
    """
    if value.lower() in _PERSISTENCE:
        return frozenset()
    names = [fold(name.strip(" \t")) for name in value.decode("latin-1").split(",")]
    return frozenset(names) - _NEVER_NAMED


_NAMED: Final[Judged[bytes, frozenset[str]]] = Judged(names_in)
