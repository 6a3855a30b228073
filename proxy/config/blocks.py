"""A clients file cut into its clients as text, so that those that have not changed are known again.

Only files in the plain style that `keybearer keys` writes are cut; others are read as a whole.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


# Anchors may be used in other clients, and the others are line ends to YAML but not to us.
_FOREIGN: Final = "&\r\x85\u2028\u2029\ufeff"
# Nothing is ever tried again: `*+` and `?+` keep no note of it, which is 270 bytes a line.
_BEFORE: Final = re.compile(r"(?:[ ]*+(?:#[^\n]*+)?+\n)*+")
_BLOCK: Final = re.compile(r"([a-z][a-z0-9-]{0,62}):(?:[ ][^\n]*+)?+\n(?:(?:[ #][^\n]*+)?+\n)*+")
_NOTHING: Final = "#\n"  # ends whatever stands open above it, as the next key would


class Block(NamedTuple):
    """A client's lines, up to the next client's."""

    name: str
    line: int
    text: str


def blocks(data: bytes) -> tuple[Block, ...] | None:
    """Return the blocks of a file that has nothing else; None if they cannot be told by sight.

    By sight a quotation that is not closed looks like clients, too: whoever parses them must find
    the same names on the same lines.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    # One after the other: a regular expression takes 20 ms in which nothing else runs.
    if any(each in text for each in _FOREIGN):
        return None
    start = _BEFORE.match(text)
    at = 0 if start is None else start.end()
    line = text.count("\n", 0, at) + 1
    found = []
    while at < len(text):
        block = _BLOCK.match(text, at)
        if block is None:
            return None
        found.append(Block(block[1], line, block[0]))
        line += block[0].count("\n")
        at = block.end()
    return tuple(found)


def without(cut: tuple[Block, ...], known: frozenset[int]) -> bytes:
    """Return the text of the blocks on their own lines, without those at these indexes."""
    parts = [_NOTHING * (cut[0].line - 1)] if cut else []
    for index, block in enumerate(cut):
        parts.append(_NOTHING * block.text.count("\n") if index in known else block.text)
    return "".join(parts).encode("utf-8")
