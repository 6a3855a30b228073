"""Turn a connection's bytes into requests with llhttp, the parser that Node itself uses."""

from __future__ import annotations

import httptools

from proxy.standins.message import Head, Request


class Reader:
    """Reads the requests of one connection; does no I/O.

    Args:
        keep_bytes: how much of a body is kept; what comes after is counted and dropped.

    Attributes:
        head: the head of the request whose body is not complete yet, or None.
        body_bytes: how much of that body has come.
        broken: the bytes were no HTTP; nothing more can be read.
        ended: HTTP ended on purpose (an upgrade or CONNECT, which no stand-in speaks).
    """

    def __init__(self, keep_bytes: int) -> None:
        self.head: Head | None = None
        self.body_bytes = 0
        self.broken = False
        self.ended = False
        self._keep_bytes = keep_bytes
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self._finished: list[Request] = []
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> list[Request]:
        """Take bytes and return the requests that they complete."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.ended = True
        except httptools.HttpParserError:
            self.broken = True
        finished, self._finished = self._finished, []
        return finished

    def so_far(self) -> Request | None:
        """Return the unfinished request with the part of its body that has come."""
        if self.head is None:
            return None
        return Request(self.head, bytes(self._body), self.body_bytes)

    def on_message_begin(self) -> None:
        """llhttp: a request begins."""
        self._target, self._headers, self._body, self.body_bytes = b"", [], bytearray(), 0

    def on_url(self, part: bytes) -> None:
        """llhttp: a piece of the target."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """llhttp: one whole field line."""
        # RFC 9112 5.1: white space around the value is no part of it; llhttp leaves it at the end.
        self._headers.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))

    def on_headers_complete(self) -> None:
        """llhttp: the head is complete."""
        self.head = Head(
            method=self._parser.get_method().decode(),
            target=self._target.decode("latin-1"),
            version=self._parser.get_http_version(),
            headers=tuple(self._headers),
            keep_alive=self._parser.should_keep_alive(),
        )

    def on_body(self, part: bytes) -> None:
        """llhttp: a piece of the body, without the chunks' framing."""
        self.body_bytes += len(part)
        if (room := self._keep_bytes - len(self._body)) > 0:
            self._body += part[:room]

    def on_message_complete(self) -> None:
        """llhttp: the request is complete."""
        if request := self.so_far():
            self._finished.append(request)
        self.head = None
