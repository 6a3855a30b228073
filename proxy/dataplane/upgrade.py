"""Whether a request asks for another protocol that its route tunnels (RFC 9110 7.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Container

    from proxy.dataplane.model import Head


def wanted(head: Head, allowed: Container[str]) -> str | None:
    """Return the protocol to ask the upstream for, in lower case; None: an ordinary request.

    One protocol, or none: of several the upstream might choose one that the route does not allow.
    What is not taken for an upgrade goes on without `Upgrade`, as RFC 9110 lets any server do.

    Args:
        head: the client's.
        allowed: protocols of the route, in lower case.
    """
    if head.method != "GET" or head.version != (1, 1) or head.chunked or head.length:
        return None
    asked = _tokens(head, "Upgrade")
    if len(asked) != 1 or asked[0] not in allowed or "upgrade" not in _tokens(head, "Connection"):
        return None
    return asked[0]


def _tokens(head: Head, name: str) -> list[str]:
    """Return the members of a list field in lower case (RFC 9110 5.6.1)."""
    if name not in head.named:
        return []
    members = ",".join(head.named.getall(name)).split(",")
    # Beyond ASCII lower() would make a `k` of the Kelvin sign.
    return [text.lower() if text.isascii() else text for m in members if (text := m.strip(" \t"))]
