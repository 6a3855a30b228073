"""Which web pages of other origins may use the proxy, and what their browsers are told (CORS).

A page that is allowed reads answers (WHATWG Fetch 3.3), but never with what the browser keeps for
our host: there is no `Access-Control-Allow-Credentials`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.dataplane.errors import BadRequest
from proxy.upstream.origin import DEFAULT_PORTS, Origin


if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.dataplane.model import Head, Named


# ASCII alone: else the Kelvin sign (U+212A) would be a "k".
_ORIGIN: Final = re.compile(
    r"([a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?",
    re.IGNORECASE | re.ASCII,
)
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 5.6.2
_VARY: Final = b"\r\nVary: Origin"
_METHOD: Final = "Access-Control-Request-Method"
_HEADERS: Final = "Access-Control-Request-Headers"
_PRIVATE_NETWORK: Final = "Access-Control-Request-Private-Network"
_PREFLIGHT_VARY: Final = f"\r\nVary: {_METHOD}, {_HEADERS}, {_PRIVATE_NETWORK}".encode("ascii")


class Page(NamedTuple):
    """The web page that a request comes from, as far as its Origin tells.

    Attributes:
        lines: what every answer to it bears: field lines, each behind a CRLF.
        ours: it has our own origin.
        foreign: it has another one, of `cors.allow_origins`.
    """

    lines: bytes = b""
    ours: bool = False
    foreign: bool = False


class Cors:
    """The pages that may use this proxy.

    Args:
        origins: of other pages, as `fold_origin` returns them.
    """

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._foreign = {origin: Page(_lines(origin), foreign=True) for origin in origins}
        # A browser that keeps an answer without these fields would show it to a page that needs
        # them (WHATWG Fetch 3.3.5, "CORS protocol and HTTP caches").
        vary = _VARY if self._foreign else b""
        self.nobody = Page(vary)
        """No Origin: a tool, the address bar, a page of ours that reads."""
        self.ours = Page(vary, ours=True)

    def foreign(self, origin: str) -> Page | None:
        """Return the page of an Origin field that is not ours, or None where it is not allowed."""
        if not self._foreign:
            return None
        page = self._foreign.get(origin)  # as browsers spell it
        return self._foreign.get(fold_origin(origin) or "") if page is None else page


NO_CORS: Final = Cors()
NO_PAGE: Final = Page()
"""Where no page can come from: a unix socket."""


def _lines(origin: str) -> bytes:
    return (
        b"\r\nAccess-Control-Allow-Origin: "
        + origin.encode("ascii")
        + _VARY
        + b"\r\nAccess-Control-Expose-Headers: *"
    )


def fold_origin(text: str) -> str | None:
    """Return an origin as browsers send it: lower case, without its scheme's default port.

    Any scheme will do (extensions and desktop applications have their own); None if it is not
    `scheme://host[:port]` and nothing else.
    """
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    folded = text.lower()
    if match[1].lower() not in DEFAULT_PORTS:
        return folded
    try:
        return str(Origin.parse(folded))
    except ValueError:
        return None


def is_preflight(head: Head) -> bool:
    """Tell whether a browser asks on behalf of a page (that is `foreign`) what it may send."""
    return head.method == "OPTIONS" and _METHOD in head.named


def preflight_answer(named: Named, page: Page, *, close: bool) -> bytes:
    """Return the answer to a preflight: whatever is asked for, and nothing kept for our host.

    Methods and rules are not told here: the request itself is judged by them.

    Args:
        named: the fields of the preflight.
        page: on whose behalf.
        close: the connection ends behind it.

    Raises:
        BadRequest: it asks for what is no method or no field's name. That is never sent back.
    """
    methods = named.getall(_METHOD)
    if len(methods) != 1 or _TOKEN.fullmatch(methods[0]) is None:
        raise BadRequest(f"{_METHOD} is not one method.")
    answer = (
        b"HTTP/1.1 204 No Content"
        + page.lines
        + _PREFLIGHT_VARY
        + b"\r\nAccess-Control-Allow-Methods: "
        + methods[0].encode("ascii")
        + _allowed_headers(named)
        + b"\r\nAccess-Control-Max-Age: 600"
    )
    if named.get(_PRIVATE_NETWORK, "") == "true":
        answer += b"\r\nAccess-Control-Allow-Private-Network: true"
    return answer + (b"\r\nConnection: close\r\n\r\n" if close else b"\r\n\r\n")


def _allowed_headers(named: Named) -> bytes:
    if _HEADERS not in named:
        return b""
    asked = [name.strip(" \t") for name in ",".join(named.getall(_HEADERS)).split(",")]
    names = [name for name in asked if name]  # empty ones mean nothing (RFC 9110 5.6.1)
    if not all(_TOKEN.fullmatch(name) for name in names):
        raise BadRequest(f"{_HEADERS} is not a list of field names.")
    if not names:
        return b""
    return b"\r\nAccess-Control-Allow-Headers: " + ", ".join(names).encode("ascii")
