"""An upstream beside the command, that keeps every byte of its requests."""

from __future__ import annotations

from tests.integration.rig.upstream import Upstream


class Recorder(Upstream):
    """An upstream that keeps the bytes of each request and answers what it is told to."""

    async def start(self) -> None:
        """Begin to listen."""
        await self.__aenter__()

    async def close(self) -> None:
        """End, with every connection."""
        await self.__aexit__()

    def taken(self) -> bytes:
        """Return every request since the last call, as it came."""
        requests, self.requests = self.requests, []
        return b"".join(each.raw for each in requests)
