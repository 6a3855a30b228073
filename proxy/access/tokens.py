"""Whose a token is: JWTs of the configured issuers, verified (RFC 7519, RFC 8725).

Import it only where an issuer is configured: it needs PyJWT and cryptography.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from proxy.access.claims import FLAWS, ends, flaw
from proxy.access.compact import Malformed, is_compact, read, read_claims
from proxy.access.issuers import IssuerKeys
from proxy.access.keyset import is_signed
from proxy.dataplane.errors import KeysWanted
from proxy.dataplane.model import Stranger


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from proxy.access.claims import TokenRule
    from proxy.access.compact import Unverified
    from proxy.access.issuers import Fetch
    from proxy.access.keyset import KeySet
    from proxy.observe.log import Log


MAX_REMEMBERED: Final = 1000
"""Verified tokens that are not verified again; one costs 50 to 100 µs. Each takes 200 bytes."""

_NO_JWT: Final = Stranger("token: not of three parts")
_NO_ISSUER: Final = Stranger("token: of no configured issuer")
_NO_KEY: Final = Stranger("token: its issuer has no key of that id and algorithm")
_NO_KEY_ID: Final = Stranger("token: no key id, and its issuer has not just one key that fits")
_FORGED: Final = Stranger("token: signature")


@dataclass(frozen=True, slots=True)
class IssuerSpec:
    """An issuer of tokens.

    Attributes:
        issuer: `iss`, to the letter.
        jwks_url: where its keys are.
        rules: which of its tokens are whose, in the order of the file: the first one counts.
    """

    issuer: str
    jwks_url: str
    rules: tuple[TokenRule, ...]


@dataclass(frozen=True, slots=True)
class _Issuer:
    keys: IssuerKeys
    rules: tuple[TokenRule, ...]


@dataclass(frozen=True, slots=True)
class _Verified:
    """What is remembered of a token: whose it is, until when, and by which keys."""

    client: str
    until: float
    source: IssuerKeys
    keys: KeySet


class Tokens:
    """Tells clients by their tokens. One is made anew when the configuration changes.

    Args:
        issuers: each once.
        fetch: gets an issuer's keys; raises nothing but FetchFailed.
        clock: tells seconds since 1970.
        log: for what happens to keys; tokens are never told.
        before: whose keys are taken over where issuer and address are the same.

    Raises:
        ValueError: an issuer has two addresses.
    """

    def __init__(
        self,
        issuers: Sequence[IssuerSpec],
        fetch: Fetch,
        clock: Callable[[], float],
        log: Log,
        *,
        before: Tokens | None = None,
    ) -> None:
        self._clock = clock
        self._issuers: dict[str, _Issuer] = {}
        self._verified: dict[bytes, _Verified] = {}
        for spec in issuers:
            if spec.issuer in self._issuers:
                raise ValueError(f"the issuer {spec.issuer} stands there twice")
            keys = None if before is None else before.keys_of(spec)
            if keys is None:
                keys = IssuerKeys(spec.issuer, spec.jwks_url, fetch, clock, log)
            self._issuers[spec.issuer] = _Issuer(keys, spec.rules)

    def __repr__(self) -> str:
        return f"<Tokens of {len(self._issuers)} issuers, {len(self._verified)} remembered>"

    def keys_of(self, spec: IssuerSpec) -> IssuerKeys | None:
        """Return the keys of that issuer at that address, if there are such."""
        known = self._issuers.get(spec.issuer)
        return known.keys if known is not None and known.keys.jwks_url == spec.jwks_url else None

    async def close(self, *, successor: Tokens | None = None) -> None:
        """End what is under way, but for keys that the successor has taken over."""
        kept = [] if successor is None else [each.keys for each in successor._issuers.values()]  # noqa: SLF001 -- of the same class
        for each in self._issuers.values():
            if each.keys not in kept:
                await each.keys.close()

    def issues(self, token: str) -> bool:
        """Tell whether it is a JWT that says it comes from a configured issuer. Never raises."""
        if not is_compact(token):
            return False
        if _digest(token) in self._verified:
            return True
        try:
            return self._issuer_of(read_claims(token)) is not None
        except Malformed:
            return False

    def client_of(self, token: str) -> str | Stranger:
        """Return the name of the client whose token it is, or why it is nobody's.

        Raises:
            KeysWanted: the issuer should be asked for its keys first.
            ClientKeysUnavailable: it did not tell them.
        """
        if not is_compact(token):
            return _NO_JWT
        digest, now = _digest(token), self._clock()
        known = self._verified.get(digest)
        if known is not None:
            if now < known.until and known.source.usable() is known.keys:
                return known.client
            self._verified.pop(digest, None)
        verified = self._verify(token, now)
        if isinstance(verified, Stranger):
            return verified
        if len(self._verified) >= MAX_REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = verified
        return verified.client

    def _issuer_of(self, claims: Mapping[str, Any]) -> _Issuer | None:
        name = claims.get("iss")
        return self._issuers.get(name) if isinstance(name, str) else None

    def _verify(self, token: str, now: float) -> _Verified | Stranger:
        """Return what a token proves. Claims first: they are cheaper, and ask no issuer."""
        try:
            told = read(token)
        except Malformed as error:
            return Stranger(f"token: {error}")  # fixed words, too
        issuer = self._issuer_of(told.claims)
        if issuer is None:
            return _NO_ISSUER
        rule = _first_met(issuer.rules, told.claims, now)
        if isinstance(rule, Stranger):
            return rule
        keys = issuer.keys.usable()
        forger = _forger(told, keys, issuer.keys)
        if forger is not None:
            return forger
        return _Verified(rule.client, ends(rule, told.claims), issuer.keys, keys)


def _first_met(
    rules: Sequence[TokenRule], claims: Mapping[str, Any], now: float
) -> TokenRule | Stranger:
    """Return the first rule that claims meet, or what keeps them from the one they are nearest."""
    flaws = set()
    for rule in rules:
        found = flaw(rule, claims, now)
        if found is None:
            return rule
        flaws.add(found)
    return Stranger(f"token: {max(flaws, key=FLAWS.index)}")


def _forger(token: Unverified, keys: KeySet, source: IssuerKeys) -> Stranger | None:
    """Return why none of the keys has signed the token; None: one has.

    Raises:
        KeysWanted: no such key is known, but the issuer may have a new one.
    """
    key = keys.find(token)
    if key is not None and is_signed(token, key):
        return None
    # A token that names no key may be of the next one as well as forged.
    if (key is None or token.key_id is None) and source.askable:
        raise KeysWanted(source)
    if key is not None:
        return _FORGED
    return _NO_KEY_ID if token.key_id is None else _NO_KEY


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
