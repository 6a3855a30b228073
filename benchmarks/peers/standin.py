"""An upstream that reads what is sent to it to the end, or answers one event and then nothing."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from typing import TYPE_CHECKING, cast

import uvloop

from benchmarks.peers import CREDENTIAL_HEADER, EVENTS_PATH, TOKEN, Launch


if TYPE_CHECKING:
    from benchmarks.peers import Site


BUFFER_SIZE = 256 * 1024
BACKLOG = 4096
CREDENTIAL = f"\r\n{CREDENTIAL_HEADER}: {TOKEN}\r\n".lower().encode()
FORBIDDEN = (b"\r\nauthorization:", b"\r\ncookie:")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n")
RECEIVED = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nreceived\n"
REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
# The last field tells nginx not to buffer this answer; it is nginx's own way to be told.
STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    b"Transfer-Encoding: chunked\r\nX-Accel-Buffering: no\r\n\r\n"
)
EVENT = b"data: hello\n\n"


class StandIn:
    """This module, run as a program."""

    name = "stand-in"

    def launch(self, site: Site) -> Launch:
        """The upstream's command."""
        return Launch([sys.executable, "-m", __name__, str(site.port)])


def rightly_proxied(head: bytes) -> bool:
    """True if a head, in lower case, has our credential and none of the client's."""
    return CREDENTIAL in head and not any(name in head for name in FORBIDDEN)


class Connection(asyncio.BufferedProtocol):
    """One connection: head by head, and of a body only how much of it is still to come."""

    def __init__(self) -> None:
        self.buffer = bytearray(BUFFER_SIZE)
        self.head = b""
        self.left = 0  # bytes of a body
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.left:
            self.take_body(nbytes)
            return
        self.head += self.buffer[:nbytes]
        head, end, rest = self.head.partition(b"\r\n\r\n")
        if end:
            self.head = b""
            self.answer(head.lower() + b"\r\n", len(rest))

    def answer(self, head: bytes, begun: int) -> None:
        """Answers a head, unless it has a body that is still on its way."""
        if not rightly_proxied(head):
            self.transport.write(REFUSED)
            self.transport.close()
        elif length := LENGTH.search(head):
            self.left = int(length[1])
            self.take_body(begun)
        elif EVENTS_PATH.encode() in head:
            # A stream is idle from now on and needs no room to read into.
            self.buffer = bytearray(1)
            self.transport.write(STREAM + b"%x\r\n%s\r\n" % (len(EVENT), EVENT))

    def take_body(self, size: int) -> None:
        """Counts a piece of a body down; answers after the last."""
        self.left -= size
        if self.left <= 0:
            self.transport.write(RECEIVED)


async def serve(port: int) -> None:
    """Serves until it is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog=f"python -m {StandIn.__module__}")
    options.add_argument("port", type=int)
    uvloop.run(serve(options.parse_args().port))
