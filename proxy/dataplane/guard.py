"""Who may come in by TCP: hosts that are ours, and no foreign web page.

A listener on loopback is within reach of every web page that the user opens: by DNS rebinding (a
foreign name that resolves to 127.0.0.1; kubernetes#8871, CVE-2024-28224) and by plain cross-site
requests (CVE-2025-49596). The Host field shows the first; Origin, Sec-Fetch-Site and, where
browsers do not send that, Referer show the second.
"""

from __future__ import annotations

import re
from ipaddress import (
    IPv4Address,  # noqa: TC003 -- the compiled build looks the types up
    IPv4Network,  # noqa: TC003 -- as above
    IPv6Address,  # noqa: TC003 -- as above
    IPv6Network,  # noqa: TC003 -- as above
)
from typing import TYPE_CHECKING, Final

from proxy.dataplane.browser import is_browser, is_navigation
from proxy.dataplane.cors import NO_CORS, fold_origin
from proxy.dataplane.errors import BadRequest, ForwardDenied, HostDenied, OriginDenied
from proxy.dataplane.interstitial import interstitial
from proxy.dataplane.names import (
    ORIGIN,
    REFERER,
    SEC_FETCH_DEST,
    SEC_FETCH_SITE,
    SERVICE_WORKER,
)
from proxy.dataplane.target import (
    Authority,  # noqa: TC001 -- the compiled build looks the types up
    parse_authority,
)
from proxy.upstream.origin import DEFAULT_PORTS, is_loopback, parse_address


if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.dataplane.cors import Cors, Page
    from proxy.dataplane.model import Entrance, Head, Named
    from proxy.dataplane.router import Mount
    from proxy.dataplane.target import Target


# ASCII alone: otherwise "s" would be the long s (U+017F) too, in a scheme without a default port.
_ORIGIN: Final = re.compile(r"(https?)://([^/?#@]+)", re.IGNORECASE | re.ASCII)
_LONGEST_HOST: Final = 255
_REMEMBERED: Final = 256
"""Spellings of our own names that need not be read again."""
_OWN_SITES: Final = frozenset({"same-origin", "none"})
SANDBOX: Final = b"\r\nContent-Security-Policy: sandbox allow-scripts allow-forms"
_DOCUMENTS: Final = frozenset({"document", "iframe", "frame", "object", "embed", "fencedframe"})


class Guard:
    """The names that this proxy answers to.

    Args:
        hosts: the routes' virtual hosts, lower case.
        allowed: `allow_hosts`: exact names, `*.suffix`, and networks of addresses.
        cors: the web pages that may use this proxy.
        any_name: every name and address is accepted but unspecified ones. Where clients are asked
            for a key, that is what keeps pages out: a browser never adds one by itself.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        allowed: Iterable[str | IPv4Network | IPv6Network] = (),
        cors: Cors = NO_CORS,
        *,
        any_name: bool = False,
    ) -> None:
        self.cors = cors
        self._any_name = any_name
        texts: list[str] = []
        self._networks: list[IPv4Network | IPv6Network] = []
        for each in allowed:
            if isinstance(each, str):
                texts.append(each.lower().removesuffix("."))
            else:
                self._networks.append(each)
        self._names = {
            "localhost",
            *hosts,
            *(name for name in texts if not name.startswith("*.")),
        }
        self._admitted: dict[str, Authority] = {}
        self._admitted_at: dict[tuple[str, str], Authority] = {}
        """Those that are ours at one address alone, by that too."""
        self._suffixes = tuple(name[1:] for name in texts if name.startswith("*."))

    def _local_of(self, host: str, *, any_name: bool) -> str | None:
        """Return where a host is ours: "" everywhere, one of our addresses, or None for nowhere.

        An address is not open to rebinding, which needs a name; but browsers take 0.0.0.0 for
        loopback, and guard it less well.
        """
        if host in self._names or host.endswith(self._suffixes):
            return ""
        address = _address(host)
        if address is None:
            return "" if any_name and not _ends_in_number(host) else None
        if address.is_unspecified:
            return None
        if address.is_loopback or any_name or any(address in each for each in self._networks):
            return ""
        return str(address)

    def admit(self, text: str, *, guarded: bool, local: str = "") -> Authority:
        """Return the authority that a client calls us by.

        Args:
            text: the Host field.
            guarded: it came by TCP. A unix socket is reached by no name at all.
            local: the address of ours that the connection came in on.

        Raises:
            BadRequest: it is no authority.
            HostDenied: it is a name that we do not know.
        """
        known = self._admitted.get(text) or self._admitted_at.get((text, local))
        if known is not None:
            return known
        authority = parse_authority(text)
        where = self._local_of(authority.host, any_name=self._any_name)
        if where is None or where not in {"", local}:
            if not guarded:
                return authority
            raise _host_denied(authority.host)
        if len(text) <= _LONGEST_HOST:
            if not where and len(self._admitted) < _REMEMBERED:
                self._admitted[text] = authority
            elif where and len(self._admitted_at) < _REMEMBERED:
                self._admitted_at[text, local] = authority
        return authority

    def admit_absolute(
        self, text: str, host: str | None, *, scheme: str, local: str = ""
    ) -> Authority:
        """Return the authority of an absolute target, if it is ours (RFC 9112 3.2.2).

        Args:
            text: the target's authority.
            host: the Host field.
            scheme: the target's, for the port it leaves out.
            local: the address of ours that the connection came in on.

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
        where = self._local_of(authority.host, any_name=False)
        if where is None or where not in {"", local}:
            raise ForwardDenied(
                "The request target names a server that this proxy does not stand for.",
                cause=f"target {authority.host}",
            )
        return authority


def _with_port(authority: Authority, default: int) -> tuple[str, int]:
    return authority.host, authority.port or default


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return parse_address(host)
    except ValueError:
        return None


def _ends_in_number(host: str) -> bool:
    """Return whether a browser would read a host as IPv4, as `0`, `127.1` or `0x7f.1` (WHATWG)."""
    last = host.rstrip(".").rpartition(".")[2]
    digits = last.removeprefix("0x")
    return last.isdigit() or (digits != last and not digits.strip("0123456789abcdef"))


def _host_denied(host: str) -> HostDenied:
    address = _address(host)
    if address is not None and address.is_unspecified:
        detail = (
            "This proxy does not answer to an unspecified address, and `allow_hosts` cannot add "
            "one; use localhost."
        )
    else:
        detail = (
            "This proxy does not answer to the name in the Host field. If the name is its "
            "own, add it to `allow_hosts` in the configuration."
        )
    return HostDenied(detail, cause=f"Host {host}")


def check_origin(
    named: Named,
    authority: Authority | None,
    cors: Cors = NO_CORS,
    *,
    browser: bool | None = None,
) -> Page:
    """Return the page that a request comes from: none, one of ours, or one that is allowed.

    Args:
        named: the request's fields.
        authority: what the client calls us.
        cors: the pages of other origins that are allowed.
        browser: what `is_browser` says of it, if that is known.

    Raises:
        OriginDenied: the request comes from a page that is not ours.
    """
    if ORIGIN in named:
        origins = named.getall("Origin")
        page = _page(origins[0], authority, cors) if len(origins) == 1 else None
        if page is not None:
            return page
        raise _denied(f"Origin {_logged(origins)}")
    if SEC_FETCH_SITE in named:
        site = named.get(SEC_FETCH_SITE, "")
        if site in _OWN_SITES and len(named.getall("Sec-Fetch-Site")) == 1:
            return cors.nobody
        if site not in {"cross-site", "same-site"}:
            site = "unknown"
        raise _denied(
            f"Sec-Fetch-Site {site}{_sent_by(named)}; pages of cors.allow_origins are known by "
            "Origin, which fetch() sends in CORS mode"
        )
    if not (is_browser(named) if browser is None else browser) or _is_referred(named, authority):
        return cors.nobody
    raise _denied(
        f"a browser's request without Sec-Fetch-Site, and without Origin or Referer of ours"
        f"{_sent_by(named)}; browsers send Sec-Fetch-Site to https and loopback: give the listener "
        "`tls:`",
        detail=_UNMARKED,
    )


_FOREIGN: Final = "Web pages of other origins may not use this proxy."
_UNMARKED: Final = (
    "Web pages of other origins may not use this proxy, and this looks like a browser's request "
    "without a field that shows where it comes from. Use https or 127.0.0.1 in a browser; a tool "
    "that calls itself Mozilla can send `Sec-Fetch-Site: none`."
)


def _denied(cause: str, detail: str = _FOREIGN) -> OriginDenied:
    return OriginDenied(detail, cause=cause)


def _page(origin: str, authority: Authority | None, cors: Cors) -> Page | None:
    return cors.ours if _is_ours(origin, authority) else cors.foreign(origin)


def _logged(origins: list[str]) -> str:
    """Return why origins are refused, for the log: one that is malformed may hold a secret."""
    if len(origins) > 1:
        return "sent more than once; neither is looked for in cors.allow_origins"
    if origins[0] == "null":
        return "null (a sandboxed page or a local file), which cors.allow_origins cannot name"
    origin = (fold_origin(origins[0]) or "(malformed)")[:_LONGEST_HOST]
    return f"{origin} is not ours, nor in cors.allow_origins"


def _sent_by(named: Named) -> str:
    site = _referring_origin(named)
    return f", Referer {site}" if site else ""


def _referring_origin(named: Named) -> str:
    """Return the origin of the page that a Referer names, or ""; its path is nobody's business."""
    scheme, _, rest = named.get(REFERER, "").partition("://")
    if scheme.lower() not in DEFAULT_PORTS:
        return ""
    host = rest.partition("/")[0].partition("?")[0]
    origin = fold_origin(f"{scheme}://{host}") or ""
    return origin if len(origin) <= _LONGEST_HOST else ""


def _is_referred(named: Named, authority: Authority | None) -> bool:
    return (
        REFERER in named
        and len(named.getall("Referer")) == 1
        and _is_ours(_referring_origin(named), authority)
    )


def referring_path(named: Named) -> str | None:
    """Return the path of a page of ours that its Referer alone names, or None.

    Args:
        named: the fields of a browser's request.
    """
    if ORIGIN in named or SEC_FETCH_SITE in named:
        return None
    path = named.get(REFERER, "").partition("://")[2].partition("/")[2]
    return "/" + path.partition("?")[0]


def other_prefix() -> OriginDenied:
    """Return the refusal of a page below another prefix: each route's pages are kept apart."""
    return _denied("Referer of a page below another prefix, or without a path")


def advise(
    denied: OriginDenied,
    head: Head,
    target: Target,
    entrance: Entrance,
    authority: Authority | None,
    mount: Mount | None,
) -> None:
    """Say what a person can do about a page's request that is refused.

    Args:
        denied: gets a page for a person, or the name of the route's virtual host.
        head: the request's.
        target: its target.
        entrance: how it came in.
        authority: what the client calls us.
        mount: of its route, if there is one.
    """
    named = head.named
    if ORIGIN not in named and is_navigation(head):
        denied.cause += "; a person was asked whether to continue"
        denied.page = interstitial(target, _referring_origin(named) or _sender(named))
        if SEC_FETCH_SITE not in named:
            return  # the address may have been typed
    # A page that the sandbox has given an opaque origin sends no Referer.
    opaque = named.get(ORIGIN, "null") == "null" and REFERER not in named
    if not opaque or mount is None or not mount.base.shared or authority is None:
        return
    nearby = is_loopback(authority.host)
    host = next((each for each in mount.route.hosts if is_loopback(each) == nearby), "")
    if host:
        port = "" if authority.port is None else f":{authority.port}"
        denied.cause += f"; a page below {mount.prefix}/ is sandboxed: open "
        denied.cause += f"{entrance.scheme}://{host}{port}/"
        denied.detail += _SANDBOXED.format(host=f"its route's virtual host, {host}")
    else:
        denied.detail += _SANDBOXED.format(host="a virtual host, which `hosts` gives its route")


def _sender(named: Named) -> str:
    return "Another page" if SEC_FETCH_SITE in named else "A typed address or an unknown page"


_SANDBOXED: Final = (
    " A page below a path prefix counts as one, for it is sandboxed; open it at {host}."
)


def check_shared_origin(named: Named, *, browser: bool | None = None) -> bool:
    """Keep routes apart that a browser takes for one origin; return whether to sandbox the answer.

    Pages of one route could otherwise drive all others. In a sandbox a page has an origin of its
    own, which is not ours. A service worker would stay and see the requests of every route.

    Args:
        named: the request's fields.
        browser: what `is_browser` says of it, if that is known.

    Raises:
        OriginDenied: the request would register a service worker.
    """
    if SERVICE_WORKER in named:
        raise OriginDenied(
            "No service workers here; use the route's virtual host.",
            cause="Service-Worker on a listener that routes share; open the route's virtual host",
        )
    destination = named.get(SEC_FETCH_DEST, "")
    if destination:
        return destination in _DOCUMENTS
    return is_browser(named) if browser is None else browser


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
