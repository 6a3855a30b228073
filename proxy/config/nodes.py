"""The file as nodes that know their line and column, and where a key path stands in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from proxy.config.errors import Problem, shown, visible


if TYPE_CHECKING:
    from proxy.config.errors import Path


class Mark(NamedTuple):
    """A place in the file; the first line and column are 1."""

    line: int
    column: int


@dataclass(slots=True)
class Scalar:
    """A text, as it is written: `off`, `0600` and `2027-06-30` are texts here."""

    mark: Mark
    text: str = field(repr=False)  # may be a secret
    plain: bool
    size: int = 1


@dataclass(slots=True)
class Mapping:
    """Keys in their order, each with its own place; the first of a duplicate."""

    mark: Mark
    entries: dict[str, tuple[Mark, Node]] = field(default_factory=dict)
    duplicates: list[tuple[str, Mark]] = field(default_factory=list)
    size: int = 1


@dataclass(slots=True)
class Sequence:
    """Items in their order."""

    mark: Mark
    items: list[Node] = field(default_factory=list)
    size: int = 1


Node = Scalar | Mapping | Sequence


@dataclass(frozen=True, slots=True)
class Positions:
    """Finds the place of a key path in a file."""

    name: str
    root: Mapping

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        """Return a problem at the deepest part of a path that the file has.

        Args:
            path: keys and list indices from the top.
            message: what is wrong; what to do.
            at_key: point at the key even if its value is on the same line.
        """
        found, mark = self._find(path, at_key=at_key)
        return Problem(self.name, mark.line, mark.column, visible(found), message)

    def where(self, path: Path) -> str:
        """Return `routes.a.path (line 7)`, or the deepest part of it that the file has."""
        found, mark = self._find(path, at_key=True)
        return f"{shown(found)} (line {mark.line})" if found else f"the default of {shown(path)}"

    def _find(self, path: Path, *, at_key: bool) -> tuple[Path, Mark]:
        node: Node = self.root
        mark = node.mark
        found: list[str | int] = []
        for part in path:
            if part == 0 and not isinstance(node, Sequence):
                continue  # one value may stand for a list of one
            step = _step(node, part)
            if step is None:
                break
            key_mark, node = step
            mark = node.mark if isinstance(node, Scalar) and not at_key else key_mark
            found.append(part)
        return tuple(found), mark


def _step(node: Node, part: str | int) -> tuple[Mark, Node] | None:
    if isinstance(node, Mapping) and isinstance(part, str):
        return node.entries.get(part)
    if isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
        item = node.items[part]
        return item.mark, item
    return None
