"""A client that behaves, and how long it waits for its answers."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Final, Self


if TYPE_CHECKING:
    from collections.abc import Callable


_PAUSE_S: Final = 0.003
"""Between two questions: it must not be the load itself."""
_LOOKS_EVERY_S: Final = 0.25
_PATIENCE_S: Final = 20


class Neighbour:
    """Asks one small request after the other, on a kept connection and on new ones in turn.

    Args:
        port: of the proxy.
        target: whose answer ends with `end`.
        end: the last bytes of the answer.
    """

    def __init__(self, port: int, target: str, end: bytes) -> None:
        self._where = ("127.0.0.1", port)
        self._request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._end = end
        self._kept: socket.socket

    def _connect(self) -> socket.socket:
        return socket.create_connection(self._where, _PATIENCE_S)

    def _ask(self, connection: socket.socket) -> None:
        connection.sendall(self._request)
        answer = b""
        while not answer.endswith(self._end):
            piece = connection.recv(65536)
            assert piece, f"an answer broke off: {answer!r}"
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer[:500]

    def measure(self, ended: Callable[[], bool]) -> dict[str, list[float]]:
        """Ask until `ended`; return the seconds that answers took, on `kept` and `new` ones."""
        times: dict[str, list[float]] = {"kept": [], "new": []}
        look_at = 0.0
        while True:
            began = time.perf_counter()
            if began >= look_at:
                if ended():
                    return times
                look_at = began + _LOOKS_EVERY_S
                began = time.perf_counter()
            self._ask(self._kept)
            asked = time.perf_counter()
            with self._connect() as connection:
                self._ask(connection)
            times["kept"].append(asked - began)
            times["new"].append(time.perf_counter() - asked)
            time.sleep(_PAUSE_S)

    def __enter__(self) -> Self:
        self._kept = self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()
