"""Client keys, made as the contract says and not by the code under test; a search for them."""

from __future__ import annotations

import hashlib
import string
import zlib
from base64 import b64encode
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes


if TYPE_CHECKING:
    from collections.abc import Iterable


_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
SECRET_LENGTH: Final = 43 + 6
PART_LENGTH: Final = 8
"""So long a part of a secret is nowhere by chance (62 ** 8)."""
_BASE64_LENGTH: Final = 9
"""What 8 bytes fill of base64 by themselves, wherever they begin."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as its owner holds it."""

    text: str

    @property
    def secret(self) -> str:
        """What is cut from the right: the random digits and the checksum."""
        return self.text[-SECRET_LENGTH:]

    @property
    def stored(self) -> str:
        """What stands in the configuration."""
        return f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()}"

    @property
    def mistyped(self) -> Key:
        """The key with its tenth digit wrong, so that the checksum does not fit."""
        at = len(self.text) - SECRET_LENGTH + 9
        other = "b" if self.text[at] == "a" else "a"
        return Key(self.text[:at] + other + self.text[at + 1 :])

    def cut(self, length: int) -> Key:
        """Return the key without its last characters."""
        return Key(self.text[:-length])


def new(name: str, seed: int = 0) -> Key:
    """Return a client's key; the same name and seed make the same one."""
    random = Random(f"{name} {seed}")
    start = f"kb_{name}_" + "".join(random.choices(_DIGITS, k=43))
    return Key(start + _base62(zlib.crc32(start.encode())).rjust(6, "0"))


def _base62(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = _DIGITS[digit] + text
    return text


def client(*keys: Key, **more: Any) -> dict[str, Any]:
    """Return a client's entry in the configuration, allowed on every route if it is not told."""
    return {"key": [key.stored for key in keys], "routes": "*"} | more


class Search:
    """Looks for parts of keys: in any case, percent-encoded, and in base64 (as Basic has it).

    Args:
        keys: whole ones; parts of them are found, too.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        secrets = [key.secret.encode() for key in keys]
        folded = [secret.lower() for secret in secrets]  # as a host is
        self._plain = {each for secret in folded for each in _windows(secret, PART_LENGTH)}
        encoded = [text for secret in secrets for text in _encoded(secret)]
        self._encoded = {each for text in encoded for each in _windows(text, _BASE64_LENGTH)}

    def found(self, data: bytes) -> list[bytes]:
        """Return the parts of keys that some data holds."""
        found = set()
        for text in {data, unquote_to_bytes(data)}:
            folded = text.lower()
            found |= {part for part in _windows(folded, PART_LENGTH) if part in self._plain}
            found |= {part for part in _windows(text, _BASE64_LENGTH) if part in self._encoded}
        return sorted(found)


def _windows(text: bytes, length: int) -> Iterable[bytes]:
    return (text[at : at + length] for at in range(len(text) - length + 1))


def _encoded(secret: bytes) -> list[bytes]:
    """Return the base64 of a secret, at each place in a group, without what its neighbours make."""
    return [
        b64encode(secret),
        b64encode(b"." + secret)[2:],
        b64encode(b".." + secret)[3:],
    ]
