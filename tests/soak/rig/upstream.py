"""An upstream of blocking sockets and threads: fast at a GiB, and broken as a test wants it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RESET: Final = struct.pack("ii", 1, 0)
_PIECE: Final = 256 * 1024


class Peer:
    """One end of a connection: heads and pieces in, bytes out.

    Attributes:
        target: of the request that was read last.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.target = ""
        self._held = b""

    def head(self) -> dict[str, str]:
        """Read a head; return its fields, names in lower case; empty at the end of the stream."""
        while b"\r\n\r\n" not in self._held:
            piece = self.connection.recv(_PIECE)
            if not piece:
                return {}
            self._held += piece
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        self.target = line.split(" ")[1]
        fields = (each.partition(":") for each in rest)
        return {name.lower(): value.strip() for name, _, value in fields}

    def body(self, head: dict[str, str]) -> Iterator[bytes]:
        """Yield a body's pieces; one that breaks off raises."""
        if head.get("transfer-encoding") == "chunked":
            while size := int(self._line(), 16):
                yield from self._exactly(size)
                self._line()
            self._line()
        else:
            yield from self._exactly(int(head.get("content-length", "0")))

    def send(self, data: bytes | memoryview) -> None:
        """Send all of it."""
        self.connection.sendall(data)

    def chunk(self, data: bytes | memoryview) -> None:
        """Send a chunk."""
        self.send(b"%x\r\n" % len(data))
        self.send(data)
        self.send(b"\r\n")

    def reset(self) -> None:
        """Let closing send RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _line(self) -> bytes:
        while b"\r\n" not in self._held:
            self._held += self._more()
        line, _, self._held = self._held.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._held or self._more()
            taken, self._held = piece[:size], piece[size:]
            size -= len(taken)
            yield taken

    def _more(self) -> bytes:
        piece = self.connection.recv(_PIECE)
        if not piece:
            raise ConnectionError("the stream ended in the middle of a message")
        return piece


@dataclass(slots=True)
class Serving:
    """What is shared by the threads of an upstream.

    Attributes:
        serve: called with each request's connection and head.
        faults: what went wrong in threads.
        connections: those that are open.
    """

    serve: Callable[[Peer, dict[str, str]], None]
    faults: list[BaseException] = field(default_factory=list)
    connections: set[socket.socket] = field(default_factory=set)

    def accept(self, listening: socket.socket) -> None:
        """Serve connections until the listening socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                self.connections.add(connection)
                # At the end their connections are shut down, and they end.
                threading.Thread(target=self._connected, args=(connection,), daemon=True).start()

    def _connected(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peer = Peer(connection)
                while head := peer.head():
                    self.serve(peer, head)
                    if connection.fileno() < 0:
                        return
        except ConnectionError:
            pass  # the proxy has closed: the client's side of the test says whether that is right
        except BaseException as fault:  # noqa: BLE001 -- told when the test ends
            self.faults.append(fault)
        finally:
            self.connections.discard(connection)


@contextlib.contextmanager
def upstream(
    serve: Callable[[Peer, dict[str, str]], None], address: tuple[str, int] = ("127.0.0.1", 0)
) -> Iterator[str]:
    """Serve on loopback, a thread a connection; yield the origin."""
    serving = Serving(serve)
    with socket.create_server(address) as listening:
        thread = threading.Thread(target=serving.accept, args=(listening,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for connection in list(serving.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            thread.join()
    for fault in serving.faults:
        raise fault
