"""Mask client keys where a text that is written down shows them."""

from __future__ import annotations

import re
from typing import Final


MASK: Final = "kb_***"

# A key is `kb_`, a name, `_` and base62, and whoever puts it into a path may have escaped any of
# it, once or again (RFC 3986 2.4). Case is folded: something on the way may have folded it. No two
# parts begin alike, so nothing is ever tried again: `*+` and `}+` keep a long path from being slow.
_ESCAPE: Final = "%(?:25)*+"
_LETTER: Final = "[46][1-9a-f]|[57][0-9a]"
_UNDERSCORE: Final = f"(?:_|{_ESCAPE}5f)"
_BASE62: Final = f"(?:[0-9a-z]|{_ESCAPE}(?:{_LETTER}|3[0-9]))"
_NAME: Final = (
    f"(?:[a-z]|{_ESCAPE}(?:{_LETTER}))(?:[0-9a-z-]|{_ESCAPE}(?:{_LETTER}|3[0-9]|2d)){{0,62}}+"
)

_KEY: Final = re.compile(
    f"(?:k|{_ESCAPE}[46]b)(?:b|{_ESCAPE}[46]2){_UNDERSCORE}{_NAME}{_UNDERSCORE}{_BASE62}{{8}}+"
    # To the end of the word: what looks like the key may be the name of the real one behind it.
    f"(?:[0-9a-z_-]|{_ESCAPE}(?:{_LETTER}|3[0-9]|2d|5f))*+",
    re.IGNORECASE | re.ASCII,
)


def masked(text: str) -> str:
    """Return a text with `kb_***` in the place of each key, or of what begins like one.

    Args:
        text: such as a path, escaped or not.

    Returns:
        The same without any word that is `kb_`, a name, `_` and 8 or more of base62.
    """
    return _KEY.sub(MASK, text) if "_" in text or "%" in text else text
