"""How many bytes a peer has not taken yet: those of the transport, and those of the kernel."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    import asyncio


_SIOCOUTQ: Final = 0x5411
_SO_NWRITE: Final = 0x1024


def unsent_bytes(transport: asyncio.Transport) -> int:
    """Return the bytes that were written and that the peer has not acknowledged.

    A transport's own buffer stays as it is for minutes while a slow peer empties the kernel's.
    """
    size = transport.get_write_buffer_size()
    try:
        return size + _in_kernel(transport.get_extra_info("socket"))
    except (OSError, ValueError, AttributeError):
        return size  # closed below it, or no socket


if sys.platform == "darwin":

    def _in_kernel(wire: socket.socket) -> int:
        return wire.getsockopt(socket.SOL_SOCKET, _SO_NWRITE)

else:
    from fcntl import ioctl

    def _in_kernel(wire: socket.socket) -> int:
        return int.from_bytes(ioctl(wire.fileno(), _SIOCOUTQ, b"\0\0\0\0"), sys.byteorder)
