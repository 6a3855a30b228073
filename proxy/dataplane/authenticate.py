"""Authenticate: which client asks, told by a key, a JWT or a certificate.

A tool may be made to send something in a slot of its own, so every slot is looked into, and what
is neither a key nor a token of an issuer we know is passed over.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from typing import TYPE_CHECKING, Final

from proxy.dataplane.errors import BadRequest, ClientKeyRequired
from proxy.dataplane.model import Stranger


if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.dataplane.caller import Caller
    from proxy.dataplane.errors import Refusal
    from proxy.dataplane.model import Clients, Peer


KEY_PREFIX: Final = "kb_"
_KEYS: Final = re.compile(r"(?<![0-9A-Za-z_-])kb_[0-9A-Za-z_-]*")
"""What is a key, or means to be one, whatever format of a slot stands around it."""
_LONGEST: Final = 8192
"""Characters of a slot's value that are looked at; no key and no token is longer."""
_WHOLE: Final = re.compile(
    r"(?<![0-9A-Za-z_-])kb_[a-z][a-z0-9-]{0,62}+_[0-9A-Za-z]{40}[0-9A-Za-z_-]*+", re.ASCII
)
"""A key but for typing errors: `kb_theme` may be the name of a cookie."""
CHALLENGE: Final = (
    # Basic first: git, Maven and `curl --anyauth` ask for no other.
    (b"WWW-Authenticate", b'Basic realm="keybearer", charset="UTF-8"'),
    (b"WWW-Authenticate", b'Bearer realm="keybearer"'),
)


def authenticate(clients: Clients, values: Sequence[str], peer: Peer) -> Caller:
    """Return the client that sends a request.

    Args:
        clients: who there are.
        values: what stands in the slots.
        peer: whose certificate counts too, and whose failures are counted.

    Raises:
        ClientKeyRequired: no slot holds a key.
        ClientKeyInvalid: the key is unknown, wrong or expired.
        RateLimited: so were too many before it.
        BadRequest: two different clients' keys; whose would be right?
        KeysWanted: the token's issuer is to be asked first; then again.
    """
    if len(values) == 1 and peer.certificate is None:
        known = clients.by_value(values[0])
        if known is not None:
            return known
    found = _shown(clients, values)
    if isinstance(found, Stranger):
        raise clients.failed(peer, found.cause)
    if peer.certificate is not None:
        return _certified(clients, found, peer.certificate)
    if found is None:
        raise _required(_foreign(values))
    return found


def _shown(clients: Clients, values: Sequence[str]) -> Caller | Stranger | None:
    """Return whose key or token stands in the slots; None: there is none."""
    keys: list[str] = []
    tokens: list[str] = []
    for value in values:
        _look(value, keys, tokens, clients)
    if len(set(keys + tokens)) > 1:
        raise BadRequest("The request holds two different client keys; send one.")
    if keys:
        return clients.by_key(keys[0], values[0] if len(values) == 1 else "")
    return clients.by_token(tokens[0]) if tokens else None


def _certified(clients: Clients, caller: Caller | None, subject: str) -> Caller:
    named = clients.by_certificate(subject)
    if isinstance(named, Stranger):
        if caller is None:
            raise _required(named.cause)
        return caller
    if caller is not None and named is not caller:
        raise BadRequest("The client key and the client certificate are of two clients.")
    return named


def keys_in(text: str) -> list[str]:
    """Return what is a key for sure, in a text that holds other things by right."""
    return _WHOLE.findall(text) if KEY_PREFIX in text and len(text) <= _LONGEST else []


def _required(cause: str) -> Refusal:
    return ClientKeyRequired(
        "This request holds no client key of this gateway (kb_...), nor a token or certificate of "
        "one of its clients. Send a key as Bearer token, as user or password, in Access-Token or "
        "X-Api-Key, in another header, cookie or query parameter that is taken off anyway, or as "
        "WebSocket subprotocol; who runs the gateway makes one with `keybearer keys new NAME`.",
        cause=cause,
        fields=CHALLENGE,
    )


def _foreign(values: Sequence[str]) -> str:
    """Return the cause where a slot holds what may be a JWT that was passed over, else ""."""
    jwts = [value for value in values if value[:7].lower() == "bearer " and value.count(".") == 2]  # noqa: PLR2004 -- RFC 7515 7.1
    return "token: of no configured issuer" if jwts else ""


def _look(value: str, keys: list[str], tokens: list[str], clients: Clients) -> None:
    """Add the keys and tokens that stand in a value: plain, behind a scheme, or as Basic."""
    if len(value) > _LONGEST:
        return
    words = value.split()
    scheme = words[0].lower() if len(words) > 1 else ""
    if scheme == "basic":
        _look_into_basic(words[1], keys)
        return
    if KEY_PREFIX in value:
        keys += _KEYS.findall(value)
    if scheme == "bearer" and "." in words[1] and clients.issues(words[1]):
        tokens.append(words[1])


def _look_into_basic(text: str, keys: list[str]) -> None:
    """Add the user or the password (RFC 7617): tools send a token as the one or as the other."""
    try:
        pair = b64decode(text, validate=True).decode("latin-1")
    except (NotBase64, ValueError):
        return
    user, _, password = pair.partition(":")
    keys += _KEYS.findall(f"{user} {password}")
