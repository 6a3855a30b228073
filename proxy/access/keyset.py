"""An issuer's public keys: read from a JWK Set, and asked whether a signature is theirs (RFC 7517).

The one module that knows PyJWT, and through it cryptography.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidKeyError

from proxy.access.compact import Malformed, read_object


if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.access.compact import Unverified


MAX_KEYS: Final = 100
"""Keys of one issuer; those in use have two to a dozen."""

MIN_RSA_BITS: Final = 2048
"""RFC 7518 3.3."""

_MAX_MEMBER: Final = 1366
"""Characters of a number: the 8,192 bits of an RSA key, beyond which checking takes too long."""

_MAX_EXPONENT: Final = 11
"""Characters of `e`: 64 bits; 65537 has four."""

_ALGORITHMS: Final = get_default_algorithms()
_FITTING: Final[dict[tuple[str | None, str | None], frozenset[str]]] = {
    ("RSA", None): frozenset({"RS256", "RS384", "RS512", "PS256"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
"""What a key can be used for: its type decides, never the token (RFC 8725 3.1)."""

_MEMBERS: Final = {
    "RSA": ("kty", "n", "e"),
    "EC": ("kty", "crv", "x", "y"),
    "OKP": ("kty", "crv", "x"),
}


@dataclass(frozen=True, slots=True)
class _Key:
    key_id: str | None
    algorithms: frozenset[str]
    members: tuple[str, ...]
    public: Any


class KeySet:
    """The keys that an issuer signs with.

    Args:
        keys: as they stand in the set; of two that answer to the same id, the first.

    Attributes:
        digest: the same for the same keys.
    """

    def __init__(self, keys: list[_Key]) -> None:
        self._by_id: dict[tuple[str, str], _Key] = {}
        self._fitting: dict[str, list[_Key]] = {}
        for key in keys:
            for algorithm in key.algorithms:
                self._fitting.setdefault(algorithm, []).append(key)
                if key.key_id is not None:
                    self._by_id.setdefault((key.key_id, algorithm), key)
        told = [(key.key_id, sorted(key.algorithms), key.members) for key in keys]
        self.digest = hashlib.sha256(repr(told).encode("utf-8", "backslashreplace")).digest()
        self._size = len(keys)

    def __len__(self) -> int:
        return self._size

    def find(self, token: Unverified) -> _Key | None:
        """Return the key that a token says it is signed with.

        Without a key id it is the only one that fits; among several nobody has said which one
        (OpenID Connect Core 10.1), and trying all would be work for whoever asks.
        """
        if token.key_id is not None:
            return self._by_id.get((token.key_id, token.algorithm))
        fitting = self._fitting.get(token.algorithm, [])
        return fitting[0] if len(fitting) == 1 else None


def is_signed(token: Unverified, key: _Key) -> bool:
    """Tell whether the key, found by `KeySet.find`, has signed the token."""
    return _ALGORITHMS[token.algorithm].verify(token.signed, key.public, token.signature)


def read_key_set(data: bytes) -> KeySet:
    """Return the keys of a JWK Set; such as are for other uses or unknown are left out.

    Raises:
        Malformed: it is no JWK Set, or has more keys than an issuer has.
    """
    keys = read_object(data).get("keys")
    if not isinstance(keys, list):
        raise Malformed("not a JWK Set")
    if len(keys) > MAX_KEYS:
        raise Malformed(f"more than {MAX_KEYS} keys")
    return KeySet([key for each in keys if (key := _read_key(each)) is not None])


def _read_key(jwk: object) -> _Key | None:
    if not isinstance(jwk, dict) or not _is_for_verifying(jwk):
        return None
    # Only what is public: a private key that stands there by mistake is not even read.
    public = _public_members(jwk)
    algorithms = _FITTING.get((public.get("kty"), public.get("crv")), frozenset())
    if "alg" in jwk:
        algorithms = frozenset(each for each in algorithms if each == jwk["alg"])
    key = _load(public, min(algorithms)) if algorithms else None
    return None if key is None else _Key(jwk.get("kid"), algorithms, tuple(public.values()), key)


def _public_members(jwk: Mapping[str, Any]) -> dict[str, str]:
    """Return type and numbers of a public key; nothing if they are not what they should be."""
    kind = jwk.get("kty")
    names = _MEMBERS.get(kind, ()) if isinstance(kind, str) else ()
    return {n: jwk[n] for n in names} if all(_is_member(n, jwk.get(n)) for n in names) else {}


def _is_for_verifying(jwk: Mapping[str, Any]) -> bool:
    """RFC 7517 4.2 to 4.5."""
    uses = jwk.get("key_ops")
    return (
        jwk.get("use", "sig") == "sig"
        and (uses is None or (isinstance(uses, list) and "verify" in uses))
        and isinstance(jwk.get("kid", ""), str)
    )


def _is_member(name: str, value: object) -> bool:
    longest = _MAX_EXPONENT if name == "e" else _MAX_MEMBER
    return isinstance(value, str) and len(value) <= longest


def _load(jwk: dict[str, str], algorithm: str) -> Any | None:
    try:
        public = _ALGORITHMS[algorithm].from_jwk(jwk)
    except (InvalidKeyError, ValueError):
        return None
    weak = jwk["kty"] == "RSA" and public.key_size < MIN_RSA_BITS
    return None if weak else public
