"""What a client's key looks like, and how it is stored: never as itself."""

from __future__ import annotations

import re
import secrets
from hashlib import sha256
from typing import Final
from zlib import crc32


SECRET_LENGTH: Final = 43  # 62**43 is more than 2**256
CHECKSUM_LENGTH: Final = 6  # 62**6 is more than 2**32
WRITTEN_PREFIX: Final = "sha256:"
MAX_FILE_SIZE: Final = 32 * 1024 * 1024
"""Of a clients file, in bytes, for all who read or write one: 10,000 clients are 2 to 5 MiB."""

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_KEY: Final = re.compile(rf"kb_({_NAME.pattern})_[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}")


def new_key(name: str) -> str:
    """Return a new key of a client: `kb_<name>_`, 43 random characters, 6 of checksum.

    Raises:
        ValueError: a client cannot have that name.
    """
    if not is_name(name):
        raise ValueError("a client's name is a-z, then up to 62 of a-z, 0-9 and -")
    secret = "".join(secrets.choice(_DIGITS) for _ in range(SECRET_LENGTH))
    body = f"kb_{name}_{secret}"
    return body + _checksum(body)


def is_name(text: str) -> bool:
    """Whether a client can have that name."""
    return _NAME.fullmatch(text) is not None


def name_of(key: str) -> str | None:
    """Return the client's name if a text has a key's shape and checksum, else None.

    It may be anybody's text: nothing is known of the client yet.
    """
    shape = _KEY.fullmatch(key)
    if shape is None or _checksum(key[:-CHECKSUM_LENGTH]) != key[-CHECKSUM_LENGTH:]:
        return None
    return shape[1]


def digest(key: str) -> bytes:
    """Return the SHA-256 of a whole key, 32 bytes; of any other text too."""
    # A key is ASCII; what else came in as one must not end in an exception.
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


def written(key: str) -> str:
    """Return a key as files hold it: `sha256:` and 64 hexadecimal digits."""
    return WRITTEN_PREFIX + digest(key).hex()


def _checksum(body: str) -> str:
    """Return the CRC-32 of an ASCII text in base 62, so that a scanner can tell keys offline."""
    rest = crc32(body.encode("ascii"))
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
