"""Misplaced keys: a client's key in a place that is no slot would go on to the upstream."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from proxy.dataplane.errors import BadRequest


if TYPE_CHECKING:
    from proxy.dataplane.model import Clients


_PIECE: Final = re.compile(
    r"kb(?:_|%5f)(?=([a-z][a-z0-9-]{0,62})(?:_|%5f)[0-9a-z]{8}([0-9a-z]{8})?)",
    re.IGNORECASE | re.ASCII,
)
"""A key or the beginning of one: the name, and whether as much follows as no other name has."""
_PERCENTS: Final = re.compile(r"%(?:25)++")
_BASIC: Final = re.compile(r"basic[ \t]+(?=([0-9a-z+/]+))", re.IGNORECASE | re.ASCII)


def check_misplaced(
    clients: Clients, method: str, fields: bytes, path: str, query: str | None
) -> None:
    """Refuse a request that would take a client's key upstream, in a place that is no slot.

    A piece counts too: of a client's key its name and 8 characters, of any other 16, for
    `kb_report_20240101` may be the name of a file.

    Args:
        clients: whose keys there are.
        method: that would be sent.
        fields: the lines that would be sent, without the credential.
        path: that would be sent.
        query: the same, or None.

    Raises:
        BadRequest: one of them holds a key.
    """
    # One character is looked for at a tenth of the cost of two.
    text = fields.decode("latin-1")
    if "_" in text or "%" in text:
        _check_text(clients, text)
    if "basic" in text.lower():
        for basic in _BASIC.finditer(text):
            _check_text(clients, _decoded(basic[1]))
    if "_" in method:
        _check_text(clients, method)
    if "_" in path or "%" in path:
        _check_text(clients, path)
    if query and ("_" in query or "%" in query):
        _check_text(clients, query)


def _check_text(clients: Clients, text: str) -> None:
    if "%" in text:
        twice = "%25" in text
        text = unquote(text, "latin-1")
        if twice:
            text = unquote(_PERCENTS.sub("%", text), "latin-1")
    if "kb" not in text.lower():
        return
    for piece in _PIECE.finditer(text):
        if piece[2] is not None or clients.has(piece[1].lower()):
            raise BadRequest(
                "A client key stands where it would be passed on to the upstream. Send it as "
                "Bearer token, as Basic user or password, in Access-Token or X-Api-Key, or where "
                "else a credential is taken off."
            )


def _decoded(text: str) -> str:
    """Return what base64 says, without its padding; also where it is cut short."""
    if len(text) % 4 == 1:
        text = text[:-1]  # six bits, which are no byte
    return b64decode(text + "=" * (-len(text) % 4)).decode("latin-1")
