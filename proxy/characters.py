"""Characters that nobody sees: control, invisible and bidi characters in text that was pasted."""

from __future__ import annotations

import re
from typing import Final


# The categories Cc, Cf (zero width, soft hyphen, bidi), Zl, Zp, Zs but the space, and Cs; fillers,
# blanks and variation selectors of others. Written out: every Python has another table.
_UNSEEN: Final = (
    "\x00-\x1f\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    "\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_CONTROLS: Final = "[\x00-\x1f\x7f]"
# Unicode has names for these only as aliases.
_NAMES: Final = {
    "\0": "NULL",
    "\a": "BELL",
    "\b": "BACKSPACE",
    "\t": "TAB",
    "\n": "LINE FEED",
    "\v": "LINE TABULATION",
    "\f": "FORM FEED",
    "\r": "CARRIAGE RETURN",
    "\x1b": "ESCAPE",
    "\x7f": "DELETE",
    "\x85": "NEXT LINE",
}


def unseen(text: str, start: int = 0, end: int | None = None) -> re.Match[str] | None:
    """Return the first character of a text that an editor does not show.

    Args:
        text: to be searched.
        start: where to begin.
        end: where to stop; None for the text's end.
    """
    # Most texts are ASCII, and the larger pattern takes a while to compile.
    pattern = _CONTROLS if text.isascii() else f"[{_UNSEEN}]"
    return re.compile(pattern).search(text, start, len(text) if end is None else end)


def named(character: str) -> str:
    """Return the number and the name of a character: `U+00A0 NO-BREAK SPACE`."""
    from unicodedata import name  # noqa: PLC0415 -- only where something is wrong

    known = _NAMES.get(character) or name(character, "")
    return f"U+{ord(character):04X} {known}".rstrip()
