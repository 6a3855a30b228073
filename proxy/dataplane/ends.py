"""The two ends of a client's connection, as the handler sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol


if TYPE_CHECKING:
    import asyncio

    from proxy.dataplane.errors import Refusal
    from proxy.dataplane.tunnel import End


class Body(Protocol):
    """A request's body as it comes in."""

    @property
    def ended(self) -> bool:
        """Whether all of it has come (it may still have to be read)."""
        ...

    async def read(self) -> bytes:
        """Return what has come, waiting for some; empty at the end.

        Raises:
            BadRequest: its framing is broken.
        """
        ...

    def take(self) -> bytes:
        """Return what has come, without waiting."""
        ...


class Client(Protocol):
    """The client's end of an exchange, as the relay writes to it."""

    @property
    def broken(self) -> Refusal | None:
        """Why we have broken the exchange off; None: the client has left."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    async def drain(self) -> None:
        """Wait while the client reads more slowly than we write."""
        ...

    def abort(self, *, reset: bool) -> None:
        """Break the connection, so that the answer cannot be taken for a whole one."""
        ...

    def hand_over(self, heir: End) -> tuple[asyncio.Transport | None, bytes]:
        """Give the connection away, for good.

        Args:
            heir: is told of all that happens on it from now on.

        Returns:
            its transport, None if the client has left, and what has come behind the request.
        """
        ...
