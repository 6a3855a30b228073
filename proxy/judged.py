"""Verdicts on spellings that come again and again, each given once and remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar


if TYPE_CHECKING:
    from collections.abc import Callable


_Spelling = TypeVar("_Spelling", str, bytes)
_Verdict = TypeVar("_Verdict")
_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 64


class Judged(dict[_Spelling, _Verdict]):
    """What a pure function says of each spelling of a name, asked when it is first seen.

    A peer can spell names in endless ways, so only so many, and no long ones, are remembered.

    Args:
        judge: the function.
    """

    def __init__(self, judge: Callable[[_Spelling], _Verdict]) -> None:
        super().__init__()
        self._judge: Callable[[_Spelling], _Verdict] = judge

    def __missing__(self, name: _Spelling) -> _Verdict:
        verdict = self._judge(name)
        if len(self) < _REMEMBERED and len(name) <= _LONGEST_REMEMBERED:
            self[name] = verdict
        return verdict
