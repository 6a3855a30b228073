"""Texts of the file to addresses: where to listen, which hosts, which networks.

As in `values`, ValueError says what is expected and never quotes the text.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING, Final, Literal

from proxy.dataplane.cors import fold_origin
from proxy.upstream.origin import Origin, is_loopback, parse_address


if TYPE_CHECKING:
    from pathlib import Path


HOST: Final = (
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)
LISTEN: Final = r"unix:.+|(?:[0-9a-zA-Z.]+|\[[^\]]+\]):[0-9]{1,5}"

# `sun_path` of unix(7) less its NUL; macOS has 104 bytes.
_MAX_SOCKET_PATH: Final = 103 if sys.platform == "darwin" else 107
_MAX_PORT: Final = 65535
_MAX_HOST: Final = 253
_TCP: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*):(?P<port>[0-9]{1,5})")
_LOOPBACKS: Final = frozenset({"127.0.0.1", "::1"})
_MAPPED: Final = IPv6Network("::ffff:0:0/96")  # RFC 4291 2.5.5.2
_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 # compared with, not listened on


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host and port to listen on.

    Attributes:
        host: an IP address without brackets, or `localhost`, which means both loopback addresses.
        port: 0 for any free one.
    """

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or is_loopback(self.host)

    def overlaps(self, other: TcpAddress) -> bool:
        """Whether both cannot be listened on at once."""
        if self.port != other.port or self.port == 0:
            return False
        return any(_same(one, two) for one in self.hosts for two in other.hosts)

    @property
    def hosts(self) -> frozenset[str]:
        """The addresses it stands for."""
        return _LOOPBACKS if self.host == "localhost" else frozenset({self.host})

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket in the file system; the path is absolute."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress
Network = IPv4Network | IPv6Network


def listen_address(text: str, base: Path) -> Address:
    """Return `127.0.0.1:8484`, `[::1]:8484`, `localhost:8484` or `unix:kb.sock` as an address."""
    if text.startswith("unix:"):
        return _unix(text.removeprefix("unix:"), base)
    if text.startswith("fd:"):
        raise ValueError("socket activation (fd:NAME) is not supported yet; give an address")
    if re.fullmatch(r":?[0-9]{1,5}", text):
        raise ValueError(
            "must say the address too, as in localhost:8484; 0.0.0.0:8484 is every network"
        )
    match = _TCP.fullmatch(text)
    if match is None or int(match["port"]) > _MAX_PORT:
        raise ValueError('must be ADDRESS:PORT, as in localhost:8484 or "[::1]:8484", or unix:PATH')
    return TcpAddress(_listen_host(match["host"]), int(match["port"]))


def _listen_host(text: str) -> str:
    if text.lower() == "localhost":
        return text.lower()
    try:
        # Brackets are IPv6's alone (RFC 3986 3.2.2).
        if text.startswith("["):
            return str(parse_address(str(IPv6Address(text[1:-1]))))
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError("must be an IP address or localhost; names are not looked up") from None


def _unix(text: str, base: Path) -> UnixAddress:
    if text.startswith("@"):
        raise ValueError("abstract sockets have no owner or mode; give a path")
    path = file_path(text, base)
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise ValueError(f"the socket's absolute path is over {_MAX_SOCKET_PATH} bytes; shorten it")
    return UnixAddress(path)


def file_path(text: str, base: Path) -> Path:
    """Return the absolute path of a file; a relative one begins at `base`."""
    if not text or "\0" in text:
        raise ValueError("must be the path of a file")
    if text.startswith("~"):
        raise ValueError("~ is not filled in; write ${HOME}")
    return base / text


def audit_path(text: str, base: Path) -> Path:
    """Return the absolute path of the audit file."""
    if text == "stdout":
        raise ValueError("stdout is not supported yet; a file of that name is ./stdout")
    return file_path(text, base)


def host_name(text: str) -> str:
    """Return a host name in lower case without its last dot; no port, no address."""
    name = text.lower().removesuffix(".")
    if re.fullmatch(HOST, name) is None or len(name) > _MAX_HOST:
        raise ValueError("must be a host name without a port (international ones in xn-- form)")
    # Browsers read as an address whatever ends in a number (WHATWG URL 3.5).
    if re.fullmatch("[0-9]+|0x[0-9a-f]*", name.rpartition(".")[2]):
        raise ValueError("must be a host name, not an address")
    return name


def route_host(text: str) -> str:
    """Return a host name that can lead to one route."""
    name = host_name(text)
    if name == "localhost":
        raise ValueError("localhost is the proxy's own name; choose another, such as x.localhost")
    return name


def allowed_host(text: str) -> str | Network:
    """Return a host name, `*.suffix` for every name below it, or a network of addresses."""
    if text.startswith("*."):
        return "*." + host_name(text.removeprefix("*."))
    if "*" in text:
        raise ValueError('must be a host name or "*.suffix"; * may only come first')
    if "/" in text or ":" in text or text.rpartition(".")[2].isdigit():
        return _allowed_network(text)
    return host_name(text)


def _allowed_network(text: str) -> Network:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        if "%" in bare:  # a zone is known to one machine alone, and never sent
            raise ValueError  # noqa: TRY301 -- one message for all that is wrong
        found = network(bare) if "/" in bare else ip_network(parse_address(bare))
    except ValueError:
        raise ValueError(
            'must be a host name, "*.suffix", or an address or network such as 192.0.2.7, '
            "10.0.0.0/8 or fd00::/8, without a port and with no bits set after the prefix"
        ) from None
    if found.num_addresses == 1 and found.network_address.is_unspecified:
        raise ValueError(
            "is never accepted, for browsers take it for loopback; name the address that clients "
            "use"
        )
    return found


def web_origin(text: str) -> str:
    """Return the origin of web pages, as browsers send it."""
    if "*" in text:
        raise ValueError("must name each origin in full: with * any web page may use the routes")
    if text == "null":
        raise ValueError(
            "must be the origin of a page that a web server serves: null is that of every "
            "sandboxed page and local file"
        )
    origin = fold_origin(text.removesuffix("/"))
    if origin is None:
        raise ValueError(
            "must be scheme://host[:port] without a path, such as https://app.example.org "
            "(international names in xn-- form)"
        )
    return origin


def network(text: str) -> Network:
    """Return a network in CIDR form; a single address is a network of one."""
    try:
        return _unmapped(ip_network(text))
    except ValueError:
        raise ValueError(
            "must be a network such as 10.0.0.0/8 or fd00::/8, with no bits set after the prefix"
        ) from None


def _unmapped(network: Network) -> Network:
    """Return the IPv4 network of an IPv4-mapped one, for addresses are unmapped as well."""
    if not (isinstance(network, IPv6Network) and network.subnet_of(_MAPPED)):
        return network
    packed = network.network_address.packed[-4:]
    return IPv4Network((packed, network.prefixlen - _MAPPED.prefixlen))


def trusted_proxy(text: str) -> Network | Literal["unix"]:
    """Return a network of proxies, or `unix` for whoever connects to a unix socket."""
    return "unix" if text == "unix" else network(text)


def upstream_host(text: str) -> str:
    """Return what the Host that an upstream is sent is: `upstream`, `client`, or a text."""
    if text in {"upstream", "client"}:
        return text
    try:
        if "/" in text or text.lower() in {"upstream", "client"}:
            raise ValueError  # noqa: TRY301 -- the sentence is the same
        Origin.parse(f"http://{text}")
    except ValueError:
        raise ValueError(
            "must be upstream, client, or a host name or address with an optional port"
        ) from None
    return text


def serves(address: TcpAddress, host: str, port: int) -> bool:
    """Whether an upstream's host (a name or an address) and port lead to an address of ours.

    What other addresses this machine has is not asked: an upstream on another machine often has
    the same port.
    """
    # A name of loopback is both families, and connecting to a wildcard is connecting to loopback.
    both = host in _WILDCARDS or host == "localhost" or host.endswith(".localhost")
    wanted = TcpAddress("localhost" if both else host, port)
    if address.host in _WILDCARDS and not is_loopback(wanted.host):
        return False
    return address.overlaps(wanted)


def _same(one: str, two: str) -> bool:
    wild = one in _WILDCARDS or two in _WILDCARDS
    return one == two or (wild and (":" in one) == (":" in two))
