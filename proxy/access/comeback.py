"""What a 429 says of its limits, and of when to come back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Policy:
    """So many of something in so many seconds.

    Attributes:
        name: printable ASCII without quotes and backslashes.
        amount: how many.
        seconds: the length of the window.
    """

    name: str
    amount: int
    seconds: int


def comeback_fields(
    policies: Sequence[Policy], full: Sequence[tuple[Policy, float]]
) -> tuple[tuple[bytes, bytes], ...]:
    """Return the fields of draft-ietf-httpapi-ratelimit-headers and of RFC 9110 10.2.3.

    Args:
        policies: all that the request counts for.
        full: those that refuse it, at least one, with the seconds until a place is free in each.
    """
    # A place is free only after that, so a whole number is not rounded up but counted on.
    waits = [(policy.name, math.floor(wait_s) + 1) for policy, wait_s in full]
    told = ", ".join(f'"{each.name}";q={each.amount};w={each.seconds}' for each in policies)
    limit = ", ".join(f'"{name}";r=0;t={seconds}' for name, seconds in waits)
    return (
        (b"Retry-After", b"%d" % max(seconds for _, seconds in waits)),
        (b"RateLimit-Policy", told.encode()),
        (b"RateLimit", limit.encode()),
    )
