"""One reading of a head, or none (RFC 9112 6.3, 11.2): what the parser lets through is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.dataplane.errors import BadRequest, BadVersion, UnsupportedCoding
from proxy.dataplane.names import HOST, TRANSFER_ENCODING


if TYPE_CHECKING:
    from proxy.dataplane.model import Head


_VERSIONS: Final = frozenset({(1, 1), (1, 0)})
_LONGEST: Final = 2**63 - 1
"""Bytes of a body. The parser takes 2**64 - 1 for no body at all, others for a negative length."""


def check_framing(head: Head) -> None:
    """Refuse a head whose body could end in two places.

    Raises:
        BadVersion: neither HTTP/1.1 nor HTTP/1.0.
        BadRequest: no Host, a length that no body has, or a transfer coding that contradicts the
            rest.
        UnsupportedCoding: anything but `chunked`. Passing it on would mean to undo the outer
            coding and to lose the name of the inner one.
    """
    if head.version not in _VERSIONS:
        raise BadVersion("Keybearer speaks HTTP/1.1 and HTTP/1.0.")
    if TRANSFER_ENCODING in head.named:
        codings = head.named.getall("Transfer-Encoding")
        if head.http10 or "Content-Length" in head.named or not "".join(codings).strip():
            raise BadRequest("The framing of the body contradicts itself.")
        if len(codings) > 1 or codings[0].strip().lower() != "chunked" or not head.chunked:
            raise UnsupportedCoding("The only transfer coding that is taken is `chunked`.")
    if head.length is not None and head.length > _LONGEST:
        raise BadRequest("No body is that long.")
    if not head.http10 and head.authority is None and HOST not in head.named:
        raise BadRequest("An HTTP/1.1 request needs a Host field.")
