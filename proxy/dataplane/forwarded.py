"""Proxies in front of this one: for whom they ask, and what the upstream is sent of that.

`trusted_proxies`, X-Forwarded-For, -Proto, -Host and -Prefix, the client's real address.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from proxy.dataplane.errors import BadRequest
from proxy.dataplane.model import Peer
from proxy.dataplane.target import parse_authority
from proxy.judged import Judged
from proxy.upstream.origin import parse_address


if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    from proxy.dataplane.model import Entrance, Head
    from proxy.dataplane.target import Authority


UNIX: Final = "unix"
"""The address of a peer on a unix socket."""
_SCHEMES: Final = frozenset({"http", "https"})
_MOST_HOPS: Final = 64
"""Addresses of a chain that are looked at; of what is before them nothing is believed."""


class Proxies:
    """The proxies in front that are believed (`trusted_proxies`).

    Args:
        networks: their addresses.
        unix: peers on a unix socket are, too.
    """

    def __init__(
        self, networks: Iterable[IPv4Network | IPv6Network] = (), *, unix: bool = False
    ) -> None:
        self._networks = tuple(networks)
        self._socket = unix
        self._entries: Judged[str, tuple[str, bool]] = Judged(self._read)

    def trust(self, address: str) -> bool:
        """Return whether the peer with this address is a trusted proxy."""
        if address == UNIX:
            return self._socket
        # A link-local address has its zone with it.
        return bool(self._networks) and self._read(address.partition("%")[0])[1]

    def client(self, proxy: Peer, head: Head) -> Peer:
        """Return the client that a trusted proxy asks for.

        Each proxy appends the address of its own peer to X-Forwarded-For. So the client is the
        last one that is no trusted proxy: what is before it, the client may have written itself.
        The same where an entry is no address (`unknown`, `_hidden`): the rest is unknown.

        Args:
            proxy: at the other end of the connection.
            head: of its request.
        """
        found = proxy.address
        if "X-Forwarded-For" in head.named:
            entries = ",".join(head.named.getall("X-Forwarded-For")).rsplit(",", _MOST_HOPS)
            for entry in reversed(entries[-_MOST_HOPS:]):
                address, trusted = self._entries[entry]
                found = address or found
                if not trusted:
                    break
        return Peer(found, proxy.certificate, proxy.proxy)

    def _read(self, entry: str) -> tuple[str, bool]:
        """Return the address in an entry, "" if it is none, and whether it is a proxy's."""
        address = _address(entry)
        if address is None:
            return "", False
        return str(address), any(address in network for network in self._networks)


NO_PROXIES: Final = Proxies()


def _address(entry: str) -> IPv4Address | IPv6Address | None:
    """Return the address in an entry, which may have a port, brackets or quotes around it."""
    text = entry.strip(' \t"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        # A zone (`fe80::1%eth0`) is a name of the other machine's own.
        return None if "%" in text else parse_address(text)
    except ValueError:
        return None


def names_of(authority: Authority | None, head: Head, peer: Peer) -> tuple[Authority, ...]:
    """Return what the client calls us: the authority, and what a trusted proxy says it was.

    Args:
        authority: of the request as it came here.
        head: for X-Forwarded-Host.
        peer: who sent it.
    """
    names = [] if authority is None else [authority]
    if peer.proxy is not None and "X-Forwarded-Host" in head.named:
        hosts = ",".join(head.named.getall("X-Forwarded-Host")).split(",", _MOST_HOPS)
        for text in hosts[:_MOST_HOPS]:
            with suppress(BadRequest):
                names.append(parse_authority(text.strip(" \t")))
    return tuple(names)


def public_name(authority: Authority | None, head: Head, peer: Peer) -> Authority | None:
    """Return what a browser calls us: a trusted proxy may have put its own name into Host."""
    names = names_of(authority, head, peer)
    return names[1] if len(names) > 1 else authority


def scheme_of(entrance: Entrance, head: Head, peer: Peer) -> str:
    """Return the scheme that the client uses: a trusted proxy may be where TLS ends."""
    if peer.proxy is not None:
        scheme = head.named.get("X-Forwarded-Proto", "").partition(",")[0].strip(" \t").lower()
        if scheme in _SCHEMES:
            return scheme
    return entrance.scheme


def prefix_of(head: Head, peer: Peer, prefix: bytes) -> bytes:
    """Return what is cut off the client's path, here and by a trusted proxy before."""
    outer = "" if peer.proxy is None else head.named.get("X-Forwarded-Prefix", "")
    if outer[:1] != "/" or outer[1:2] in {"/", "\\"}:
        return prefix  # to a browser `//` and `/\\` begin another host
    return outer.rstrip("/").encode("utf-8", "surrogateescape") + prefix


def forwarding_lines(head: Head, entrance: Entrance, peer: Peer, prefix: bytes) -> bytes:
    """Return the lines of X-Forwarded-* (`forwarded: true`); only a trusted proxy's are passed on.

    A peer on a unix socket has no address, so there is no X-Forwarded-For.

    Args:
        head: the client's.
        entrance: how the request came in.
        peer: who sent it.
        prefix: that is cut off the path.
    """
    chain = [peer.address] if peer.proxy is None else [peer.proxy]
    scheme, host = entrance.scheme, entrance.authority or ""
    if peer.proxy is not None:
        if "X-Forwarded-For" in head.named:
            chain = [*head.named.getall("X-Forwarded-For"), *chain]
        scheme = head.named.get("X-Forwarded-Proto", scheme)
        host = head.named.get("X-Forwarded-Host", host)
    lines = [
        ("For", ", ".join([each for each in chain if each != UNIX])),
        ("Proto", scheme),
        ("Host", host),
        ("Prefix", prefix_of(head, peer, prefix).decode("utf-8", "surrogateescape")),
    ]
    text = "".join([f"X-Forwarded-{name}: {value}\r\n" for name, value in lines if value])
    return text.encode("utf-8", "surrogateescape")
