"""Who may come in by TCP: hosts that are ours, and no foreign web page.

A listener on loopback is within reach of every web page that the user opens: by DNS rebinding (a
foreign name that resolves to 127.0.0.1; kubernetes#8871, CVE-2024-28224) and by plain cross-site
requests (CVE-2025-49596). The Host field tells the first, Origin and Sec-Fetch-Site the second.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from proxy.dataplane.cors import NO_CORS
from proxy.dataplane.errors import BadRequest, ForwardDenied, HostDenied, OriginDenied
from proxy.dataplane.names import ORIGIN, SEC_FETCH_DEST, SEC_FETCH_SITE, SERVICE_WORKER
from proxy.dataplane.target import parse_authority
from proxy.upstream.origin import DEFAULT_PORTS


if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.dataplane.cors import Cors, Page
    from proxy.dataplane.model import Named
    from proxy.dataplane.target import Authority


# ASCII alone: else "s" would be the long s (U+017F) too, in a scheme without a default port.
_ORIGIN: Final = re.compile(r"(https?)://([^/?#@]+)", re.IGNORECASE | re.ASCII)
_LONGEST_HOST: Final = 255
_REMEMBERED: Final = 256
"""Spellings of our own names that need not be read again."""
_FOREIGN_SITES: Final = frozenset({"cross-site", "same-site"})
SANDBOX: Final = b"\r\nContent-Security-Policy: sandbox allow-scripts allow-forms"
_DOCUMENTS: Final = frozenset({"document", "iframe", "frame", "object", "embed"})


class Guard:
    """The names that this proxy answers to.

    Args:
        hosts: the routes' virtual hosts, lower case.
        allowed: `allow_hosts`: exact names and `*.suffix`.
        cors: the web pages that may use this proxy.
        any_name: every name is accepted. Where clients are asked for a key, that is what keeps
            pages out: a browser never adds one by itself.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        allowed: Iterable[str] = (),
        cors: Cors = NO_CORS,
        *,
        any_name: bool = False,
    ) -> None:
        self.cors = cors
        self._any_name = any_name
        patterns = [name.lower().removesuffix(".") for name in allowed]
        self._names = {
            "localhost",
            *hosts,
            *(name for name in patterns if not name.startswith("*.")),
        }
        self._admitted: dict[str, Authority] = {}
        self._suffixes = tuple(name[1:] for name in patterns if name.startswith("*."))

    def accepts(self, host: str) -> bool:
        """Tell whether `host` (lower case, no port, no brackets, no trailing dot) may be ours.

        An IP literal always may: rebinding needs a name.
        """
        return self._any_name or self._knows(host)

    def _knows(self, host: str) -> bool:
        return host in self._names or host.endswith(self._suffixes) or _is_address(host)

    def admit(self, text: str, *, guarded: bool) -> Authority:
        """Return the authority that a client calls us by.

        Args:
            text: the Host field.
            guarded: it came by TCP. A unix socket is reached by no name at all.

        Raises:
            BadRequest: it is no authority.
            HostDenied: it is a name we do not know.
        """
        known = self._admitted.get(text)
        if known is not None:
            return known
        authority = parse_authority(text)
        if not self.accepts(authority.host):
            if not guarded:
                return authority
            raise HostDenied(
                "This proxy does not answer to the name in the Host field. If the name is its "
                "own, add it to `allow_hosts` in the configuration.",
                cause=f"Host {authority.host}",
            )
        if len(self._admitted) < _REMEMBERED and len(text) <= _LONGEST_HOST:
            self._admitted[text] = authority
        return authority

    def admit_absolute(self, text: str, host: str | None, *, scheme: str) -> Authority:
        """Return the authority of an absolute target, if it is ours (RFC 9112 3.2.2).

        Args:
            text: the target's authority.
            host: the Host field.
            scheme: the target's, for the port it leaves away.

        Raises:
            BadRequest: it is no authority, or not what the Host field says.
            ForwardDenied: it is another server: this is no open proxy.
        """
        authority = parse_authority(text)
        default = DEFAULT_PORTS[scheme]
        if host is not None and _with_port(parse_authority(host), default) != _with_port(
            authority, default
        ):
            raise BadRequest("The Host field is not the authority of the request target.")
        # Whoever takes us for his forward proxy means the server that he names, whatever names we
        # are called by: what is meant for that one must not go to one of ours.
        if not self._knows(authority.host):
            raise ForwardDenied(
                "The request target names a server that this proxy does not stand for.",
                cause=f"target {authority.host}",
            )
        return authority


def _with_port(authority: Authority, default: int) -> tuple[str, int]:
    return authority.host, authority.port or default


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_origin(named: Named, authority: Authority | None, cors: Cors = NO_CORS) -> Page:
    """Return the page that a request comes from: none, one of ours, or one that is allowed.

    Args:
        named: the request's fields.
        authority: what the client calls us.
        cors: the pages of other origins that are allowed.

    Raises:
        OriginDenied: the request comes from a page that is not ours, or registers a script that
            would see the requests of all routes of this origin.
    """
    if ORIGIN in named:
        origins = named.getall("Origin")
        page = _page(origins[0], authority, cors) if len(origins) == 1 else None
        if page is not None:
            return page
        raise OriginDenied(
            "Web pages of other origins may not use this proxy.", cause="Origin is not ours"
        )
    if named.get(SEC_FETCH_SITE, "") in _FOREIGN_SITES:
        raise OriginDenied(
            "Web pages of other origins may not use this proxy.", cause="Sec-Fetch-Site"
        )
    return cors.nobody


def _page(origin: str, authority: Authority | None, cors: Cors) -> Page | None:
    return cors.ours if _is_ours(origin, authority) else cors.foreign(origin)


def check_shared_origin(named: Named) -> bool:
    """Keep routes apart that a browser takes for one origin; return whether to sandbox the answer.

    Pages of one route could otherwise drive all others. In a sandbox a page has an origin of its
    own, which is not ours. A service worker would stay and see the requests of every route.

    Raises:
        OriginDenied: the request would register a service worker.
    """
    if SERVICE_WORKER in named:
        raise OriginDenied("No service workers here; use the route's virtual host.")
    return named.get(SEC_FETCH_DEST, "") in _DOCUMENTS


def _is_ours(origin: str, authority: Authority | None) -> bool:
    match = _ORIGIN.fullmatch(origin)
    if match is None or authority is None:
        return False
    default = DEFAULT_PORTS[match[1].lower()]
    try:
        theirs = parse_authority(match[2])
    except BadRequest:
        return False
    return theirs.host == authority.host and (theirs.port or default) == (authority.port or default)
