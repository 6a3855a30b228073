"""What may be asked of an upstream: methods, then rules on the decoded path.

Every bypass of such rules that is known plays on two readings of one path: `..`, `//`, `%2f`, `;`,
case (CVE-2019-9901, CVE-2021-29492, CVE-2021-43557), or on what a server trims off a name. Dot
segments are refused before (target.py); here a deny matches if any reading does, an allow only if
all do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from unicodedata import combining, normalize
from urllib.parse import unquote_to_bytes

from proxy.dataplane.errors import MethodDenied, PolicyDenied
from proxy.dataplane.target import changes_twice, decode_utf_16, percent_encoded


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_PARAMETERS: Final = re.compile(rb";[^/]*")
_SLASHES: Final = re.compile(rb"/{2,}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of `rules`: its paths, sorted by what it takes to compare them.

    Attributes:
        methods: None for any.
        exact: folded paths.
        below: beginnings of folded paths.
        pattern: matches folded paths; None: there is no path that needs it.
        allow: else deny.
        label: its place in the configuration.
    """

    methods: frozenset[str] | None
    exact: frozenset[bytes]
    below: tuple[bytes, ...]
    pattern: re.Pattern[bytes] | None
    allow: bool
    label: str = ""

    def denies_folded(self, method: str) -> bool:
        """Tell whether a deny is about a method in capitals, for some servers fold its case."""
        return not self.allow and self.methods is not None and method.upper() in self.methods

    def matches(self, readings: Sequence[bytes]) -> bool:
        """Tell whether the rule is about a path, given all its readings."""
        found = [self.names(reading) for reading in readings]
        return all(found) if self.allow else any(found)

    def names(self, path: bytes) -> bool:
        """Tell whether the rule is about one reading of a path."""
        if path in self.exact:
            return True
        for stem in self.below:
            if path[: len(stem)] == stem:
                return True
        return self.pattern is not None and self.pattern.fullmatch(path) is not None


def rule(
    methods: Iterable[str] | None, paths: Iterable[str], *, allow: bool, label: str = ""
) -> Rule:
    """Compile a rule; `*` in a path is one segment (or a part of it), `**` any number."""
    exact: set[bytes] = set()
    below: list[bytes] = []
    others: list[bytes] = []
    for folded in {each: None for path in paths for each in _forms(path)}:
        stem = folded.removesuffix(b"/**")
        if b"*" in stem:
            others.append(_regex(folded))
            continue
        exact.add(stem)
        if stem != folded:
            below.append(stem + b"/")
    pattern = re.compile(b"|".join(others), re.DOTALL) if others else None
    return Rule(methods_set(methods), frozenset(exact), tuple(below), pattern, allow, label)


def _forms(path: str) -> list[bytes]:
    """Return a pattern folded, and as readings of paths are that look like it."""
    folded = _fold(b"/" + unquote_to_bytes(path))
    if folded.isascii():
        return [folded]
    plain = [_fold(alike(each)) for each in (folded, _without_invalid(folded))]
    return [folded, *[each for each in plain if each.count(b"*") == folded.count(b"*")]]


def methods_set(methods: Iterable[str] | None) -> frozenset[str] | None:
    """Return the methods; HEAD comes with GET, for it is GET without the body."""
    if methods is None:
        return None
    named = frozenset(methods)
    return named | {"HEAD"} if "GET" in named else named


class Policy:
    """The methods and rules of a route, or of a client.

    Args:
        methods: None for any.
        rules: the first that applies decides.
        label: its place in the configuration.
    """

    def __init__(
        self, methods: Iterable[str] | None, rules: Iterable[Rule] = (), *, label: str = ""
    ) -> None:
        self.methods = methods_set(methods)
        self.rules = tuple(rules)
        self.restricts = self.methods is not None or bool(self.rules)
        self._label = label
        self._otherwise_allowed = not any(rule.allow for rule in self.rules)

    def check(self, method: str, path: str) -> str:
        """Let a request through; return the rule that allows it, "" where no rule is about it.

        Args:
            method: as sent.
            path: undecoded, without query and prefix.

        Raises:
            MethodDenied: with `Allow`.
            PolicyDenied: a rule denies it, or none allows it where some rule allows.
        """
        if self.methods is not None and method not in self.methods:
            allow = ", ".join(sorted(self.methods)).encode("ascii")
            raise MethodDenied(
                "This route does not take the method; its `methods` are in the configuration.",
                fields=((b"Allow", allow),),
                rule=f"{self._label}.methods",
            )
        return self.decide(method, path) if self.rules else ""

    def decide(self, method: str, path: str) -> str:
        """Let a request through by the rules alone; the rest as `check`."""
        paths = readings(path)
        single = paths[0] if len(paths) == 1 else None
        allowed, decided = self._otherwise_allowed, ""
        for each in self.rules:
            methods = each.methods
            about = methods is None or method in methods or each.denies_folded(method)
            if about and (each.matches(paths) if single is None else each.names(single)):
                allowed, decided = each.allow, each.label
                break
        if not allowed:
            raise PolicyDenied(
                "The rules of this route or client deny the request.",
                rule=decided or f"{self._label}.rules",
            )
        return decided


def readings(path: str) -> tuple[bytes, ...]:
    """Return what servers may take `path` for, folded; mostly that is one thing.

    Encoded slashes and backslashes may be taken for separators or not, a second decoding may take
    place behind the first, what nobody sees may be trimmed off or left out, and letters that look
    like others may be taken for them.
    """
    if not path.isascii():
        path = percent_encoded(path)
    raw = path.lower().encode("ascii")
    if "%" not in path:
        # Looked for in the text: in bytes each `find` costs as much as all of this.
        if ";" in path or "//" in path or path.endswith("/"):
            raw = _fold_lower(raw)
        # Only a dot can be trimmed off what is not encoded.
        return (raw,) if "." not in path else _with_trimmed({raw})
    twice = changes_twice(path)
    found: set[bytes] = set()
    for text in _stages(raw, twice=twice):
        kept = _decode(text) if twice else text.replace(b"%5c", b"\\")
        slashed = unquote_to_bytes(text) if twice else kept.replace(b"%2f", b"/")
        found |= {kept, slashed, kept.replace(b"\\", b"/"), slashed.replace(b"\\", b"/")}
    folded = {_fold(text) for text in found}
    return _with_trimmed(folded.union(*[_alike(text) for text in folded if not text.isascii()]))


def _stages(raw: bytes, *, twice: bool) -> set[bytes]:
    """Return a path (lower case) after a first decoding, with parameters and without.

    Some servers cut parameters off before they decode, and then what is encoded in them is gone.

    Args:
        raw: the path.
        twice: a second decoding would differ, so what stands before the first is a stage too.
            Else only slashes and backslashes are still encoded.
    """
    first = {raw, _without_parameters(raw)}
    if twice:
        first |= _from_utf_16(first)
    second = {_decode(text).lower().replace(b"\\", b"%5c") for text in first}
    if twice:
        second |= _from_utf_16(second)
    second |= {_without_parameters(text) for text in second}
    return first | second if twice else second


def _from_utf_16(texts: set[bytes]) -> set[bytes]:
    """Return the texts that hold `%uXXXX` with that decoded, and percent-encoded if need be."""
    return {_UTF_16.sub(_from_units, text) for text in texts if text.find(b"%u") >= 0}


_UTF_16: Final = re.compile(rb"(?:%u[0-9a-f]{4})++")


def _from_units(match: re.Match[bytes]) -> bytes:
    text = decode_utf_16(match[0].decode("ascii")).lower()
    return text.replace(b"/", b"%2f").replace(b"\\", b"%5c")


def _decode(text: bytes) -> bytes:
    """Decode all but slashes."""
    return unquote_to_bytes(text.replace(b"%2f", b"%252f"))


def _without_parameters(path: bytes) -> bytes:
    # find(), for `in` first tries whether it was given a number, and makes an error of it.
    return _PARAMETERS.sub(b"", path) if path.find(b";") >= 0 else path


def _fold(path: bytes) -> bytes:
    """Fold what servers commonly do not tell apart: case, `//`, a trailing `/`, `;parameters`."""
    return _fold_lower(path.lower())


def _fold_lower(path: bytes) -> bytes:
    bare = _without_parameters(path)
    if bare.find(b"//") >= 0:
        bare = _SLASHES.sub(b"/", bare)
    return bare.rstrip(b"/") or b"/" if bare.endswith(b"/") else bare or b"/"


def _alike(path: bytes) -> set[bytes]:
    """Return what servers take a folded path for that do not tell characters apart."""
    texts = {alike(text) for text in {path, _without_invalid(path)}}
    # A percent sign may have come about just now.
    texts |= {unquote_to_bytes(text) for text in texts}
    return {_fold(each) for text in texts for each in (text, text.replace(b"\\", b"/"))}


def _without_invalid(path: bytes) -> bytes:
    """Return a path without the bytes that are not UTF-8, as Bottle reads it."""
    return path.decode("utf-8", "ignore").encode("utf-8")


def alike(text: bytes) -> bytes:
    """Return text without characters that nobody sees, each other one in its plainest form.

    That is the compatible one (NFKC: fullwidth letters are letters), in small letters by way of
    capitals (the dotless i is an i). A byte that is no UTF-8 is taken for Latin-1.
    """
    characters = text.decode("utf-8", "surrogateescape").translate(_LATIN_1)
    seen = _with_few_marks(_IGNORED.sub("", characters))
    plain = normalize("NFKC", seen).upper().casefold()
    return _IGNORED.sub("", plain).encode("utf-8", "surrogatepass")


def _with_few_marks(text: str) -> str:
    """Return text with so many marks on each letter as stream-safe text has (UAX 15).

    To normalize is to sort them, which takes the square of their number: 16 KiB of them would hold
    all other requests for 100 ms.
    """
    if len(text) <= _MOST_MARKS:
        return text
    kept: list[str] = []
    marks = 0
    for each in text:
        marks = marks + 1 if combining(each) or each in _SPLIT_INTO_MARKS else 0
        if marks <= _MOST_MARKS:
            kept.append(each)
    return "".join(kept)


_MOST_MARKS: Final = 30
_SPLIT_INTO_MARKS: Final = "\u0f73\u0f75\u0f81\uff9e\uff9f"
"""Characters that are no marks themselves, but are taken apart into some."""
_LATIN_1: Final = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}
_IGNORED: Final = re.compile(
    # Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties), and marks within Mongolian.
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

_DOTS: Final = "."
_BLANKS: Final = "".join(
    chr(code)
    for codes in (
        range(0x21),  # what Java's trim() takes off
        (0x7F, 0x85, 0xA0, 0xAD, 0x1680, 0x180E, 0x3000, 0xFEFF),
        range(0x2000, 0x2010),  # spaces, zero-width ones, marks of direction
        range(0x2028, 0x2030),
        range(0x205F, 0x2070),
        (0xDC85, 0xDCA0),  # 0x85 and 0xA0 by themselves: Latin-1
    )
    for code in codes
)
"""What shows as nothing."""
_TRIMMABLE: Final = re.compile(rb"[\x00-\x20.\x7f-\xff](?:(?![^/])|(?<![^/].))", re.DOTALL)
"""A segment's first or last byte that may be trimmed off; one above ASCII may be a letter."""


def _with_trimmed(readings: set[bytes]) -> tuple[bytes, ...]:
    trimmed = [_trimmed(each) for each in readings if _TRIMMABLE.search(each) is not None]
    return tuple(readings.union(*trimmed)) if trimmed else tuple(readings)


def _trimmed(path: bytes) -> set[bytes]:
    """Return what servers that trim take a folded path for.

    They trim its end or every segment; blanks, or dots too (Windows does); and to a segment of
    nothing else they leave its name, or nothing. `..%20` may climb behind that.
    """
    text = path.decode("utf-8", "surrogateescape")
    segments = text.split("/")
    bare = [segment.strip(_BLANKS) for segment in segments]
    dotless = [segment.rstrip(_BLANKS + _DOTS) for segment in bare]
    found = {text.rstrip(_BLANKS), text.rstrip(_BLANKS + _DOTS)}
    if "." in bare or ".." in bare:
        found.add(_resolved(bare))
    for trimmed in (bare, dotless):
        left = [short or long for short, long in zip(trimmed, segments, strict=True)]
        found |= {"/".join(trimmed), "/".join(left)}
    return {_fold(each.encode("utf-8", "surrogateescape")) for each in found}


def _resolved(segments: Iterable[str]) -> str:
    """Return the path with its dot segments resolved (RFC 3986 5.2.4)."""
    left: list[str] = []
    for segment in segments:
        if segment == "..":
            left = left[:-1]
        elif segment != ".":
            left.append(segment)
    return "/" + "/".join(left)


_ANY: Final = rb"(?:/[^/]*+)*"


def _regex(pattern: bytes) -> bytes:
    """Return the expression of a pattern.

    Between two `**`, or two `*` of a segment, the first place that fits is as good as any later
    one, so it is never left again (an atomic group): else a path of 1,600 bytes would hold three
    `**` for five seconds.
    """
    runs: list[bytes] = [b""]
    for segment in pattern.strip(b"/").split(b"/"):
        if segment == b"**":
            runs.append(b"")
        else:
            runs[-1] += _segment(segment)
    first, *middle, last = runs if len(runs) > 1 else [*runs, b""]
    inner = b"".join(b"(?>" + _ANY + b"?" + run + b"(?![^/]))" for run in middle if run)
    return first + inner + _ANY + last if len(runs) > 1 else first


def _segment(segment: bytes) -> bytes:
    if segment == b"*":
        return rb"/[^/]++"
    first, *others = [re.escape(part) for part in segment.split(b"*")]
    inner = b"".join(b"(?>[^/]*?" + part + b")" for part in others[:-1] if part)
    return b"/" + first + inner + (b"[^/]*" + others[-1] if others else b"")
