"""What a client may take: seconds, bytes and connections."""

from __future__ import annotations

from typing import NamedTuple


class ClientLimits(NamedTuple):
    """Limits of the client's side; None: no limit.

    Attributes:
        head_s: from a connection, or the first byte of a further head, to the head's end.
        keepalive_s: that an idle connection is kept.
        body_s: that is waited for each `STEP` bytes of a body.
        write_s: that an answer's bytes may wait for a client that does not read.
        head_size: bytes of a head.
        target_size: bytes of its request target.
        connections: open at once.
        per_peer: of them from one address.
    """

    head_s: float | None = 10.0
    keepalive_s: float | None = 75.0
    body_s: float | None = 60.0
    write_s: float | None = 60.0
    head_size: int = 64 * 1024
    target_size: int = 16 * 1024
    connections: int = 10_000
    per_peer: int | None = None
