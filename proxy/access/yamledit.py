"""Changes to YAML text that leave every other byte, comments too, as it is.

Each returns the pieces to replace, and refuses what it cannot be sure of.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from yaml.nodes import ScalarNode, SequenceNode

from proxy.access.yamltext import BREAK, Splice, end_of, is_alias


if TYPE_CHECKING:
    from collections.abc import Sequence

    from yaml.nodes import MappingNode, Node

    from proxy.access.yamltext import Document


_BLANK: Final = re.compile(r"[ \t]*")
_TO_COMMA: Final = re.compile("(?:\\s|#[^\n\r\x85\u2028\u2029]*+)*+,")
_DASH: Final = re.compile(r" *-[ \t]+")


def with_item(document: Document, value: Node, behind: int, text: str) -> list[Splice]:
    """Return the change that makes one more of a value: nothing, one text or a list of them.

    Args:
        document: where it stands.
        value: what it is now.
        behind: where what stands before it ends.
        text: the new one, fit to stand in YAML as it is.

    Raises:
        ClientsFileError: that cannot be done safely.
    """
    if is_alias(value, behind):
        raise document.refused(value, "is shown elsewhere by an alias (*); write it out there")
    if isinstance(value, SequenceNode):
        return _with_last(document, value, text)
    if not isinstance(value, ScalarNode) or value.style in {"|", ">"}:
        raise document.refused(value, "must be one text or a list; write it so and try again")
    start, end = value.start_mark.index, value.end_mark.index
    if not value.value:
        return [Splice(start, end, text if end > start else f" {text}")]
    return [Splice(start, start, "["), Splice(end, end, f", {_like(value, text)}]")]


def _with_last(document: Document, items: SequenceNode, text: str) -> list[Splice]:
    start = items.start_mark.index
    if not items.value:
        begin = document.text.index("[", start) + 1
        return [Splice(begin, begin, text)]
    last = items.value[-1]
    if is_alias(last, start):
        raise document.refused(items, "ends with an alias (*); write it out and try again")
    end = end_of(document, last, start)
    if items.flow_style:
        return [Splice(end, end, f", {_like(last, text)}")]
    first = items.value[0]
    dash = _DASH.match(document.text, document.line_start(first.start_mark.index))
    if dash is None:
        raise document.unsafe(items)
    return [_new_line(document, end, dash[0] + text, last)]


def _new_line(document: Document, end: int, line: str, at: Node) -> Splice:
    """Put a line behind the one on which something ends."""
    begin = document.line_end(end, at)
    if begin > document.line_start(begin):  # the last line has no end
        return Splice(begin, begin, document.newline + line)
    return Splice(begin, begin, line + document.newline)


def _like(node: Node, text: str) -> str:
    """Quote a text if its neighbour is quoted: JSON stays JSON."""
    return json.dumps(text) if isinstance(node, ScalarNode) and node.style == '"' else text


def with_first(document: Document, mapping: MappingNode, key: str, text: str) -> list[Splice]:
    """Return the change that puts a key and its value before those of a mapping.

    Raises:
        ClientsFileError: that cannot be done safely.
    """
    if mapping.flow_style:
        begin = document.text.index("{", mapping.start_mark.index) + 1
        pair = json.dumps({key: text})[1:-1]
        return [Splice(begin, begin, f"{pair}, " if mapping.value else pair)]
    start = mapping.value[0][0].start_mark.index
    if not document.is_first(start):
        raise document.unsafe(mapping)
    indent = document.text[document.line_start(start) : start]
    return [Splice(start, start, f"{key}: {text}{document.newline}{indent}")]


def with_last_in_braces(document: Document, mapping: MappingNode, pair: str) -> list[Splice]:
    """Return the change that puts a pair behind those of a mapping in braces, if it has any."""
    if not mapping.value:
        begin = document.text.index("{", mapping.start_mark.index) + 1
        return [Splice(begin, begin, pair)]
    key, value = mapping.value[-1]
    end, start = end_of(document, value, key.end_mark.index), key.start_mark.index
    between = " "
    if document.is_first(start):  # a line for each
        between = document.newline + document.text[document.line_start(start) : start]
    return [Splice(end, end, f",{between}{pair}")]


def without_pair(document: Document, mapping: MappingNode, index: int) -> list[Splice]:
    """Return the change that takes a key and its value out of a mapping.

    Comments on its lines and between them go with it; those above and below stay.

    Raises:
        ClientsFileError: that cannot be done safely.
    """
    spans = [
        (key.start_mark.index, end_of(document, value, key.end_mark.index))
        for key, value in mapping.value
    ]
    if mapping.flow_style:
        return _cut(document, spans, index, mapping)
    key = mapping.value[index][0]
    start, end = spans[index]
    if not document.is_first(start):
        raise document.unsafe(key)
    empty = " " * key.start_mark.column + "{}" + document.newline if len(spans) == 1 else ""
    return [Splice(document.line_start(start), document.line_end(end, key), empty)]


def without_item(document: Document, items: SequenceNode, index: int) -> list[Splice]:
    """Return the change that takes an item out of a list, with the comment on its line.

    Raises:
        ClientsFileError: that cannot be done safely.
    """
    item = items.value[index]
    if any(is_alias(each, items.start_mark.index) for each in items.value):
        raise document.refused(items, "an item is an alias (*); write it out and try again")
    spans = [
        (each.start_mark.index, end_of(document, each, each.start_mark.index))
        for each in items.value
    ]
    if items.flow_style:
        return _cut(document, spans, index, items)
    start, end = spans[index]
    begin = document.line_start(start)
    if not _DASH.fullmatch(document.text, begin, start):
        raise document.unsafe(item)
    return [Splice(begin, document.line_end(end, item))]


def _cut(
    document: Document, spans: Sequence[tuple[int, int]], index: int, at: Node
) -> list[Splice]:
    """Take one out of what stands in braces or brackets, with one comma."""
    text = document.text
    start, end = spans[index]
    if index + 1 < len(spans):
        comma = _comma(document, end, spans[index + 1][0], at)
        behind = _BLANK.match(text, comma + 1)
        stop = comma + 1 if behind is None else behind.end()
        if text[end:comma].strip():  # a comment before the comma stays
            return [Splice(start, end), Splice(comma, comma + 1)]
        return [_whole_line(document, start, stop)]
    if index == 0:
        return [Splice(start, end)]
    comma = _comma(document, spans[index - 1][1], start, at)
    if text[comma + 1 : start].strip(" \t"):
        return [Splice(comma, comma + 1), _whole_line(document, start, end)]
    return [Splice(comma, end)]


def _whole_line(document: Document, start: int, end: int) -> Splice:
    """Take the line's indentation and end with it, if nothing else stands there."""
    behind = BREAK.match(document.text, end)
    if behind is None or not document.is_first(start):
        return Splice(start, end)
    return Splice(document.line_start(start), behind.end())


def _comma(document: Document, start: int, end: int, at: Node) -> int:
    found = _TO_COMMA.match(document.text, start, end)
    if found is None:
        raise document.unsafe(at)
    return found.end() - 1
