"""The page in front of a route, for a person whom another site has sent there.

A link in a wiki and the way back from a login are no attack, but a page could do the same by
itself. So a person is asked: the link below is followed from a page of ours.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from proxy.dataplane.target import percent_encoded


if TYPE_CHECKING:
    from proxy.dataplane.target import Target


FIELDS: Final = (
    (
        b"Content-Security-Policy",
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"X-Frame-Options", b"DENY"),
    # The request that follows shows by its Referer that it comes from here: over plain http
    # browsers send nothing else that does. Other sites learn nothing.
    (b"Referrer-Policy", b"same-origin"),
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Continue?</title>
</head>
<body>
<h1>Continue?</h1>
<p>{sender} sent you here. This address sends a request with a stored credential,
so Keybearer asks first. Continue only if you meant to open it.</p>
<p><a href="{link}">Continue to {path}</a></p>
</body>
</html>
"""
_LONGEST_SHOWN: Final = 100


def interstitial(target: Target, sender: str) -> bytes:
    """Return the page.

    Args:
        target: what was asked for, which `parse_target` has let through.
        sender: what has sent the person: an origin, or words for what is not known.
    """
    path = percent_encoded(target.path)
    # A browser reads `//host` as another host; the dot is removed again (RFC 3986 5.2.4).
    link = f"/.{path}" if path.startswith("//") else path
    if target.query is not None:
        link += f"?{percent_encoded(target.query)}"
    shown = path if len(path) <= _LONGEST_SHOWN else f"{path[:_LONGEST_SHOWN]}…"
    page = _PAGE.format(sender=escape(sender), link=escape(link), path=escape(shown))
    return page.encode()
