"""Brakes peers that try keys; a key that is right is never braked."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final

from proxy.access.comeback import Policy, comeback_fields
from proxy.dataplane.authenticate import CHALLENGE
from proxy.dataplane.errors import ClientKeyInvalid, RateLimited
from proxy.upstream.origin import peer_network


if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dataplane.errors import Refusal


AMOUNT: Final = 10
WINDOW_S: Final = 60
_POLICY: Final = Policy("wrong-keys", AMOUNT, WINDOW_S)
_PEERS: Final = 10_000
"""Peers that are remembered; those that have been quiet for longest are forgotten first."""


class Throttle:
    """Counts the failures of each peer in the last minute.

    Args:
        now: tells seconds that only grow.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, address: str, cause: str) -> Refusal:
        """Count a failure; return how to refuse it: as invalid, or as one too many.

        Args:
            address: the peer's, or "unix".
            cause: what was wrong, for the log; the client is not told.
        """
        now, network = self._now(), peer_network(address)
        recent = self._failures.setdefault(network, deque(maxlen=AMOUNT))
        self._failures.move_to_end(network)
        if len(self._failures) > _PEERS:
            self._failures.popitem(last=False)
        if len(recent) == AMOUNT and now - recent[0] < WINDOW_S:
            return _too_many(WINDOW_S - (now - recent[0]), cause)
        recent.append(now)
        return ClientKeyInvalid(
            "The client key is not valid; ask who runs this gateway for a new one.",
            cause=cause,
            fields=CHALLENGE,
        )


def _too_many(wait_s: float, cause: str) -> RateLimited:
    return RateLimited(
        "Too many wrong client keys from this address; a right one is still taken.",
        cause=f"wrong client keys, the last one: {cause}",
        fields=comeback_fields([_POLICY], [(_POLICY, wait_s)]),
    )
