"""An origin: scheme, host and port, and nothing else (RFC 6454 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,  # noqa: TC003 -- the compiled build looks the types up
    IPv6Address,
    ip_address,
)
from typing import Final


DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_ORIGIN: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<userinfo>[^/?#]*)@)?"
    r"(?P<host>\[[^\]/?#]*\]|[^:/?#\[\]]*)(?::(?P<port>[^/?#]*))?(?P<rest>[/?#].*)?",
    re.DOTALL,
)
# RFC 952/1123 names, with the underscore that container networks use.
_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*"
)
# As last label: inet_aton(3) reads it as IPv4, each reader in its own way (WHATWG URL 3.5).
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_PORT: Final = 65535
_HOST_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an upstream is.

    Attributes:
        scheme: `http` or `https`.
        host: a name in lower case, or an IP address without brackets, with its zone if it has one.
        port: 1 to 65535, the scheme's default filled in.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Read `scheme://host[:port]`.

        Raises:
            ValueError: with a sentence for the person who wrote it; the text is not quoted in it,
                for it may hold a password.
        """
        match = _ORIGIN.fullmatch(text.strip())
        if match is None or match["scheme"].lower() not in DEFAULT_PORTS:
            raise ValueError("must be an origin such as https://api.example.org")
        if match["userinfo"] is not None:
            raise ValueError("must not hold a user or password; put the secret into `credential:`")
        if match["rest"] not in (None, "/"):
            raise ValueError(
                "must be an origin (scheme, host, port) without a path or query; "
                "put the path into the client's base URL"
            )
        scheme = match["scheme"].lower()
        return cls(scheme, _host(match["host"]), _port(match["port"], DEFAULT_PORTS[scheme]))

    @property
    def public_host(self) -> str:
        """The host without its zone, which means something to this machine alone (RFC 6874 1)."""
        return self.host.partition("%")[0]

    @property
    def authority(self) -> str:
        """The value of `Host`: a default port left out (RFC 9110 7.2), IPv6 in brackets."""
        host = f"[{self.public_host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether nothing of it can leave this machine."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse_address(text: str) -> IPv4Address | IPv6Address:
    """Parse an IP address (no brackets); an IPv4-mapped IPv6 address is that IPv4 address.

    `::ffff:127.0.0.1` (RFC 4291 2.5.5.2) reaches the same socket as `127.0.0.1`, so every address
    is unmapped once, where it enters.

    Raises:
        ValueError: the text is not an address.
    """
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def peer_network(address: str) -> str:
    """Return as whom a peer is counted: its IPv4 address, the /64 of its IPv6 address, or "unix".

    Everybody who has one address of a /64 has all of them (RFC 6177).
    """
    try:
        parsed = parse_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> _HOST_BITS << _HOST_BITS))
    return str(parsed)


def is_local_name(host: str) -> bool:
    """Return whether a host name in lower case is one of loopback's (RFC 6761 6.3)."""
    return host == "localhost" or host.endswith(".localhost")


def is_loopback(host: str) -> bool:
    """Return whether a host name or address (no brackets) means this machine alone."""
    if is_local_name(host):
        return True
    try:
        return parse_address(host).is_loopback
    except ValueError:
        return False


def _host(text: str) -> str:
    host = text.lower()
    if host.startswith("["):
        try:
            # The sign before a zone is encoded in URLs; most people write it as it is (RFC 6874 2).
            bare = text[1:-1].replace("%25", "%", 1)
            return str(parse_address(str(IPv6Address(bare))))
        except ValueError:
            raise ValueError("has brackets around something that is no IPv6 address") from None
    host = host.removesuffix(".")
    if _NUMBER.fullmatch(host.rpartition(".")[2]) is not None:
        try:
            return str(parse_address(host))
        except ValueError:
            raise ValueError(
                "has a number at the end of its host; an IPv4 address is four decimal numbers, "
                "such as 127.0.0.1"
            ) from None
    if _HOST_NAME.fullmatch(host) is None:
        raise ValueError("has no valid host name (write an international name in its xn-- form)")
    return host


def _port(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_PORT))):
        raise ValueError("has a port that is not a number from 1 to 65535")
    port = int(text)
    if not 1 <= port <= _MAX_PORT:
        raise ValueError("has a port that is not a number from 1 to 65535")
    return port
