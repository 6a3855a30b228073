"""Mask client keys where a text that is written down shows them."""

from __future__ import annotations

import re
from typing import Final


MASK: Final = "kb_***"

# A key is `kb_`, a name, `_` and base62, and whoever puts it into a path may have escaped any of
# it, once or again (RFC 3986 2.4). Case is folded: something on the way may have folded it.
_ESCAPE: Final = "%(?:25)*"
_UNDERSCORE: Final = f"(?:_|{_ESCAPE}5f)"
_HYPHEN: Final = f"(?:-|{_ESCAPE}2d)"
_LETTER: Final = f"(?:[a-z]|{_ESCAPE}(?:[46][1-9a-f]|[57][0-9a]))"
_BASE62: Final = f"(?:[0-9]|{_ESCAPE}3[0-9]|{_LETTER})"

_LONGEST_NAME: Final = 63
_SHOWN: Final = 7
"""Characters of a key that say nothing of it."""

_KEY: Final = re.compile(
    f"(?:k|{_ESCAPE}[46]b)(?:b|{_ESCAPE}[46]2){_UNDERSCORE}"
    f"{_LETTER}(?:{_BASE62}|{_HYPHEN}){{0,{_LONGEST_NAME - 1}}}{_UNDERSCORE}"
    f"{_BASE62}{{{_SHOWN + 1}}}"
    # To the end of the word: what looks like the key may be the name of the real one behind it.
    f"(?:{_BASE62}|{_HYPHEN}|{_UNDERSCORE})*",
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
