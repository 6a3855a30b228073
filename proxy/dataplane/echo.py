"""Echo guard: an injected secret that the upstream shows is masked, as well as can be.

Against accidents (a debug page, an error that quotes the request), not against an upstream that
wants to tell. Nothing is held back, so a secret in two pieces passes: a tail that waits would tell
a client that it looks like the beginning of the secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.dataplane.record import Record
    from proxy.upstream.head import ResponseHead


SHORTEST: Final = 16
"""Characters. What is shorter may stand in an answer by chance, and masking it would harm."""

_PARTIAL_CONTENT: Final = 206
_TYPE: Final = re.compile(
    rb"\r\ncontent-type:[ \t]*+(?:text/"
    rb"|application/(?:json|xml|javascript|x-www-form-urlencoded)[ \t]*+[;\r]"
    rb"|[^;\r]*\+(?:json|xml)[ \t]*+[;\r])",
    re.IGNORECASE,
)
_CODED: Final = re.compile(
    rb"\r\ncontent-encoding:(?![ \t]*+(?:identity)?+[ \t]*+\r)", re.IGNORECASE
)
# No encoder writes these in another way: the longest run of them stands in every form of a secret.
_PLAIN: Final = re.compile(rb"[0-9A-Za-z._-]+")
_JSON_SHORT: Final = {'"': '"', "\\": "\\", "/": "/", "\b": "b", "\t": "t", "\f": "f"}
_PADDING: Final = b"="


class Echo:
    """The forms in which what was sent may come back.

    Args:
        values: secrets and what was made of them (Basic), each of at least `SHORTEST` bytes; one
            or more.
    """

    __slots__ = ("_anchor", "_others", "_pattern")

    def __init__(self, values: Iterable[bytes]) -> None:
        # The longest first: one value may begin with another.
        ordered = sorted(set(values), key=len, reverse=True)
        anchors = [_anchor(value) for value in ordered]
        self._anchor, self._others = anchors[0], tuple(anchors[1:])
        self._pattern = re.compile(b"|".join(map(_forms, ordered)))

    def __repr__(self) -> str:
        return "Echo(…)"

    def suspects(self, data: bytes) -> bool:
        """Tell whether a form may be in the data, at the price of one search for a fixed text.

        The pattern would cost ten to a hundred times that; `in` twice as much, for it first tries
        whether it was given a number.
        """
        if data.find(self._anchor) >= 0:
            return True
        for anchor in self._others:  # noqa: SIM110 -- any() would cost as much as the search
            if data.find(anchor) >= 0:
                return True
        return False

    def mask(self, data: bytes, record: Record) -> bytes:
        """Return the data with as many `*` in place of each form, and count them."""
        masked, count = self._pattern.subn(_stars, data)
        record.echo_masked += count
        return masked

    def mask_answer(self, head: ResponseHead, data: bytes, start: int, record: Record) -> bytes:
        """Return a head with the first piece of its body, or a later piece, masked.

        Args:
            head: says whether the body may be looked at.
            data: both, framed. No form holds a line break, so none reaches from one to the other.
            start: bytes of head in it.
            record: counts.
        """
        if readable(head):
            return self.mask(data, record)
        return self.mask(data[:start], record) + data[start:]


def readable(head: ResponseHead) -> bool:
    """Tell whether a body is text, JSON, XML, a script or a form, uncompressed and no range.

    In anything else equal bytes mean nothing, or a client puts pieces together by their place.
    """
    if head.status == _PARTIAL_CONTENT:
        return False
    block = head.block + b"\r\n"
    return _TYPE.search(block) is not None and _CODED.search(block) is None


def _stars(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])


def _anchor(value: bytes) -> bytes:
    """Return what stands in every form of a value; empty, if nothing does."""
    return max(_PLAIN.findall(value), key=len, default=b"")


def _forms(value: bytes) -> bytes:
    """Return a pattern of every form.

    Each can be read in one way only, so that no answer makes the search slow; and each stands
    before those that may be the beginning of it.
    """
    bare = _unpadded(value)
    forms: list[bytes] = []
    # Servers read a header's bytes as UTF-8, or as latin-1 (Node), and write either.
    for read_as in ("latin-1", "utf-8"):
        text = _decoded(bare, read_as)
        for encoding in ("utf-8", "latin-1"):
            if not text or (encoding == "latin-1" and max(text) > "\xff"):
                continue
            raw = text.encode(encoding)
            forms.append(b"".join([_percent(each) for each in raw]))
            forms.append(b"".join([_json(each, encoding) for each in text]))
            forms.append(re.escape(raw))
    padding = len(value) - len(bare)
    ends = rb"(?:=|%%3[Dd]|\\u003[Dd]){0,%d}" % padding if padding else b""
    return b"(?:%b)%b" % (b"|".join(dict.fromkeys(forms)), ends)


def _unpadded(value: bytes) -> bytes:
    """Return base64 without its padding, which some leave away (RFC 4648 3.2)."""
    bare = value.removesuffix(_PADDING).removesuffix(_PADDING)
    return bare if len(bare) >= SHORTEST else value


def _decoded(value: bytes, encoding: str) -> str:
    """Return a value as text; empty if it is not text of that encoding."""
    try:
        return value.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _json(character: str, encoding: str) -> bytes:
    """Return a pattern of a character in a JSON string (RFC 8259 7)."""
    raw = character.encode(encoding)
    if _PLAIN.fullmatch(raw):
        return re.escape(raw)
    escapes = [b"".join([rb"\\u%b" % _hex(unit) for unit in _units(character)])]
    if character in _JSON_SHORT:
        escapes.append(re.escape(b"\\" + _JSON_SHORT[character].encode("ascii")))
    # A bare backslash would give two of them two readings.
    if character != "\\":
        escapes.append(re.escape(raw))
    return b"(?:%b)" % b"|".join(escapes)


def _percent(byte: int) -> bytes:
    """Return a pattern of a byte in a URL or a form; of `/` also as JSON may hold it there."""
    raw = bytes([byte])
    if _PLAIN.fullmatch(raw):
        return re.escape(raw)
    escapes = [b"%" + _hex(b"%02X" % byte)]
    if raw == b"/":
        escapes.append(rb"\\/")
    if raw == b" ":
        escapes.append(rb"\+")
    if raw not in (b"%", b"\\"):
        escapes.append(re.escape(raw))
    return b"(?:%b)" % b"|".join(escapes)


def _units(character: str) -> list[bytes]:
    """Return the hex digits of a character in UTF-16: a surrogate pair beyond U+FFFF."""
    digits = character.encode("utf-16-be").hex().encode("ascii")
    return [digits[at : at + 4] for at in range(0, len(digits), 4)]


def _hex(digits: bytes) -> bytes:
    return b"(?i:%b)" % digits
