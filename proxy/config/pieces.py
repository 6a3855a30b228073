"""A file that may be large as the parser reads it: checked text, a few KiB at a time."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections import deque
from typing import TYPE_CHECKING, Final

from proxy.characters import UTF_16, named, not_utf_8, place_after
from proxy.config.errors import Problem


if TYPE_CHECKING:
    from typing import BinaryIO

    from proxy.characters import NotUtf8


PIECE: Final = 16 * 1024
# What YAML 1.2 5.1 allows of ASCII, and of all but the line breaks that editors do not show; the
# latter takes as long to compile as a small file to be read.
_ASCII: Final = re.compile("[^\t\n\r\x20-\x7e]")
_UNICODE: Final = "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"

_REMEMBERED: Final = 8  # libyaml reads up to 48 KiB ahead of what it parses


def unprintable(text: str) -> re.Match[str] | None:
    """Return the first character that YAML has not: of a binary file, or a stray control."""
    return _ASCII.search(text) if text.isascii() else re.search(_UNICODE, text)


def unprintable_message(character: str) -> str:
    """Return a sentence about a character that YAML has not."""
    return f"a control character ({named(character)}); remove it, or save the file as UTF-8 text"


def not_utf_8_problem(name: str, error: NotUtf8) -> Problem:
    """Return the problem of a file that is no text of UTF-8, with its place."""
    if error.whole:
        return Problem(name, None, None, (), error.message)
    line, column = place_after(error.before)
    return Problem(name, line + 1, column + 1, (), error.message)


class Pieces:
    """What a parser reads from, instead of the file.

    Nothing is raised into the parser, which is C and would lose it: what cannot be read is noted
    in `problem`, and is the end.

    Args:
        file: open for reading.
        name: what the file is called in messages.
        max_size: in bytes; a file that is larger is a problem.
    """

    def __init__(self, file: BinaryIO, name: str, max_size: int) -> None:
        self.name = name
        self.problem: Problem | None = None
        self._file = file
        self._left = max_size
        self._decoder = getincrementaldecoder("utf-8")()
        self._line = 0
        self._column = 0
        self._begun = False
        self._last: deque[tuple[int, str]] = deque(maxlen=_REMEMBERED)

    def read(self, _size: int = PIECE) -> str:
        """Return the next piece of the text; empty at the end."""
        while self.problem is None:
            data = self._bytes()
            text = self._text(data)
            if text or not data:
                return text
        return ""

    def line(self, number: int) -> str:
        """Return a line that was read lately, by its number from 0; else an empty text."""
        if not self._last:
            return ""
        lines = "".join(text for _, text in self._last).split("\n")
        index = number - self._last[0][0]
        return lines[index] if 0 <= index < len(lines) else ""

    def _bytes(self) -> bytes:
        try:
            data = self._file.read(PIECE)
        except OSError as error:
            self._whole(f"cannot be read: {error.strerror or 'input error'}")
            return b""
        self._left -= len(data)
        if self._left < 0:
            self._whole("is too large")
            return b""
        return data

    def _text(self, data: bytes) -> str:
        if self.problem is not None:
            return ""
        if not self._begun and data.startswith(UTF_16):
            self._whole("is not UTF-8 text but UTF-16; save it as UTF-8")
            return ""
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            return self._undecodable(not_utf_8(error))
        if text and not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        return self._noted(text)

    def _noted(self, text: str) -> str:
        """Return the text as far as it can be one; remember it, and where the next one begins."""
        stray = unprintable(text)
        if stray is not None:
            text = text[: stray.start()]
        self._last.append((self._line, text))
        head, newline, tail = text.rpartition("\n")
        if newline:
            self._line += head.count("\n") + 1
            self._column = 0
        self._column += len(tail)
        if stray is not None:
            message = unprintable_message(stray[0])
            self.problem = Problem(self.name, self._line + 1, self._column + 1, (), message)
        return text

    def _undecodable(self, error: NotUtf8) -> str:
        text = self._noted(error.before)
        if self.problem is None:
            message = error.message
            self.problem = Problem(self.name, self._line + 1, self._column + 1, (), message)
        return text

    def _whole(self, message: str) -> None:
        self.problem = Problem(self.name, None, None, (), message)
