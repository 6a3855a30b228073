"""Exact requests on a socket, and answers with their fields in order."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from http.client import HTTPResponse
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        status: the code and the reason phrase.
        fields: in the order they came.
        body: without its transfer coding.
    """

    status: tuple[int, str]
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return every value of a field, in any case."""
        return [value for field, value in self.fields if field.lower() == name.lower()]


def send(origin: str, line: str, fields: list[tuple[str, str]], body: bytes = b"") -> Reply:
    """Send a request as it is told, on a connection of its own, and return the answer.

    Args:
        origin: where the socket goes; it says nothing about the Host field.
        line: method and target.
        fields: in this order.
        body: behind the head.
    """
    where = urlsplit(origin)
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    with socket.create_connection((where.hostname or "", where.port or 80), 20) as connection:
        connection.sendall(f"{line} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
        response = HTTPResponse(connection, method=line.partition(" ")[0])
        with response:
            response.begin()
            got = response.read()
            fields_of = tuple(response.getheaders())
            return Reply((response.status, response.reason), fields_of, got)
