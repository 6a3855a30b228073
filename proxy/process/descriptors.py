"""How many connections the system's limit on open files has room for."""

from __future__ import annotations

import contextlib
import resource
from typing import Final


OTHERS: Final = 128
"""Descriptors for everything but connections, and for those beyond the limit that are told so."""


def room_for(connections: int) -> int:
    """Return how many clients' connections can be had of those wanted, each with an upstream's.

    A process that has no descriptor left cannot accept, cannot say no, and cannot read its files.
    The soft limit is raised as far as is needed and allowed.
    """
    needed = 2 * connections + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    return min(connections, max((soft - OTHERS) // 2, 1))
