"""Read what a JWT says of itself, before any of it is believed (RFC 7515 7.1, RFC 7519 7.2).

One reader, and a strict one: what another could read differently is refused. That is a name twice
in an object, base64 with loose ends, numbers that are none, UTF-16.
"""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final


if TYPE_CHECKING:
    from collections.abc import Mapping


MAX_TOKEN_SIZE: Final = 8 * 1024
"""Characters of a token. Those of issuers have one or two thousand."""

ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"})
"""Public keys only, whatever a token asks for (RFC 8725 3.1): no `none`, no secrets of HS256."""

_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_MAX_DIGITS: Final = 32
_TYPES: Final = frozenset({"jwt", "at+jwt"})


class Malformed(ValueError):
    """Not a JWT, or one that is not read. The text holds nothing of it."""


@dataclass(frozen=True, slots=True, repr=False)
class Unverified:
    """A JWT whose signature nobody has looked at.

    Attributes:
        algorithm: one of ALGORITHMS.
        key_id: of the issuer's key; None: it is not said.
        claims: the payload.
        signed: what the signature is of.
        signature: the signature.
    """

    algorithm: str
    key_id: str | None
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def is_compact(token: str) -> bool:
    """Tell whether it has the shape of a compact JWS: three parts, none too long."""
    return len(token) <= MAX_TOKEN_SIZE and _COMPACT.fullmatch(token) is not None


def read_claims(token: str) -> Mapping[str, Any]:
    """Return the payload of a compact JWS.

    Raises:
        Malformed: it is no JSON object.
    """
    return read_object(_decoded(token.split(".")[1]))


def read(token: str) -> Unverified:
    """Return what a compact JWS says.

    Raises:
        Malformed: or its header asks for what is not done here.
    """
    signed, _, signature = token.rpartition(".")
    header = read_object(_decoded(signed.partition(".")[0]))
    _check(header)
    return Unverified(
        header["alg"],
        header.get("kid"),
        read_claims(token),
        signed.encode("ascii"),
        _decoded(signature),
    )


def _check(header: Mapping[str, Any]) -> None:
    """Refuse a header that we do not follow; `jwk`, `jku`, `x5u` and the like are not read."""
    algorithm, key_id = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise Malformed("an algorithm that is not taken")
    if not isinstance(key_id, str):
        raise Malformed("a key id that is no text")
    if "crit" in header:
        # RFC 7515 4.1.11: whoever does not know an extension must refuse; none is known.
        raise Malformed("a critical extension")
    kind = header.get("typ", "JWT")
    # RFC 8725 3.11: an issuer's other tokens (of logout, of events) are no access to anything.
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise Malformed("another type of token")


def _decoded(part: str) -> bytes:
    """Return the bytes of base64url in its one spelling (RFC 7515 2, RFC 4648 3.5)."""
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise Malformed("no base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode("ascii"):
        raise Malformed("base64url with loose ends")
    return data


def read_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object, which can be read in one way only.

    Raises:
        Malformed: it is none, or too deep, or has a name twice, or a number out of all bounds.
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except (ValueError, RecursionError):
        # Without its cause: that one holds the text.
        raise Malformed("not a plain JSON object") from None
    if not isinstance(value, dict):
        raise Malformed("not a plain JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise Malformed("a name twice")
    return read


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise Malformed("a number out of all bounds")
    return int(digits)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Malformed("a number out of all bounds")
    return number


def _no_constant(_: str) -> None:
    raise Malformed("no number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_integer,
    parse_float=_finite,
    parse_constant=_no_constant,
)
