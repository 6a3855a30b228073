"""Nodes to a plain tree of dicts, lists and texts, with `${NAME}` filled in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from proxy.config.errors import Problem, may_show, visible
from proxy.config.nodes import Scalar, Sequence


if TYPE_CHECKING:
    from collections.abc import Mapping as Environ

    from proxy.config.errors import Path
    from proxy.config.nodes import Mapping, Node, Positions


_NULLS: Final = frozenset({"null", "Null", "NULL", "~"})
_REFERENCE: Final = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<bad>\{))"
)


@final
class Broken:
    """Stands in the tree for a value that was already reported."""

    def __repr__(self) -> str:
        return "Broken()"


BROKEN: Final = Broken()
Plain = str | list["Plain"] | dict[str, "Plain"] | Broken


_NOT_FILLED_IN: Final = "has a ${…} that cannot be filled in; write $$ for a plain dollar"


class InterpolationError(ValueError):
    """A `${…}` that cannot be filled in; the message names the variable, never a value."""


@dataclass(slots=True)
class Reader:
    """Turns nodes into plain values and gathers what is wrong on the way.

    Attributes:
        positions: where things stand in the file.
        environ: what `${NAME}` is taken from.
        problems: everything found wrong so far.
    """

    positions: Positions
    environ: Environ[str, str]
    problems: list[Problem] = field(default_factory=list)

    def read(self, node: Node, path: Path = ()) -> Plain:
        """Return the value of a node; `BROKEN` where a problem was noted."""
        if isinstance(node, Scalar):
            return self._scalar(node, path)
        if isinstance(node, Sequence):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.items)]
        self._duplicates(node, path)
        return {key: self.read(value, (*path, key)) for key, (_, value) in node.entries.items()}

    def _scalar(self, node: Scalar, path: Path) -> Plain:
        if node.plain and not node.text:
            return self._broken(path, _empty(path))
        if node.plain and node.text in _NULLS:
            return self._broken(path, "null is no value here; write none, or leave the key out")
        try:
            return interpolate(node.text, self.environ)
        except InterpolationError as error:
            # A written secret may happen to hold a ${…}: a part of it is no variable's name.
            inside_secret = path[-1:] == ("value",) and not _REFERENCE.fullmatch(node.text)
            return self._broken(path, _NOT_FILLED_IN if inside_secret else str(error))

    def _broken(self, path: Path, message: str) -> Broken:
        self.problems.append(self.positions.problem(path, message))
        return BROKEN

    def _duplicates(self, node: Mapping, path: Path) -> None:
        for key, mark in node.duplicates:
            first = node.entries[key][0].line
            message = f"is given twice, first on line {first}; keep one"
            name = self.positions.name
            self.problems.append(
                Problem(name, mark.line, mark.column, visible((*path, key)), message)
            )


def interpolate(text: str, environ: Environ[str, str]) -> str:
    """Fill in `${NAME}` and `${NAME:-default}`; `$$` becomes `$`. Once: what is put in stays as is.

    Raises:
        InterpolationError: the variable is not set and has no default, or `${` is not closed.
    """
    if "$" not in text:
        return text

    def filled(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if match["bad"]:
            raise InterpolationError("has a ${ that is no ${NAME}; write $$ for a plain dollar")
        value = environ.get(match["name"])
        if match["default"] is not None:
            return value or match["default"]  # as in a shell, :- also replaces an empty value
        if value is None and not may_show((match["name"],)):
            raise InterpolationError(_NOT_FILLED_IN)
        if value is None:
            raise InterpolationError(
                f"the environment variable {match['name']} is not set; set it, or write "
                f"${{{match['name']}:-default}}"
            )
        return value

    return _REFERENCE.sub(filled, text)


def _empty(path: Path) -> str:
    if ":" in str(path[-1]):
        return "is empty; a space is missing after the colon of the key"
    if not may_show(path):
        return "holds a key without a value; write KEY: VALUE, as in {env: NAME}"
    return "is empty; give it a value, or leave the key out"
