"""The request as the upstream will see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from proxy.dataplane.inject import Injection


@dataclass(frozen=True, slots=True)
class Outbound:
    """A request head, ready to be written.

    Attributes:
        method: as the client sent it.
        head: request line and fields with the credential, and the empty line.
    """

    method: str
    head: bytes = field(repr=False)


def assemble(
    method: str, path: str, query: str | None, fields: bytes, injection: Injection
) -> Outbound:
    """Put the head together: the path byte for byte, the credential last.

    Args:
        method: as the client sent it.
        path: the upstream's own, undecoded.
        query: without credentials; None for no `?`.
        fields: lines, framing included.
        injection: the credential.
    """
    pairs = [part for part in (query, injection.query) if part]
    tail = "?" + "&".join(pairs) if pairs or query is not None else ""
    line = f"{method} {path}{tail} HTTP/1.1\r\n".encode("ascii")
    return Outbound(method, b"%b%b%b\r\n" % (line, fields, injection.fields))
