"""The masked value that every credential travels in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from proxy.characters import named, unseen


if TYPE_CHECKING:
    import re


MASK: Final = "********"

_EDGES: Final = "\ufeff \t\r\n"
"""A byte order mark, blanks and line ends: editors, shells and env files leave them."""
_NOT_UTF_8: Final = range(0xD800, 0xE000)
"""Bytes that are not UTF-8 are read as these characters (PEP 383)."""


class SecretError(ValueError):
    """A text that cannot be a secret; the message never holds the text."""


@final
class Secret:
    """One line of text whose `repr`, `str`, hash and pickle never show it; it is sent as UTF-8.

    Args:
        text: the secret. A byte order mark, blanks and line ends around it are dropped.

    Raises:
        SecretError: nothing is left, or it holds a control or invisible character, or bytes that
            are not UTF-8.
    """

    __slots__ = ("_value",)

    def __init__(self, text: str) -> None:
        self._value = _one_line(text.strip(_EDGES))

    @classmethod
    def of_bytes(cls, data: bytes) -> Secret:
        """Return the secret that a file or an environment holds.

        Raises:
            SecretError: as above.
        """
        # Not strictly: the codec's exception would carry all the data.
        return cls(data.decode("utf-8", "surrogateescape"))

    def reveal(self) -> bytes:
        """Return the secret's bytes.

        Only `dataplane/inject.py` may call this, and `process/accounts.py` for the address of a
        store.
        """
        return self._value

    def looks_like(self, pattern: re.Pattern[bytes]) -> bool:
        """Return whether it begins as a pattern says."""
        return pattern.match(self._value) is not None

    def __len__(self) -> int:
        """Return how many bytes it has: a short one cannot be told from other text."""
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
    if not text:
        raise SecretError("it is empty")
    stray = unseen(text)
    if stray is None:
        return text.encode("utf-8")
    if ord(stray[0]) in _NOT_UTF_8:
        raise SecretError("it is not UTF-8 text; save it as UTF-8")
    if stray[0] in "\r\n":
        raise SecretError("it holds a line break; a secret is one line")
    raise SecretError(
        f"it holds the control or invisible character {named(stray[0])}; remove it, or copy the "
        "secret again"
    )
