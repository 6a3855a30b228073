"""YAML text whose nodes know where they stand in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import yaml
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from proxy.characters import invisible, named, place_after, stray_near, stray_within


if TYPE_CHECKING:
    from collections.abc import Iterable

    from yaml import BaseLoader
    from yaml.nodes import Node
else:
    # Every scalar is a text, as it is for the configuration's reader. The one in C, where it is.
    BaseLoader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


Plain: TypeAlias = "str | list[Plain] | tuple[tuple[str, Plain], ...]"
"""What a node says: a text, a list, or a mapping's pairs in their order (so that none is lost)."""
Pairs: TypeAlias = tuple[tuple[str, Plain], ...]

MAX_DEPTH: Final = 32
MAX_NODES: Final = 1_000_000  # aliases counted each time; 10,000 clients have about 120,000

BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_CONTROL: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_TAIL: Final = re.compile("[ \t]*(?:#[^\n\r\x85\u2028\u2029]*)?")
_ALIAS: Final = re.compile(r"\s*+[:-]?+\s*+\*[^\s,\[\]{}]++")
_BY_HAND: Final = "it cannot be edited safely; do it by hand, or write it plainer and try again"


class _TooDeepError(yaml.YAMLError):
    """Nested so deeply that the parser in C would run out of its stack."""


class _Loader(BaseLoader):
    """Counts how deep it is; these two are called around each node."""

    _depth = 0

    def descend_resolver(self, current_node: Node | None, current_index: Any) -> None:  # noqa: ARG002 -- PyYAML's signature
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooDeepError

    def ascend_resolver(self) -> None:
        self._depth -= 1


class ClientsFileError(Exception):
    """What is wrong with a clients file, or cannot be edited there; what to do.

    `str()` is `file:line:column: …`, and never shows a value of the file.
    """

    def __init__(self, name: str, place: tuple[int, int] | None, message: str) -> None:
        where = name if place is None else f"{name}:{place[0] + 1}:{place[1] + 1}"
        super().__init__(f"{where}: {message}")


class Splice(NamedTuple):
    """A piece of the text that another one takes the place of, by the indices of characters."""

    start: int
    end: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A text and its nodes.

    Attributes:
        name: what the file is called in messages.
        text: all of it.
        root: None if it holds nothing but comments.
    """

    name: str
    text: str
    root: Node | None

    def refused(self, at: Node | None, message: str) -> ClientsFileError:
        """Return the error that something is wrong at a node, or with the whole."""
        place = None if at is None else (at.start_mark.line, at.start_mark.column)
        return ClientsFileError(self.name, place, message)

    def unsafe(self, at: Node | None) -> ClientsFileError:
        """Return the error that a change might do something else as well."""
        return self.refused(at, _BY_HAND)

    @property
    def newline(self) -> str:
        """How its lines end."""
        found = BREAK.search(self.text)
        return "\r\n" if found is not None and found[0] == "\r\n" else "\n"

    def line_start(self, index: int) -> int:
        """Return where the line of an index begins."""
        last = 0
        # Lines are short: the last break before the index is near.
        begin = max(self.text.rfind("\n", 0, index), self.text.rfind("\r", 0, index)) + 1
        for found in BREAK.finditer(self.text, begin, index):
            last = found.end()
        return max(begin, last)

    def line_end(self, index: int, at: Node) -> int:
        """Return where the next line begins, if nothing but a comment follows on this one.

        Raises:
            ClientsFileError: something else does.
        """
        tail = _TAIL.match(self.text, index)
        end = index if tail is None else tail.end()
        if end == len(self.text):
            return end
        found = BREAK.match(self.text, end)
        if found is None:
            raise self.unsafe(at)
        return found.end()

    def is_first(self, index: int) -> bool:
        """Whether nothing but blanks stands before an index on its line."""
        return not self.text[self.line_start(index) : index].strip(" ")

    def spliced(self, splices: Iterable[Splice]) -> str:
        """Return the text with pieces of it replaced; everything else is as it was."""
        text = self.text
        for start, end, new in sorted(splices, reverse=True):
            text = text[:start] + new + text[end:]
        return text


def read(text: str, name: str) -> Document:
    """Return a text with its nodes.

    Raises:
        ClientsFileError: it is not one document of YAML.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except _TooDeepError:
        raise ClientsFileError(name, None, "is nested too deeply") from None
    except yaml.YAMLError as error:
        place, message = _explained(error, text)
        # `from None`: the parser's own message quotes the file.
        raise ClientsFileError(name, place, message) from None
    if invisible(text):
        _refuse_strays(name, text, root)
    if isinstance(root, ScalarNode) and root.start_mark.index == root.end_mark.index:
        root = None
    return Document(name, text, root)


def _explained(error: yaml.YAMLError, text: str) -> tuple[tuple[int, int] | None, str]:
    """Return where a text cannot be read, and a sentence that does not quote it."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # the parser refuses a character before it counts lines
        control = _CONTROL.search(text)
        place = None if control is None else place_after(text[: control.start()])
        named_ = "" if control is None else f": the control character {named(control[0])} is here"
        return place, f"not valid YAML{named_}; mend it first"
    lines = text.splitlines()
    stray = stray_near(lambda number: lines[number] if number < len(lines) else "", mark.line)
    if stray is not None:
        return (stray.line, stray.column), f"not valid YAML: {stray.message}"
    return (mark.line, mark.column), "not valid YAML; mend it first"


def _refuse_strays(name: str, text: str, root: Node | None) -> None:
    """Refuse invisible characters in keys and values; in comments they do no harm."""
    lines = text.splitlines()
    todo = [] if root is None else [root]
    while todo:
        node = todo.pop()
        if isinstance(node, MappingNode):
            todo += [each for pair in node.value for each in pair]
        elif isinstance(node, SequenceNode):
            todo += node.value
        elif invisible(node.value):
            start, end = node.start_mark, node.end_mark
            places = (start.line, start.column), (end.line, end.column)
            stray = stray_within(lambda number: lines[number], *places)
            if stray is not None:
                raise ClientsFileError(name, (stray.line, stray.column), stray.message)


def end_of(document: Document, node: Node, behind: int) -> int:
    """Return where a node's text ends: a block's own mark is behind what follows it.

    Args:
        document: where it stands.
        node: what is asked about.
        behind: where what stands before it ends.
    """
    if is_alias(node, behind):
        name = _ALIAS.match(document.text, behind)
        return behind if name is None else name.end()
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        key, value = node.value[-1]
        return end_of(document, value, key.end_mark.index)
    if isinstance(node, SequenceNode) and not node.flow_style:
        end = int(node.start_mark.index)
        for item in node.value:
            end = end_of(document, item, end)
        return end
    end = int(node.end_mark.index)
    if isinstance(node, ScalarNode) and node.style in {"|", ">"}:
        # Its mark is behind the blank lines that follow it.
        return len(document.text[:end].rstrip())
    return end


def is_alias(node: Node, behind: int) -> bool:
    """Whether a node stands elsewhere, and only its name (`*name`) here."""
    return bool(node.start_mark.index < behind)


def plain(document: Document, node: Node | None) -> Plain:
    """Return what a node says, aliases filled in; nothing is an empty text.

    Raises:
        ClientsFileError: it is nested too deeply, too large, or a key is not a text.
    """
    return "" if node is None else _Reader(document).plain(node, 0)


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._left = MAX_NODES

    def plain(self, node: Node, depth: int) -> Plain:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise self._document.refused(node, "nested too deeply, or too large with its aliases")
        if isinstance(node, MappingNode):
            return tuple(
                (self._key(key), self.plain(value, depth + 1)) for key, value in node.value
            )
        if isinstance(node, SequenceNode):
            return [self.plain(item, depth + 1) for item in node.value]
        return str(node.value)

    def _key(self, key: Node) -> str:
        if not isinstance(key, ScalarNode):
            raise self._document.refused(key, "a key must be plain text")
        return str(key.value)
