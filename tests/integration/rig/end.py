"""One end of a connection: how it leaves, and how it stops listening."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    import asyncio


_RESET: Final = struct.pack("ii", 1, 0)


class End:
    """What client and upstream can do with their transport."""

    transport: asyncio.Transport
    stays = False
    """It goes on sending behind the other's FIN."""

    def finish(self) -> None:
        """Send FIN, and go on reading."""
        self.transport.write_eof()

    def close(self) -> None:
        """Send what is to be sent, then FIN."""
        self.transport.close()

    def reset(self) -> None:
        """Leave with RST."""
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def deaf(self) -> None:
        """Read no more."""
        self.transport.pause_reading()

    def listen(self) -> None:
        """Read again."""
        self.transport.resume_reading()
