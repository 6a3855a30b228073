"""A blocking client that sends exact bytes and keeps an answer as it came."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self


if TYPE_CHECKING:
    from collections.abc import Callable


PATIENCE_S: Final = 15.0
"""An answer that has not come by then hangs."""
_FIRST_FINAL: Final = 200
_BODILESS: Final = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        status: the code and the reason phrase, as they came.
        fields: names and values in the order they came.
        body: without its transfer coding.
        framing: `none`, `length`, `chunked` or `close`.
        interim: the heads before it.
        whole: it came to its end.
    """

    status: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    framing: str
    interim: tuple[bytes, ...] = ()
    whole: bool = True

    @property
    def code(self) -> int:
        """The status as a number."""
        return int(self.status.split(b" ")[0])

    def all(self, name: bytes) -> list[bytes]:
        """Return every value of a field, in any case."""
        return [value for field, value in self.fields if field.lower() == name.lower()]


class Broken(Exception):
    """The connection ended before an answer did; it holds what had come of the body."""

    def __init__(self, body: bytes = b"") -> None:
        super().__init__(f"it ended behind {len(body)} bytes of body")
        self.body = body


class Wire:
    """One connection to a server on loopback."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self._file = self._socket.makefile("rb")
        self._sending: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # ends a `sendall` too
        for thread in self._sending:
            thread.join()
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes, beside reading: a server may answer before it has read them all."""
        thread = threading.Thread(target=self._send, args=(data,))
        thread.start()
        self._sending.append(thread)

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # the server need not want them
            self._socket.sendall(data)

    def finish(self) -> None:
        """Send FIN behind what was sent."""
        for thread in self._sending:
            thread.join()
        self._socket.shutdown(socket.SHUT_WR)

    def rest(self) -> bytes:
        """Return what comes until the server ends the connection, by FIN or RST."""
        came = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := self._file.read1():
                came += piece
        return came

    def reply(self, method: str, on_continue: Callable[[], None] | None = None) -> Reply:
        """Return the next answer.

        Args:
            method: that it answers.
            on_continue: called when a 100 has come.

        Raises:
            Broken: there is none.
        """
        interim = []
        while True:
            status, fields, raw = self._head()
            code = int(status.split(b" ")[0])
            if code >= _FIRST_FINAL:
                break
            interim.append(raw)
            if on_continue is not None:
                on_continue()
        bodiless = method == "HEAD" or code in _BODILESS
        framing = "none" if bodiless else _framing(fields)
        try:
            body = self._body(framing, fields)
        except Broken as broken:
            return Reply(status, fields, broken.body, framing, tuple(interim), whole=False)
        return Reply(status, fields, body, framing, tuple(interim))

    def _head(self) -> tuple[bytes, tuple[tuple[bytes, bytes], ...], bytes]:
        lines = [self._line()]
        while lines[-1] != b"\r\n":
            lines.append(self._line())
        _, _, status = lines[0].rstrip(b"\r\n").partition(b" ")
        fields = []
        for line in lines[1:-1]:
            name, _, value = line.partition(b":")
            fields.append((name, value.strip(b" \t\r\n")))
        return status, tuple(fields), b"".join(lines)

    def _line(self) -> bytes:
        try:
            line = self._file.readline()
        except ConnectionResetError:
            raise Broken from None
        if not line.endswith(b"\r\n"):
            raise Broken
        return line

    def _body(self, framing: str, fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
        if framing == "none":
            return b""
        if framing == "length":
            [length] = {int(value) for name, value in fields if name.lower() == b"content-length"}
            return self._exactly(length)
        if framing == "chunked":
            return self._chunks()
        body = b""
        try:
            while piece := self._file.read1():
                body += piece
        except ConnectionResetError:
            raise Broken(body) from None
        return body

    def _exactly(self, size: int) -> bytes:
        body = b""
        with contextlib.suppress(ConnectionResetError):
            while len(body) < size and (piece := self._file.read1(size - len(body))):
                body += piece
        if len(body) < size:
            raise Broken(body)
        return body

    def _chunks(self) -> bytes:
        body = b""
        try:
            while size := int(self._line().split(b";")[0], 16):
                body += self._exactly(size)
                self._exactly(2)
            while self._line() != b"\r\n":
                pass
        except Broken as broken:
            raise Broken(body + broken.body) from None
        return body


def _framing(fields: tuple[tuple[bytes, bytes], ...]) -> str:
    names = {name.lower() for name, _ in fields}
    if b"transfer-encoding" in names:
        return "chunked"
    return "length" if b"content-length" in names else "close"
