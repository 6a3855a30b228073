"""YAML text to a tree of texts in which every key and value knows its line and column."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from proxy.characters import alike, explained, invisible, place_after, stray_near, stray_within
from proxy.config.errors import ConfigError, Problem
from proxy.config.nodes import Mapping, Mark, Scalar, Sequence
from proxy.config.pieces import unprintable, unprintable_message
from proxy.config.syntax import explain


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from yaml.events import (
        Event,
    )

    from proxy.config.nodes import Node
    from proxy.config.pieces import Pieces


MAX_DEPTH: Final = 32  # the deepest key of ours is 9 down; recursion stays far from Python's limit
MAX_NODES: Final = 100_000  # aliases counted each time: a bomb of 9^9 is small as text
MAX_ALIASED: Final = 1_000_000  # of these, in all of a file of clients: each costs 50 µs to read

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KEY_ADVICE: Final = 'a key must be plain text; quote values such as "[::1]:8484", "{…}" or "${…}"'
_TOO_LARGE: Final = "too large once its aliases are filled in"
_SECOND: Final = "a second document (---); only one is read"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def parse(text: str, name: str) -> Mapping:
    """Return the file's top-level mapping.

    Args:
        text: the whole file.
        name: what the file is called in messages.

    Raises:
        ConfigError: with one problem: the text is not one YAML document of keys and values, or
            uses what a configuration does not need (tags, merge keys, cycles).
    """
    text = text.removeprefix("\ufeff")
    stray = unprintable(text)
    if stray is not None:
        line, column = place_after(text[: stray.start()])
        raise _refused(name, Mark(line + 1, column + 1), unprintable_message(stray[0]))
    lines = _Lines(text)
    try:
        root = _Builder(name, _events(text), lines.at).document()
    except yaml.YAMLError as error:
        line, column, message = explain(error, lines.at)
        # `from None`: the parser's own message quotes the file.
        raise _refused(name, Mark(line, column), message) from None
    if root is None or (isinstance(root, Scalar) and root.plain and not root.text):
        raise ConfigError(Problem(name, None, None, (), "is empty; it needs at least `routes:`"))
    if not isinstance(root, Mapping):
        raise _no_mapping(name, root.mark, lines.at, "must be keys and values, such as `routes:`")
    return root


def entries(pieces: Pieces) -> Iterator[tuple[Scalar, Node]]:
    """Yield the keys and values at the top of a file that may be large, each as it is read.

    A key that comes again is yielded again.

    Raises:
        ConfigError: as `parse` does, or what the pieces could not be read for.
    """
    builder = _Builder(pieces.name, _events(pieces), pieces.line)
    # What cannot be read is the end of the file to the parser; what it finds wrong then is not.
    try:
        yield from builder.entries()
    except yaml.YAMLError as error:
        if pieces.problem is None:
            line, column, message = explain(error, pieces.line)
            raise _refused(pieces.name, Mark(line, column), message) from None
    except ConfigError:
        if pieces.problem is None:
            raise
    if pieces.problem is not None:
        raise ConfigError(pieces.problem)


def _refused(name: str, mark: Mark, message: str) -> ConfigError:
    return ConfigError(Problem(name, mark.line, mark.column, (), message))


def _no_mapping(name: str, mark: Mark, line_at: Callable[[int], str], message: str) -> ConfigError:
    stray = stray_near(line_at, mark.line - 1)
    if stray is None:
        return _refused(name, mark, message)
    return _refused(name, Mark(stray.line + 1, stray.column + 1), stray.message)


def _events(stream: str | Pieces) -> Iterator[Event]:
    # As `yaml.parse`, which asks twice for each.
    return iter(_LOADER(stream).get_event, None)


class _Lines:
    """The lines of a text, split when the first one is asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: list[str] | None = None

    def at(self, number: int) -> str:
        """Return a line by its number from 0; an empty text, if there is none."""
        if self._lines is None:
            self._lines = self._text.splitlines()
        return self._lines[number] if number < len(self._lines) else ""


class _Builder:
    """Builds nodes from the parser's events, keeping the place of each."""

    def __init__(self, name: str, events: Iterator[Event], line_at: Callable[[int], str]) -> None:
        self._name = name
        self._events = events
        self._line_at = line_at
        self._anchors: dict[str, Node] = {}
        self._open: set[str] = set()
        self._aliased = 0

    def document(self) -> Node | None:
        """Return the root of the only document, None if there is none."""
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refused(event, _SECOND)
                root = self._node(next(self._events), 0)
        return root

    def entries(self) -> Iterator[tuple[Scalar, Node]]:
        """Yield the keys and values of the only document's mapping as they are read."""
        documents = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refused(event, _SECOND)
                yield from self._top(next(self._events))
        if not documents:
            raise ConfigError(Problem(self._name, None, None, (), "is empty; write {} for none"))

    def _top(self, event: Event) -> Iterator[tuple[Scalar, Node]]:
        plain = isinstance(event, MappingStartEvent) and event.tag is None and event.anchor is None
        if not plain:
            mark = _mark(event)
            raise _no_mapping(
                self._name, mark, self._line_at, "must be keys and values (key: value)"
            )
        yield from self._pairs(0)

    def _node(self, event: Event, depth: int) -> Node:
        # Nine in ten are such, and a file of clients has hundreds of thousands.
        if isinstance(event, ScalarEvent) and event.tag is None and event.anchor is None:
            return self._scalar(event)
        if isinstance(event, AliasEvent):
            return self._alias(event)
        assert isinstance(event, NodeEvent)  # noqa: S101 # what is left begins a node
        if depth > MAX_DEPTH:
            raise self._refused(event, "nested too deeply")
        if getattr(event, "tag", None) is not None:
            raise self._refused(event, "tags are not read; quote a value that begins with !")
        if event.anchor is None:
            return self._fresh(event, depth)
        self._open.add(event.anchor)
        node = self._fresh(event, depth)
        self._open.discard(event.anchor)
        self._anchors[event.anchor] = node
        return node

    def _fresh(self, event: Event, depth: int) -> Node:
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        node: Node
        if isinstance(event, MappingStartEvent):
            node = self._mapping(event, depth)
        else:
            node = self._sequence(event, depth)
        if node.size > MAX_NODES:
            raise self._refused(event, _TOO_LARGE)
        return node

    def _scalar(self, event: ScalarEvent) -> Scalar:
        # PyYAML's own parser lets a lone surrogate through as an escape; libyaml does not.
        if not event.value.isascii():
            self._look_at(event)
        return Scalar(_mark(event), event.value, plain=not event.style)

    def _look_at(self, event: ScalarEvent) -> None:
        """Refuse what was pasted along with a text, or takes the place of YAML's own signs."""
        if _SURROGATE.search(event.value):
            raise self._refused(event, "holds half of a surrogate pair")
        if invisible(event.value):
            start, end = _place(event.start_mark), _place(event.end_mark)
            stray = stray_within(self._line_at, start, end)
            if stray is not None:
                raise _refused(self._name, Mark(stray.line + 1, stray.column + 1), stray.message)
        if not event.style and alike(event.value[0]):
            raise self._refused(event, explained(event.value[0]))

    def _alias(self, event: AliasEvent) -> Node:
        anchor = event.anchor or ""
        if anchor in self._open:
            raise self._refused(event, "an alias (*) inside its own anchor (&)")
        node = self._anchors.get(anchor)
        if node is None:
            raise self._refused(
                event, 'a value that begins with * must be quoted, as in "*.example.org"'
            )
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            raise self._refused(event, _TOO_LARGE)
        return node

    def _mapping(self, start: MappingStartEvent, depth: int) -> Mapping:
        node = Mapping(_mark(start))
        for key, value in self._pairs(depth):
            if key.text in node.entries:
                node.duplicates.append((key.text, key.mark))
            else:
                node.entries[key.text] = (key.mark, value)
            node.size += value.size + 1
        return node

    def _pairs(self, depth: int) -> Iterator[tuple[Scalar, Node]]:
        while not isinstance(event := next(self._events), MappingEndEvent):
            yield self._key(event), self._node(next(self._events), depth + 1)

    def _key(self, event: Event) -> Scalar:
        if not isinstance(event, ScalarEvent) or event.tag is not None:
            raise self._refused(event, _KEY_ADVICE)
        key = self._node(event, 0)
        assert isinstance(key, Scalar)  # noqa: S101 # for mypy; the event was a scalar
        stray = alike(key.text) if key.plain else None
        if stray is not None:
            raise self._refused(event, explained(stray[0]))
        if key.plain and key.text == "<<":
            raise self._refused(event, "merge keys (<<) are not read; write the keys out")
        return key

    def _sequence(self, start: Event, depth: int) -> Sequence:
        node = Sequence(_mark(start))
        while not isinstance(event := next(self._events), SequenceEndEvent):
            item = self._node(event, depth + 1)
            node.items.append(item)
            node.size += item.size
        return node

    def _refused(self, event: Event, message: str) -> ConfigError:
        return _refused(self._name, _mark(event), message)


def _mark(event: Event) -> Mark:
    line, column = _place(event.start_mark)
    return Mark(line + 1, column + 1)


def _place(mark: Any) -> tuple[int, int]:
    # Parsers always give one.
    return mark.line, mark.column
