"""What is to be said about clients that are valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple


if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.config.client import ClientConfig


NOBODY: Final = (
    "there are no clients yet, so every request is refused; `keybearer keys new NAME --routes A,B` "
    "makes one"
)
_MOST: Final = 20
"""Sentences about clients that are open to all, of thousands."""
_NAMED: Final = 10
"""Clients named, of thousands that may have expired."""


class Doubtful(NamedTuple):
    """Clients that do what is written, which may not be what was meant; in the order of the file.

    Attributes:
        open_to_all: their names; their `jwt` asks for no claims.
        expired: their names; they are refused.
    """

    open_to_all: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()

    def since(self, before: Doubtful) -> Doubtful:
        """Return those that were not doubtful for the same reason before."""
        open_to_all, expired = frozenset(before.open_to_all), frozenset(before.expired)
        return Doubtful(
            tuple(name for name in self.open_to_all if name not in open_to_all),
            tuple(name for name in self.expired if name not in expired),
        )

    def sentences(self) -> list[str]:
        """Return what to tell the operator: 22 sentences at most, of however many clients."""
        told = [
            f"clients.{name}.jwt names no claims: every token of its issuer for its audience comes "
            "in"
            for name in self.open_to_all[:_MOST]
        ]
        if len(self.open_to_all) > _MOST:
            told.append(f"{len(self.open_to_all) - _MOST} more clients have a jwt without claims")
        if self.expired:
            more = len(self.expired) - _NAMED
            named = ", ".join(self.expired[:_NAMED]) + (f" and {more} more" if more > 0 else "")
            told.append(f"clients that have expired: {named}")
        return told


def doubtful(clients: Mapping[str, ClientConfig], *, now: float) -> Doubtful:
    """Return which of the clients are to be told of.

    Args:
        clients: of the configuration, and of the file of clients.
        now: in seconds since 1970.
    """
    return Doubtful(
        tuple(
            name
            for name, client in clients.items()
            if client.jwt is not None and not client.jwt.claims
        ),
        tuple(
            name
            for name, client in clients.items()
            if client.expires is not None and client.expires <= now
        ),
    )
