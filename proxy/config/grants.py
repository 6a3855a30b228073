"""Texts of the file about clients to values: hashes of keys, rates, days, where keys are.

As in `values`, ValueError says what is expected and never quotes the text.
"""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, Literal

from proxy.config import values
from proxy.secret import Secret
from proxy.upstream.origin import Origin


CLIENT_NAME: Final = r"[a-z][a-z0-9-]{0,62}"
KEY_HASH: Final = r"sha256:[0-9a-fA-F]{64}"
RATE: Final = r"[1-9][0-9]{0,8}/(?:second|minute|hour|day)"
DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
REDIS: Final = (
    r"rediss?://(?:[^\s/?#]*@)?(?:\[[0-9a-fA-F:.]+\]|[^\s/?#@:\[\]]+)(?::[0-9]{1,5})?"
    r"(?:/[0-9]{1,5})?(?:\?[^\s#]*)?"
)
KEY_SET: Final = r"https?://[^\s/?#@]+(?:[/?][^\s#]*)?"
SMALLEST_FILE: Final = 4096

_CLIENT_NAME: Final = re.compile(CLIENT_NAME)
_KEY_HASH: Final = re.compile(KEY_HASH)
_RATE: Final = re.compile(RATE)
_DAY: Final = re.compile(DAY)
_KEY: Final = "kb_"
_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_DAY_S: Final = 86400


@dataclass(frozen=True, slots=True)
class RateConfig:
    """So many requests in any span of so many seconds.

    Attributes:
        amount: from 1 up.
        seconds: the span.
    """

    amount: int
    seconds: int

    def __str__(self) -> str:
        unit = next((unit for unit, span in _UNITS.items() if span == self.seconds), None)
        return f"{self.amount}/{unit or f'{self.seconds} seconds'}"


def client_name(text: str) -> str:
    """Return the name of a client, which its keys bear."""
    if _CLIENT_NAME.fullmatch(text) is None:
        raise ValueError(
            "a client's name is 1 to 63 lower-case letters, digits and -, a letter first"
        )
    return text


def key_hash(text: str) -> bytes:
    """Return the SHA-256 of a client's key."""
    if _KEY in text:
        raise ValueError(
            "is a key, which whoever reads this file could use; run `keybearer keys new NAME` for "
            "another, and write the sha256:… that it prints"
        )
    if _KEY_HASH.fullmatch(text) is None:
        raise ValueError("must be sha256: and 64 hex digits, as `keybearer keys new NAME` prints")
    return bytes.fromhex(text.partition(":")[2])


@lru_cache(maxsize=64)  # thousands of clients have a few rates
def rate_or_none(text: str) -> RateConfig | None:
    """Return `120/minute` as a rate, or None for `none`."""
    if text == "none":
        return None
    if _RATE.fullmatch(text) is None:
        raise ValueError("must be a rate such as 10/second, 120/minute, 1000/hour or 5000/day")
    amount, _, unit = text.partition("/")
    return RateConfig(int(amount), _UNITS[unit])


def end_of_day(text: str) -> float | None:
    """Return when a day ends in UTC, in seconds since 1970; None for `none`."""
    if text == "none":
        return None
    try:
        # The pattern first: `fromisoformat` also reads weeks and days without hyphens.
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise ValueError("must be a day such as 2027-06-30")
    return float(timegm(day.timetuple()) + _DAY_S)


def client_route(text: str) -> str:
    """Return the name of a route that a client may use."""
    if text == "*":
        raise ValueError('stands alone for every route; write routes: "*"')
    return values.route_name(text)


def key_set_url(text: str) -> str:
    """Return where an issuer's public keys are: https, or http on this machine."""
    if re.fullmatch(KEY_SET, text) is None:
        raise ValueError("must be an address such as https://issuer.example/jwks.json")
    scheme, _, rest = text.partition("://")
    origin = Origin.parse(f"{scheme}://{re.split('[/?]', rest, maxsplit=1)[0]}")
    if origin.scheme == "http" and not origin.is_loopback:
        raise ValueError("must be https: whoever changes the keys on the way could sign as anybody")
    return text


def count_store(text: str) -> Literal["memory"] | Secret:
    """Return where counts are kept; the address of a Redis may hold its password."""
    if text == "memory":
        return "memory"
    if re.fullmatch(REDIS, text) is None:
        raise ValueError("must be memory, or redis://HOST:PORT/NUMBER (rediss:// with TLS)")
    return Secret(text)


def size_of_file(text: str) -> int:
    """Return bytes, enough of them for a few lines."""
    value = values.size(text)
    if value < SMALLEST_FILE:
        raise ValueError(f"must be at least {SMALLEST_FILE} bytes, or each line is a file")
    return value
