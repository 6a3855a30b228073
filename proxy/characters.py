"""Text as people paste it: invisible characters, those that look like others, other encodings."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final, NamedTuple


if TYPE_CHECKING:
    from collections.abc import Callable


# The categories Cc, Cf (zero width, soft hyphen, bidi), Zl, Zp, Zs but the space, and Cs; fillers,
# blanks and variation selectors of others. Written out: every Python has another table.
_INVISIBLE: Final = (
    "\x80-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    "\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_CONTROLS: Final = "\x00-\x1f\x7f"
# What looks like a character that YAML knows, and the character that is meant.
_ALIKE: Final = dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02", '"')
_ALIKE.update(dict.fromkeys("\u2018\u2019\u201a\u201b\uff07", "'"))
_ALIKE.update(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\uff0d", "-"))
_ALIKE.update(zip("\uff1a\uff0c\uff5b\uff5d\uff3b\uff3d\uff03", ":,{}[]#", strict=True))
UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_COMMENT: Final = re.compile(r"(?:^|[ \t])#.*")
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


class Stray(NamedTuple):
    """A character of a file that cannot be meant.

    Attributes:
        line: from 0.
        column: from 0.
        message: which character, and what to do.
    """

    line: int
    column: int
    message: str


class NotUtf8(ValueError):
    """Bytes that are no text of UTF-8.

    Attributes:
        before: the text before them.
        message: what is wrong, and what to do.
        whole: the file as a whole is meant.
    """

    def __init__(self, before: str, message: str, *, whole: bool = False) -> None:
        super().__init__(message)
        self.before = before
        self.message = message
        self.whole = whole


def unseen(text: str) -> re.Match[str] | None:
    """Return the first character of a text that an editor does not show."""
    # Most texts are ASCII, and the larger pattern takes a while to compile.
    pattern = _CONTROLS if text.isascii() else _CONTROLS + _INVISIBLE
    return re.search(f"[{pattern}]", text)


def invisible(text: str) -> re.Match[str] | None:
    """Return the first character of a text that is not ASCII, and not shown by an editor."""
    return None if text.isascii() else re.search(f"[{_INVISIBLE}]", text)


def alike(text: str) -> re.Match[str] | None:
    """Return the first character of a text that looks like one of YAML's."""
    return None if text.isascii() else re.search(f"[{''.join(_ALIKE)}]", text)


def explained(character: str) -> str:
    """Return a sentence about a character that cannot be meant."""
    if (meant := _ALIKE.get(character)) is not None:
        return f"{named(character)} only looks like {meant} ({named(meant)}); type that"
    advice = "remove it" if character == "\ufeff" else "remove it, or type a plain space"
    return f"the invisible character {named(character)} is here; {advice}"


def stray_within(
    line_at: Callable[[int], str], start: tuple[int, int], end: tuple[int, int]
) -> Stray | None:
    """Return the first invisible character between two places of a file.

    None: it has none there, for it is written as an escape, or the lines are not known any more.

    Args:
        line_at: a line of the file by its number from 0.
        start: line and column of the first character, from 0.
        end: line and column of the first character that is not meant.
    """
    for line in range(start[0], end[0] + 1):
        begin = start[1] if line == start[0] else 0
        text = line_at(line)[: end[1] if line == end[0] else None]
        found = invisible(text[begin:])
        if found is not None:
            return Stray(line, begin + found.start(), explained(found[0]))
    return None


def stray_near(line_at: Callable[[int], str], line: int) -> Stray | None:
    """Return a character that may be why a line or the one above it cannot be read.

    Args:
        line_at: a line of the file by its number from 0.
        line: where reading failed, from 0.
    """
    above = line - 1
    while above >= 0 and not line_at(above).strip():
        above -= 1
    for look in (invisible, alike):
        for number in (line, above):
            found = look(_COMMENT.sub("", line_at(number))) if number >= 0 else None
            if found is not None:
                return Stray(number, found.start(), explained(found[0]))
    return None


def decoded(data: bytes) -> str:
    """Return the text of a file.

    Raises:
        NotUtf8: it is none of UTF-8; the bytes are not shown but the first wrong one.
    """
    if data.startswith(UTF_16):
        raise NotUtf8("", "is not UTF-8 text but UTF-16; save it as UTF-8", whole=True)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf_8(error) from None


def not_utf_8(error: UnicodeDecodeError) -> NotUtf8:
    """Return what a decoder's error means; its own message may show the file."""
    before = error.object[: error.start].decode("utf-8")
    byte = error.object[error.start]
    return NotUtf8(before, f"is not UTF-8 text (byte 0x{byte:02X}); save the file as UTF-8")


def place_after(text: str) -> tuple[int, int]:
    """Return line and column, both from 0, of what follows a text."""
    return text.count("\n"), len(text) - text.rfind("\n") - 1


def named(character: str) -> str:
    """Return the number and the name of a character: `U+00A0 NO-BREAK SPACE`."""
    from unicodedata import name  # noqa: PLC0415 -- only where something is wrong

    known = _NAMES.get(character) or name(character, "")
    return f"U+{ord(character):04X} {known}".rstrip()
