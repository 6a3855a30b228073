"""No expression over bytes that a peer chooses backtracks: twice the bytes take twice the time."""

from __future__ import annotations

import ast
import gc
import importlib
import pkgutil
import re
import time
from collections import defaultdict
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unicodedata import combining, normalize

import pytest
from hypothesis import example, given, settings, strategies as st

import proxy
from proxy.dataplane.echo import Echo
from proxy.dataplane.policy import _SPLIT_INTO_MARKS, readings, rule


# They have no public names; an expression parsed is a tree of its pieces.
kinds: Any = vars(re)["_constants"]
parser: Any = vars(re)["_parser"]

PEERS = ("access", "dataplane", "standins", "upstream")
METHODS = {"finditer", "findall", "fullmatch", "match", "search", "split", "sub", "subn"}
SIZES = (23, 256, 1024, 4 * 1024, 16 * 1024, 64 * 1024)
FLOOR_S = 0.02
"""Processor time that a linear expression does not take for 64 KiB: some 300 ns a byte."""
LINEAR = 9
"""Times as much for four times the bytes: linear are 4, quadratic 16."""
LONG = 64
"""A repetition that ends sooner is linear, whatever it backtracks."""
MOST = 10
"""Characters that are tried in pairs."""


class Found(NamedTuple):
    """An expression, and how it is used."""

    name: str
    pattern: re.Pattern[Any]
    methods: tuple[str, ...]


# Which there are.


def modules():
    """Return every module whose expressions may meet a peer's bytes."""
    found = [
        importlib.import_module(each.name)
        for each in pkgutil.walk_packages(proxy.__path__, "proxy.")
        if each.name.split(".")[1] in PEERS
    ]
    assert len(found) > 80
    return found


def uses(folder):
    """Return the methods of expressions that sources call, by the name they are called on."""
    called = defaultdict(set)
    for path in Path(folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                name = getattr(node.value, "id", None) or getattr(node.value, "attr", None)
                called[name].add(node.attr)
    return called


def expressions(module, called):  # noqa: C901 -- a case a kind of container
    """Return the compiled expressions that a module holds, also in containers and classes."""
    found: dict[re.Pattern[Any], Found] = {}

    def look(name, value):
        if isinstance(value, re.Pattern):
            methods = called.get(name.split(".")[-1].split("[")[0]) or {"search", "fullmatch"}
            found.setdefault(value, Found(f"{module.__name__}.{name}", value, tuple(methods)))
        elif isinstance(value, dict):
            for key, each in value.items():
                look(f"{name}[{key}]", each)
        elif isinstance(value, list | tuple | set | frozenset):
            for index, each in enumerate(value):
                look(f"{name}[{index}]", each)
        elif isinstance(value, type) and value.__module__ == module.__name__:
            for key, each in list(vars(value).items()):
                look(f"{name}.{key}", each)

    for name, value in list(vars(module).items()):
        if not isinstance(value, ModuleType) and not name.startswith("__"):
            look(name, value)
    return list(found.values())


CALLED = uses(next(iter(proxy.__path__)))
HELD = sorted(
    {found for module in modules() for found in expressions(module, CALLED)}, key=lambda f: f.name
)


# What makes them work hardest.


class Loop(NamedTuple):
    """A repetition without a near end, with what brings the expression there."""

    prefix: str
    body: tuple[str, ...]
    behind: str


def sample(items):
    """Return a shortest text of a piece of an expression."""
    return "".join(_sample(kind, value) for kind, value in items)


def _sample(kind, value):  # noqa: PLR0911 -- a case a kind of piece
    if kind is kinds.LITERAL:
        return chr(value)
    if kind is kinds.ANY:
        return "x"
    if kind in (kinds.NOT_LITERAL, kinds.IN):
        return next(iter(members(kind, value)), "")
    if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
        return sample(value[2]) * min(value[0], LONG)
    if kind is kinds.SUBPATTERN:
        return sample(value[3])
    if kind is kinds.ATOMIC_GROUP:
        return sample(value)
    if kind is kinds.BRANCH:
        return min((sample(each) for each in value[1]), key=len)
    return ""


def members(kind, value):  # noqa: C901, PLR0912 -- the same
    """Return some characters of a class."""
    if kind is kinds.LITERAL:
        return [chr(value)]
    if kind is kinds.ANY:
        return ["x", " "]
    if kind is kinds.NOT_LITERAL:
        return ["x" if value != ord("x") else "y"]
    if kind is not kinds.IN:
        return []
    some, negated = [], False
    for each, what in value:
        if each is kinds.NEGATE:
            negated = True
        elif each is kinds.LITERAL:
            some.append(chr(what))
        elif each is kinds.RANGE:
            some += [chr(what[0]), chr(what[1])]
        else:
            some += " \t" if "SPACE" in str(what) else "0a"
    return [c for c in "x <;/0\xff" if c not in some][:3] if negated else some


def alphabet(items):
    """Return characters of every class of an expression, and those next to none."""
    found = {}
    for kind, value in items:
        found.update(dict.fromkeys(members(kind, value)))
        for inner in inside(kind, value):
            found.update(dict.fromkeys(alphabet(inner)))
    return list(found)


def inside(kind, value):
    """Return the pieces that a piece of an expression has."""
    if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
        return [value[2]]
    if kind is kinds.SUBPATTERN:
        return [value[3]]
    if kind is kinds.ATOMIC_GROUP:
        return [value]
    if kind is kinds.BRANCH:
        return value[1]
    return [value[1]] if kind in (kinds.ASSERT, kinds.ASSERT_NOT) else []


def loops(items, prefix=""):
    """Return every long repetition of an expression."""
    found, items = [], list(items)
    for index, (kind, value) in enumerate(items):
        for inner in inside(kind, value):
            found += loops(inner, prefix)
        if "REPEAT" in str(kind) and value[1] > LONG:
            behind = sample(items[index + 1 :])[:1]
            body = [*dict.fromkeys([*alphabet(value[2])[:MOST], sample(value[2])])]
            found.append(Loop(prefix, tuple(body), behind))
        prefix += _sample(kind, value)
    return found


def attacks(pattern):
    """Yield texts of a size, made to make an expression work: how each begins, goes on and ends."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    whole = sample(tree)
    runs = {("", each) for each in (*alphabet(tree), whole, whole[:-1], "a", " ", "\r\n")}
    for loop in loops(tree):
        turns = [*loop.body, loop.behind]
        pairs = {a + b for a, b in product(turns, repeat=2)}
        runs |= {(loop.prefix, each) for each in (*turns, *pairs)}
        runs |= {("", each) for each in (loop.prefix, *(loop.prefix + each for each in turns))}
    for prefix, turn in sorted(runs):
        if turn:
            yield from ((prefix, turn, tail) for tail in ("", "\0", "\r!"))


def text_of(pattern, attack, size):
    """Return an attack of a size, as bytes or text."""
    prefix, turn, tail = attack
    text = prefix + turn * max((size - len(prefix) - len(tail)) // len(turn), 1) + tail
    return text.encode("utf-8", "surrogatepass") if isinstance(pattern.pattern, bytes) else text


def took_s(pattern, method, text):
    """Return the processor time of one call."""
    call = getattr(pattern, method)
    empty = text[:0]
    arguments = (empty, text) if method in ("sub", "subn") else (text,)
    gc.disable()
    began = time.thread_time()
    result = call(*arguments)
    if method == "finditer":
        list(result)
    took = time.thread_time() - began
    gc.enable()
    return took


def backtracks(pattern, method, attack):
    """Tell whether four times the bytes of an attack take much more than four times the time."""
    for size in SIZES:
        text = text_of(pattern, attack, size)
        if took_s(pattern, method, text) < FLOOR_S:
            continue
        part = text_of(pattern, attack, size // 4)
        # A processor that others use is sometimes slow, but not in every one of these.
        if all(
            took_s(pattern, method, text)
            > max(FLOOR_S, LINEAR * min(took_s(pattern, method, part) for _ in range(3)))
            for _ in range(3)
        ):
            return True
    return False


def worst(found):
    """Return the attacks that an expression falls to, the first one of each method."""
    fallen = []
    for method in found.methods:
        hit = next(
            (a for a in attacks(found.pattern) if backtracks(found.pattern, method, a)), None
        )
        if hit is not None:
            fallen.append((found.name, method, hit))
    return fallen


# The laws.


def test_expressions_of_all_parts_are_found():
    """Look where the attacks came in, in what is imported from elsewhere, and in containers."""
    names = {found.name.split(".", 1)[1] for found in HELD}
    assert {
        "dataplane.echo._TYPE",
        "dataplane.rewrite._LINK",
        "dataplane.target._ABSOLUTE",
        "upstream.head._STATUS_LINE",
        "access.compact._COMPACT",
        "standins.nextjs._SLASH_RUN",
    } <= names
    assert {found.methods for found in HELD if found.name.endswith("rewrite._LINK")} == {("sub",)}


@pytest.mark.parametrize("found", HELD, ids=[found.name for found in HELD])
def test_none_backtracks(found):
    """Take time in proportion to the bytes, whatever they are."""
    assert worst(found) == []


PLANTED = {
    "blanks": rb"\r\ncontent-type:[ \t]*(?:text/|[^;\r]*\+json[ \t]*[;\r])",
    "search": rb"<([^>]*)>",
    "nested": rb"(?:a+)+b",
    "three": rb"x[^/]*a[^/]*a[^/]*b",
    "behind": rb"(?:ab)*(?:ab)*c",
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_one_is_found(name):
    """Find an expression that backtracks, in a container of a module."""
    module = ModuleType("proxy.dataplane.planted")
    vars(module)["TABLE"] = {"fine": re.compile(rb"[a-z]+"), name: (re.compile(PLANTED[name]),)}
    planted = expressions(module, {})
    assert [hit[0] for found in planted for hit in worst(found)][:1] == [
        f"proxy.dataplane.planted.TABLE[{name}][0]"
    ]


def test_no_expression_is_made_where_it_is_used():
    """Have none that the search would miss: each is compiled once, or by what is tested below."""
    root = Path(next(iter(proxy.__path__)))
    inline = [
        f"{path.relative_to(root)}:{node.lineno}"
        for part in set(PEERS) - {"standins"}
        for path in root.glob(f"{part}/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in METHODS
    ]
    assert inline == []


GLOBS = st.lists(
    st.one_of(
        st.sampled_from(["*", "**", "a*", "*a", "a*a*a*b", "**b", "*.*.*", "x"]),
        st.text("ab*.", min_size=1, max_size=6),
    ),
    min_size=1,
    max_size=5,
).map(lambda segments: "/" + "/".join(segments))


@settings(max_examples=25, deadline=None)
@given(paths=st.lists(GLOBS, min_size=1, max_size=3))
def test_rules_do_not_backtrack(paths):
    """Compare a path with any pattern of a configuration in time that its length limits."""
    pattern = rule(None, paths, allow=True).pattern
    if pattern is not None:
        assert worst(Found("rule", pattern, ("fullmatch",))) == []


class Readings:
    """What a path is compared as, in the place of an expression."""

    pattern = ""
    read = staticmethod(readings)


MARKS = "\u0301\u0323\u0f73\uff9e"


@pytest.mark.parametrize("turn", ["\u0301\u0323", "\u0301\uff9e", "\u0f73\u0301", MARKS, "e/"])
def test_paths_are_read_in_linear_time(turn):
    """Also those of marks that Unicode sorts, or of characters that are taken apart into some."""
    assert not backtracks(Readings, "read", ("/", turn, ""))


def test_every_character_that_is_taken_apart_into_marks_counts_as_one():
    """By the tables of this Python: none hides a mark between others."""
    found = {chr(code) for code in range(0x110000) if not combining(chr(code))}
    hidden = {each for each in found if combining(normalize("NFKD", each)[0])}
    assert hidden == set(_SPLIT_INTO_MARKS)


@settings(max_examples=4, deadline=None)
@given(values=st.lists(st.binary(min_size=16, max_size=20), min_size=1, max_size=2))
@example(values=[b'\\//  ++%%""\xc3\xa9==', b"abababababababababab=="])
def test_echoes_do_not_backtrack(values):
    """Look for any secret in time that the answer's length limits."""
    assert worst(Found("echo", Echo(values)._pattern, ("subn",))) == []
