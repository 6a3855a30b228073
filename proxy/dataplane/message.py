"""A head as the data plane knows it, made of what aiohttp's parser has read."""

from __future__ import annotations

from typing import Any

from proxy.dataplane.model import Head
from proxy.dataplane.names import CONTENT_LENGTH, HOST


def head_of(message: Any, *, ends: bool) -> Head:
    """Return the head of a message.

    Args:
        message: an `aiohttp.http.RawRequestMessage`.
        ends: HTTP is not read on behind it.
    """
    chunked = bool(message.chunked)
    named = message.headers
    length = None if chunked else named.get(CONTENT_LENGTH)
    upgrade = bool(message.upgrade)
    return Head(
        message.method,
        message.path,
        message.version,
        message.raw_headers,
        named,
        None if length is None else int(length),
        chunked,
        not (message.should_close or (upgrade and ends)),
        upgrade,
        authority=named.get(HOST),
    )
