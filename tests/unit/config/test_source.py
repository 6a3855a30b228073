"""YAML that is refused before any key is looked at, each with its place and advice."""

from __future__ import annotations

import pytest
import yaml

from proxy.config import source
from proxy.config.errors import ConfigError
from proxy.config.interpolate import Reader
from proxy.config.nodes import Positions
from proxy.config.source import MAX_DEPTH, parse


PARSERS = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]

REFUSED = [
    ("", "f: is empty"),
    ("# only a comment\n", "f: is empty"),
    ("---\n", "f: is empty"),
    ("- a\n", "f:1:1: must be keys and values"),
    ("text\n", "f:1:1: must be keys and values"),
    ("a: \x07\n", "f:1:4: a control character"),
    ("a: 1\nb: \0\n", "f:2:4: a control character"),
    ("a: [::1]:80\n", 'quoted, as in "[::1]:8484"'),
    ("listen: [x, [::1]:80]\n", 'quote values such as "[::1]:8484"'),
    ("a: *.example.org\n", '"*.example.org"'),
    ("a: [*.example.org]\n", '"*.example.org"'),
    ("a: *hunter2\n", 'f:1:4: a value that begins with * must be quoted, as in "*.example.org"'),
    ("a: @x\n", "f:1:4: not valid YAML: a value cannot begin with @"),
    ("a: `x\n", "put it in quotes"),
    ("a: %x\n", "put it in quotes"),
    ("a:\n\tb: 1\n", "f:2:1: not valid YAML: a tab"),
    ("a: {b: token {secret}}\n", "unquoted"),
    ("a: [1,\nb: 2\n", "a [ is not closed"),
    ("a: b: c\n", "f:1:5"),
    ("a: - b\n", "f:1:4"),
    ('a: "x\n', "never closed"),
    ('a: "\\q"\n', "single quotes"),
    ("a: b\nc\nd: e\n", "a key without"),
    ("a: !x y\n", "f:1:4: tags are not read"),
    ("a: !!str y\n", "tags are not read"),
    ("a: !x {b: c}\n", "tags are not read"),
    ("!x a: b\n", "a key must be plain text"),
    ("{{ name }}: y\n", "a key must be plain text"),
    ("? [a]\n: b\n", "a key must be plain text"),
    ("a: &a [*a]\n", "f:1:8: an alias (*) inside its own anchor"),
    ("a: &a {b: {c: *a}}\n", "inside its own anchor"),
    ("a: 1\n---\nb: 2\n", "f:2:1: a second document"),
    ("a: &x {b: 1}\nc: {<<: *x}\n", "f:2:5: merge keys"),
    ("a: " + "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "nested too deeply"),
    ("a: " + "[" * 100_000, "nested too deeply"),
]


@pytest.mark.parametrize("loader", PARSERS)
@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_yaml_that_is_refused(text, expected, loader, monkeypatch):
    """One line, with the place and what to do, from libyaml and from PyYAML's own parser."""
    monkeypatch.setattr(source, "_LOADER", loader)

    with pytest.raises(ConfigError) as caught:
        parse(text, "f")

    assert expected in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("loader", PARSERS)
def test_an_alias_bomb_is_refused(loader, monkeypatch):
    """A small text whose aliases would fill the memory is an error at once."""
    monkeypatch.setattr(source, "_LOADER", loader)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]

    with pytest.raises(ConfigError, match="too large once its aliases are filled in"):
        parse("\n".join(lines), "f")


def test_an_escaped_surrogate_is_refused():
    """A text that UTF-8 cannot carry never becomes a value, whichever parser is there."""
    with pytest.raises(ConfigError):
        parse('a: "\\ud800"\n', "f")


def tree(text, environ=None):
    """Return the plain tree of a text and what was noted on the way."""
    root = parse(text, "f")
    reader = Reader(Positions("f", root), environ or {})
    return reader.read(root), [str(problem) for problem in reader.problems]


@pytest.mark.parametrize(
    "scalar",
    ["off", "yes", "0600", "8:30", "1e3", "2027-06-30", "12345", "1_000", "0x1F", ".inf", "true"],
)
def test_a_scalar_stays_its_text(scalar):
    """What YAML 1.1 would turn into a number, a date or a boolean stays as it was written."""
    actual = tree(f"a: {scalar}\n")

    assert ({"a": scalar}, []) == actual


def test_anchors_and_aliases_are_filled_in():
    """An alias stands for a copy of what its anchor names."""
    actual = tree("a: &x {b: [1, 2]}\nc: *x\n")

    assert ({"a": {"b": ["1", "2"]}, "c": {"b": ["1", "2"]}}, []) == actual


def test_a_byte_order_mark_is_ignored():
    """Windows editors begin a file with one."""
    assert ({"a": "b"}, []) == tree("\ufeffa: b\n")


NULLS = [
    ("a:\nb: 1\n", "f:1:3: a: is empty"),
    ("a: null\n", "f:1:4: a: null is no value here; write none"),
    ("a: ~\n", "f:1:4: a: null is no value here"),
    ("a:\n  - x\n  -\n", "a[1]: is empty"),
    ("a: {env:NAME}\n", "a space is missing after the colon"),
]


@pytest.mark.parametrize(("text", "expected"), NULLS)
def test_a_missing_value_is_told(text, expected):
    """YAML's null is never a value; a forgotten space is met kindly."""
    _, problems = tree(text)

    assert len(problems) == 1
    assert expected in problems[0]


def test_duplicate_keys_are_told_at_every_level():
    """Each duplicate is one problem that names the first."""
    _, problems = tree("a: {b: 1, b: 2}\nc: 1\na: 3\nc: 4\n")

    assert [
        "f:3:1: a: is given twice, first on line 1; keep one",
        "f:4:1: c: is given twice, first on line 2; keep one",
        "f:1:11: a.b: is given twice, first on line 1; keep one",
    ] == problems


INTERPOLATED = [
    ("${A}", "one"),
    ("x-${A}-${B}", "x-one-two: {three}"),
    ("${MISSING:-default}", "default"),
    ("${EMPTY:-default}", "default"),
    ("${MISSING:-}", ""),
    ("$$A $${A} $A $", "$A ${A} $A $"),
    ("${NESTED}", "${A} $$"),
]


@pytest.mark.parametrize(("text", "expected"), INTERPOLATED)
def test_variables_are_filled_in_once(text, expected):
    """After parsing, and what is put in is never read again, as YAML or as a reference."""
    environ = {"A": "one", "B": "two: {three}", "EMPTY": "", "NESTED": "${A} $$"}

    assert ({"k": expected}, []) == tree(f"k: '{text}'\n", environ)


def test_keys_are_not_filled_in():
    """A variable in a key stays as it is written."""
    assert ({"${A}": "x"}, []) == tree("'${A}': x\n", {"A": "one"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: x-${MISSING}\n", "f:1:4: a: the environment variable MISSING is not set"),
        ("a: '${MISSING'\n", "write $$ for a plain dollar"),
        ("token: {value: '${MISSING}'}\n", "variable MISSING is not set"),
        ("token: {value: 'pa${hunter2}ss'}\n", "cannot be filled in; write $$"),
    ],
)
def test_a_missing_variable_is_told(text, expected):
    """The variable is named, but not where it may be a part of a written secret."""
    _, problems = tree(text)

    assert expected in problems[0]
    assert "hunter2" not in problems[0]
