"""Which requests look like a browser's, and which of them show a page to a person.

Browsers mark requests with `Sec-Fetch-*` (W3C Fetch Metadata), but only towards https and loopback.
By which signs the others are known: docs/adr/0015-what-counts-as-a-browser.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.dataplane.names import (
    ACCEPT,
    ORIGIN,
    SEC_FETCH_DEST,
    SEC_FETCH_MODE,
    SEC_FETCH_SITE,
    SEC_FETCH_USER,
    SERVICE_WORKER,
    UPGRADE_INSECURE_REQUESTS,
    USER_AGENT,
)
from proxy.judged import Judged


if TYPE_CHECKING:
    from proxy.dataplane.model import Head, Named


_HTML: Final = "text/html"
_AGENTS: Final = ("Mozilla/", "AppleCoreMedia/", "stagefright/", "Opera/")
"""Of browsers, and of the players that fetch what a page has in `<video>` (iOS, old Android)."""
_MODES_OF_NODE: Final = frozenset({"", "cors", "websocket"})
"""The fetch and WebSocket of Node send a mode, and no other of these fields."""
_ACCEPTED_BY_JAVA: Final = frozenset(
    {
        "text/html, image/gif, image/jpeg, */*; q=0.2",
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    }
)
"""What java.net.HttpURLConnection sends with every request."""
_LONGEST_WEIGHED: Final = 1024
"""Characters of an `Accept` whose weights are compared; beyond, HTML in it is enough."""
_SAFE: Final = frozenset({"GET", "HEAD"})


def is_marked(named: Named) -> bool:
    """Return whether any field may be a browser's; for most tools nothing else is looked at."""
    return (
        ORIGIN in named
        or SEC_FETCH_SITE in named
        or SEC_FETCH_MODE in named
        or SEC_FETCH_DEST in named
        or SEC_FETCH_USER in named
        or UPGRADE_INSECURE_REQUESTS in named
        or SERVICE_WORKER in named
        or named.get(USER_AGENT, "").startswith(_AGENTS)
        or _PREFERS_HTML[named.get(ACCEPT, "")]
    )


def is_browser(named: Named) -> bool:
    """Return whether a request that says nothing of its site looks like a browser's."""
    agent = named.get(USER_AGENT, "")
    return (
        agent.startswith(_AGENTS)
        or UPGRADE_INSECURE_REQUESTS in named
        or SEC_FETCH_DEST in named
        or SEC_FETCH_USER in named
        or named.get(SEC_FETCH_MODE, "") not in _MODES_OF_NODE
        # pip before 22.2 wants HTML alone.
        or (_PREFERS_HTML[named.get(ACCEPT, "")] and not agent.startswith("pip/"))
    )


def is_navigation(head: Head) -> bool:
    """Return whether a browser's request shows a page in a window of its own, by GET.

    Where the browser does not say, it is a page if HTML is preferred; a frame looks the same.
    """
    if head.method not in _SAFE:
        return False
    named = head.named
    mode, destination = named.get(SEC_FETCH_MODE, ""), named.get(SEC_FETCH_DEST, "")
    if mode or destination or SEC_FETCH_SITE in named:
        return (mode, destination) == ("navigate", "document")
    return _PREFERS_HTML[named.get(ACCEPT, "")]


def _prefers_html(accept: str) -> bool:
    """Return whether nothing is preferred to HTML (RFC 9110 12.5.1); pip takes it at a pinch."""
    text = accept.lower()
    if _HTML not in text or text in _ACCEPTED_BY_JAVA:
        return False
    if len(text) > _LONGEST_WEIGHED:
        return True
    weights = [(_weight(parts), parts[0].strip()) for parts in map(_parts, text.split(","))]
    best = max(weights)[0]
    return best > 0 and (best, _HTML) in weights


def _parts(member: str) -> list[str]:
    return member.split(";")


def _weight(parts: list[str]) -> float:
    for part in parts[1:]:
        name, _, value = part.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 1.0
    return 1.0


_PREFERS_HTML: Final[Judged[str, bool]] = Judged(_prefers_html)
