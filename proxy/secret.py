"""The masked value that every credential travels in."""

from __future__ import annotations

from typing import Final, final


MASK: Final = "********"


class SecretError(ValueError):
    """A text that cannot be a secret; the message never holds the text."""


@final
class Secret:
    r"""One line of latin-1 text whose `repr`, `str`, hash and pickle never show it.

    Args:
        text: the secret. One trailing `\n` or `\r\n` is dropped, for files end with one.

    Raises:
        SecretError: empty, more than one line, a NUL, or a character that no header can carry.
    """

    __slots__ = ("_value",)

    def __init__(self, text: str) -> None:
        self._value = _one_line(text)

    def reveal(self) -> bytes:
        """Return the secret's bytes.

        Only `dataplane/inject.py` may call this, and `process/accounts.py` for the address of a
        store.
        """
        return self._value

    def __len__(self) -> int:
        """Return how many characters it has: a short one cannot be told from other text."""
        return len(self._value)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare by value: a rotated credential is one whose secret differs."""
        if not isinstance(other, Secret):
            return NotImplemented
        return self._value == other._value

    __hash__ = None  # type: ignore[assignment] # a hash would be an oracle, and no set needs one

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


def _one_line(text: str) -> bytes:
    line = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    if not line:
        raise SecretError("it is empty")
    if any(control in line for control in "\r\n\0"):
        raise SecretError("it holds a line break or a NUL; a secret is one line")
    # Asked first: the codec's exception would carry the whole text, `from None` or not.
    if max(line) > "\xff":
        raise SecretError("it holds characters that no HTTP header can carry")
    return line.encode("latin-1")
