"""Credentials among the subprotocols of a WebSocket: a browser's script has no other place."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from typing import TYPE_CHECKING, Final

from proxy.dataplane.authenticate import keys_in


if TYPE_CHECKING:
    from collections.abc import Iterable


FIELD: Final = "sec-websocket-protocol"
BEARER: Final = "base64url.bearer.authorization.k8s.io.*"
CREDENTIALS: Final = frozenset(
    {
        BEARER,  # Kubernetes
        "openai-insecure-api-key.*",
        "v1.token.websocket.jupyter.org.*",  # Jupyter's JEP 119
    }
)
_SHORTEST_KEY: Final = len("kb_a_") + 40
"""Characters; no token of an issuer is shorter either."""


class Subprotocols:
    """The subprotocols that one route does not pass on.

    Args:
        patterns: names, or how they begin and `*`; in any case.
        keys: clients have keys, which are taken off wherever they are.
    """

    def __init__(self, patterns: Iterable[str], *, keys: bool) -> None:
        lower = [pattern.lower() for pattern in patterns]
        self._names = frozenset(name for name in lower if not name.endswith("*"))
        self._beginnings = tuple(name[:-1] for name in lower if name.endswith("*"))
        self._keys = keys

    def cut(self, value: bytes) -> tuple[bytes | None, list[str]] | None:
        """Return a list without credentials, byte for byte otherwise; None: there are none.

        Args:
            value: of a Sec-WebSocket-Protocol field (RFC 6455 11.3.4).

        Returns:
            the list, None if nothing is left of it; and what may be a client's key, as a value of
            a slot.
        """
        kept: list[str] = []
        offered: list[str] = []
        members = value.decode("latin-1").split(",")
        for member in members:
            name = member.strip(" \t")
            credential = self._is_credential(name)
            keys: list[str] = []
            if self._keys and len(name) >= _SHORTEST_KEY:
                keys = _keys_in(name, bearer=credential)
                offered += keys
            if not keys and not credential:
                kept.append(member)
        if len(kept) == len(members):
            return None
        left = ",".join(kept).strip(" \t")
        return (left.encode("latin-1") if left.strip(" \t,") else None), offered

    def _is_credential(self, name: str) -> bool:
        lower = name.lower()
        return lower in self._names or lower.startswith(self._beginnings)


def _keys_in(name: str, *, bearer: bool) -> list[str]:
    """Return the keys that a subprotocol holds, as they are or as Kubernetes encodes them.

    Args:
        name: of the subprotocol.
        bearer: a token that it holds is a Bearer token, which may be one of a client's issuer.
    """
    keys = keys_in(name)
    if keys:
        return keys
    encoded = name.rpartition(".")[2]
    try:
        text = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("latin-1")
    except (NotBase64, ValueError):
        return []
    if bearer and name.lower().startswith(BEARER[:-1]):
        return [f"Bearer {text}"]
    return keys_in(text)
