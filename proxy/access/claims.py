"""Whether the claims of a token are those of a client (RFC 7519 4)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeGuard


if TYPE_CHECKING:
    from collections.abc import Mapping

FLAWS: Final = (
    "another issuer",
    "another audience",
    "not the client's claims",
    "a date that is missing or no number",
    "expired",
    "not yet valid",
)
"""What may be wrong with claims, as the log tells it; further down, more of them was right."""

_ISSUER, _AUDIENCE, _CLAIMS, _DATE, _EXPIRED, _NOT_YET = FLAWS


@dataclass(frozen=True, slots=True)
class TokenRule:
    """Which tokens of an issuer are a client's.

    Attributes:
        client: its name.
        issuer: `iss`, to the letter.
        audience: `aud`, or one of them.
        claims: further claims, each with the text it has to have; see `flaw`.
        leeway_s: seconds that the issuer's clock may differ from ours.
    """

    client: str
    issuer: str
    audience: str
    claims: Mapping[str, str]
    leeway_s: float = 30.0


def flaw(rule: TokenRule, claims: Mapping[str, Any], now: float) -> str | None:
    """Return which of FLAWS claims have; None: they are the rule's, and in force.

    A claim's text is itself, a number's or boolean's is its JSON; of a list one entry has to have
    it. A claim that is missing, null or an object has none.

    Args:
        rule: the client's.
        claims: of a token whose signature is checked elsewhere.
        now: seconds since 1970.
    """
    if claims.get("iss") != rule.issuer:
        return _ISSUER
    if not _is_audience(claims.get("aud"), rule.audience):
        return _AUDIENCE
    if not all(_has(claims.get(name), text) for name, text in rule.claims.items()):
        return _CLAIMS
    return _flaw_of_dates(claims, now, rule.leeway_s)


def ends(rule: TokenRule, claims: Mapping[str, Any]) -> float:
    """Return when claims that meet the rule do so no longer, in seconds since 1970."""
    return float(claims["exp"]) + rule.leeway_s


def _is_audience(value: object, audience: str) -> bool:
    if isinstance(value, list):
        # RFC 7519 4.1.3: an array of strings, and nothing else.
        return audience in value and all(isinstance(entry, str) for entry in value)
    return value == audience


def _flaw_of_dates(claims: Mapping[str, Any], now: float, leeway_s: float) -> str | None:
    """RFC 7519 4.1.4 to 4.1.6: `exp` is asked for; on it, a token is over."""
    expires, begins, issued = claims.get("exp"), claims.get("nbf", 0), claims.get("iat", 0)
    if not (_is_date(expires) and _is_date(begins) and _is_date(issued)):
        return _DATE
    if now >= expires + leeway_s:
        return _EXPIRED
    return _NOT_YET if max(begins, issued) > now + leeway_s else None


def _is_date(value: object) -> TypeGuard[float]:
    # A boolean is an int in Python; a text in digits is no NumericDate (RFC 7519 2).
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _has(value: object, text: str) -> bool:
    if isinstance(value, list):
        return any(_text(entry) == text for entry in value)
    return _text(value) == text


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, (bool, int, float)) else None
