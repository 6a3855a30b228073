"""Strip: which fields and query pairs go upstream.

Names are judged folded, lower case with `_` as `-`: servers that hand fields to programs as
variables (CGI, WSGI) do not tell them apart, so `Access_Token` would slip by (CVE-2025-64484).
Each spelling is judged once and remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (  # noqa: TC003 -- the compiled build looks the types up
    IPv4Network,
    IPv6Network,
    ip_address,
)
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from proxy.judged import Judged


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from proxy.dataplane.model import Entrance, Head, Peer
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
"""Where clients' keys are looked for on every route, beside what its credential goes into. All of
them are stripped, so a dummy in one of them does no harm."""
CLIENT_CREDENTIAL_PARAMETERS: Final = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "auth_token",
        "private_token",
        "client_secret",
    }
)

_FORWARDING: Final = frozenset({"forwarded", "x-real-ip"})
_NOT_OF_A_FOREIGN_PAGE: Final = frozenset({b"origin", b"cookie"})
_PERSISTENCE: Final = frozenset({b"keep-alive", b"close", b""})


# What becomes of a field. Plain numbers: looking up an enum's member costs more than the rest.
KEEP: Final = 0
DROP: Final = 1
CONNECTION: Final = 2  # dropped, with the fields that it names
SHARED_ORIGIN: Final = 3  # kept, but not where several routes are one browser origin
REWRITE: Final = 4
CREDENTIAL: Final = 5  # dropped, and told
KEY_SLOT: Final = 6  # the same, and looked into for a client's key


def fold(name: str) -> str:
    """Return a field's name as servers that make variables of it see it."""
    return name.lower().replace("_", "-")


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
        keep: `strip.keep`, and `Cookie` where cookies pass; never an injected name.
    """

    injected_headers: frozenset[str] = frozenset()
    injected_parameters: frozenset[str] = frozenset()
    headers: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()


class RequestRules:
    """What of a request's fields and query one route passes on.

    Args:
        origin: the upstream, for `Host` and for an `Origin` that is ours.
        stripping: names beside the fixed ones.
        set_fields: put on every request.
        forwarding: tell the upstream of the client; None: it has no business knowing.
    """

    def __init__(
        self,
        origin: Origin,
        stripping: Stripping,
        *,
        set_fields: Sequence[Field] = (),
        forwarding: Forwarding | None = None,
    ) -> None:
        injected = frozenset(map(fold, stripping.injected_headers))
        keep = frozenset(map(fold, stripping.keep)) - injected
        named = frozenset(map(fold, stripping.headers))
        self._credentials = (CLIENT_CREDENTIALS - keep) | injected | named
        self._slots = (KEY_FIELDS - keep) | injected
        self._drop = frozenset(fold_bytes(name) for name, _ in set_fields)
        self._fates: Judged[bytes, int] = Judged(self._judge)
        kept = frozenset(map(fold_parameter, stripping.keep))
        asked = frozenset(map(fold_parameter, stripping.parameters))
        always = frozenset(map(fold_parameter, stripping.injected_parameters))
        self._parameters = (CLIENT_CREDENTIAL_PARAMETERS - kept) | asked | always
        self._parameter_slots = always
        self._forbidden: Judged[str, str | None] = Judged(self._judge_parameter)
        self._origin = str(origin).encode("ascii")
        self._host = b"Host: " + origin.authority.encode("ascii") + b"\r\n"
        self._set = b"".join(name + b": " + value + b"\r\n" for name, value in set_fields)
        self._forwarding = forwarding

    def _judge(self, name: bytes) -> int:
        folded = fold_bytes(name)
        if name.lower() == b"connection":
            return CONNECTION
        if folded in self._credentials:
            return KEY_SLOT if folded in self._slots else CREDENTIAL
        # `Content_Length` and the like are no framing here, but may be behind a gateway.
        dropped = folded in HOP_BY_HOP or folded in FRAMING or folded in self._drop
        forwarding = folded in _FORWARDING or folded.startswith("x-forwarded-")
        return DROP if dropped or forwarding or folded == "host" else KEEP

    def fields(  # noqa: C901, PLR0915 -- one pass over all fields: each costs
        self, head: Head, entrance: Entrance, peer: Peer, *, ours: bool, foreign: bool = False
    ) -> tuple[bytes, list[str], list[str]]:
        """Return the field lines to send, without the credential, and what was taken off.

        Args:
            head: the client's.
            entrance: how it came, for `forwarded`.
            peer: from whom, for `forwarded`.
            ours: the request has an Origin, and it is ours: upstream it becomes the upstream's.
            foreign: it has one of `cors.allow_origins`. The upstream does not know of that page,
                and the page has no part in what the browser keeps for our host.

        Returns:
            the lines; the names that were stripped; the values that stood in slots of keys.
        """
        fates = self._fates
        kept: list[Field] = []
        stripped: list[str] = []
        offered: list[str] = []
        named: list[bytes] = []
        for field in head.fields:
            fate = fates[field[0]]
            if fate == KEEP:
                kept.append(field)
            elif fate == CONNECTION:
                named.append(field[1])
            elif fate >= CREDENTIAL:
                stripped.append(_FOLDED[field[0]])
                if fate == KEY_SLOT:
                    offered.append(field[1].decode("latin-1"))
        gone = _named_by(named) if named else ()
        if gone:
            kept = [field for field in kept if fold_bytes(field[0]) not in gone]
        if ours or foreign:
            kept = self._of_a_page(kept, stripped, ours=ours)
        parts = [self._host]
        for name, value in kept:
            parts.append(name)
            parts.append(b": ")
            parts.append(value)
            parts.append(b"\r\n")
        parts.append(_framing(head))
        parts.append(self._told(head, entrance, peer))
        parts.append(self._set)
        return b"".join(parts), stripped, offered

    def _of_a_page(self, kept: list[Field], stripped: list[str], *, ours: bool) -> list[Field]:
        if ours:
            return [(n, self._origin if n.lower() == b"origin" else value) for n, value in kept]
        stripped += ["cookie" for name, _ in kept if name.lower() == b"cookie"]
        return [field for field in kept if field[0].lower() not in _NOT_OF_A_FOREIGN_PAGE]

    def _told(self, head: Head, entrance: Entrance, peer: Peer) -> bytes:
        return b"" if self._forwarding is None else self._forwarding.lines(head, entrance, peer)

    def _judge_parameter(self, spelling: str) -> str | None:
        """Return the name of a parameter that is a credential, or None."""
        decoded = unquote_plus(spelling, "latin-1")
        name = fold_parameter(decoded)
        if "[" in decoded and name not in self._parameters:
            name = _fold_unmatched(decoded)
        return name if name in self._parameters else None

    def offered_in(self, query: str) -> list[str]:
        """Return the values that stand in the query where the credential goes, decoded."""
        if not self._parameter_slots:
            return []
        pairs = [pair.partition("=") for pair in query.split("&")]
        return [
            unquote_plus(value, "latin-1")
            for name, _, value in pairs
            if fold_parameter(unquote_plus(name, "latin-1")) in self._parameter_slots
        ]

    def query(self, query: str | None) -> tuple[str | None, list[str]]:
        """Return the query without credentials, byte for byte otherwise, and the names stripped.

        An emptied query is None: it loses its `?`.
        """
        if not query:
            return query, []
        kept: list[str] = []
        stripped: list[str] = []
        for pair in query.split("&"):
            forbidden = self._forbidden[pair.partition("=")[0]]
            if forbidden is None:
                kept.append(pair)
            else:
                stripped.append(f"?{forbidden}")
        if not stripped:
            return query, stripped
        return "&".join(kept) if kept else None, stripped


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


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Tell the upstream of the client (`forwarded: true`).

    Attributes:
        trusted: proxies of ours, whose word on the client is passed on.
    """

    trusted: tuple[IPv4Network | IPv6Network, ...] = ()

    def lines(self, head: Head, entrance: Entrance, peer: Peer) -> bytes:
        """Return X-Forwarded-*: the peer's address behind those that trusted proxies told.

        A peer on a unix socket has no address, so there is no X-Forwarded-For.
        """
        chain, scheme, host = peer.address, entrance.scheme, entrance.authority or ""
        if self._trusts(peer.address):
            if "X-Forwarded-For" in head.named:
                chain = ", ".join([*head.named.getall("X-Forwarded-For"), chain])
            scheme = head.named.get("X-Forwarded-Proto", scheme)
            host = head.named.get("X-Forwarded-Host", host)
        lines = "" if chain == "unix" else f"X-Forwarded-For: {chain}\r\n"
        lines += f"X-Forwarded-Proto: {scheme}\r\n"
        if host:
            lines += f"X-Forwarded-Host: {host}\r\n"
        return lines.encode("utf-8", "surrogateescape")

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.trusted)
