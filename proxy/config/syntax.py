"""Sentences for broken YAML: what is wrong and what to do, without quoting the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from proxy.characters import stray_near


if TYPE_CHECKING:
    from collections.abc import Callable

    import yaml


# libyaml and PyYAML word the same errors differently; these are the words they share.
_KNOWN: Final = (
    ("tab", "a tab cannot indent YAML; use spaces"),
    ("alias", 'a value that begins with * must be quoted, as in "*.example.org"'),
    ("anchor", "a value that begins with & must be quoted"),
    ("start any token", "a value cannot begin with @, `, % or a tab; put it in quotes"),
    ("address", 'an IPv6 address must be quoted, as in "[::1]:8484"'),
    ("mapping values", 'a ": " stands where none can; quote the value, or check the indentation'),
    ("sequence entries", "a list item stands where none can; check the indentation"),
    ("end of stream", "a quote is opened and never closed"),
    ("escape", 'an unknown escape; use single quotes, or write \\\\ for a backslash inside "…"'),
    ("tag", "a value that begins with ! must be quoted"),
    ("flow mapping", "a { is not closed, or a value inside {…} holds {, }, [ or ] unquoted"),
    ("flow sequence", "a [ is not closed, or a value inside […] holds {, }, [ or ] unquoted"),
    ("expected ':'", 'a key without ": " after it; check the line above as well'),
    ("block", "the indentation does not fit that of the lines above"),
)
_IPV6: Final = re.compile(r"\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(\]|%)")


def explain(error: yaml.YAMLError, line_at: Callable[[int], str]) -> tuple[int, int, str]:
    """Return line, column (both from 1) and a sentence for a YAML syntax error.

    Args:
        error: what the parser raised; its text may quote the file and is never passed on.
        line_at: a line of the file by its number from 0; empty if it is not known.
    """
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return 1, 1, "not valid YAML"
    stray = stray_near(line_at, mark.line)
    if stray is not None:
        return stray.line + 1, stray.column + 1, f"not valid YAML: {stray.message}"
    line = line_at(mark.line)
    words = f"{getattr(error, 'context', '')} {getattr(error, 'problem', '')}"
    cue = _cue(line, mark.column, words)
    sentence = next((said for word, said in _KNOWN if word in cue), None)
    return mark.line + 1, mark.column + 1, f"not valid YAML: {sentence or 'cannot be read here'}"


def _cue(line: str, column: int, words: str) -> str:
    if line[column : column + 1] == "\t" or line.startswith("\t"):
        return "tab"
    if "flow" in words and _IPV6.search(line):
        return "address"
    return words
