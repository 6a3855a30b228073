"""The request as the upstream will see it."""

from __future__ import annotations

from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from proxy.dataplane.echo import Echo
    from proxy.dataplane.inject import Injection


class Outbound:
    """A request head, ready to be written.

    Attributes:
        method: as the client sent it.
        head: request line and fields with the credential, and the empty line.
        echo: finds the credential in the answer; None: nothing is looked for.
        upgrade: the protocol that is asked for, or None.
        written: it is on its way; set by the exchange.
    """

    __slots__ = ("echo", "head", "method", "upgrade", "written")

    def __init__(
        self, method: str, head: bytes, echo: Echo | None = None, upgrade: str | None = None
    ) -> None:
        self.method = method
        self.head = head
        self.echo = echo
        self.upgrade = upgrade
        self.written = False

    def __repr__(self) -> str:
        return f"<Outbound {self.method}>"  # the head holds the credential


def assemble(
    method: str,
    path: str,
    query: str | None,
    fields: bytes,
    injection: Injection,
    upgrade: str | None = None,
) -> Outbound:
    """Put the head together: the path byte for byte, the credential last.

    Args:
        method: as the client sent it.
        path: the upstream's own, undecoded.
        query: without credentials; None for no `?`.
        fields: lines, framing included.
        injection: the credential.
        upgrade: the protocol to ask for, or None.
    """
    if injection.query:
        query = f"{query}&{injection.query}" if query else injection.query
    target = path if query is None else f"{path}?{query}"
    line = f"{method} {target} HTTP/1.1\r\n".encode("utf-8", "surrogateescape")
    if upgrade is not None:
        fields += switching(upgrade)
    head = line + fields + injection.fields + b"\r\n"
    return Outbound(method, head, injection.echo, upgrade)


def switching(protocol: str) -> bytes:
    """Return the field lines that ask for a protocol, or agree to it (RFC 9110 7.8)."""
    return b"Connection: Upgrade\r\nUpgrade: " + protocol.encode("ascii") + b"\r\n"
