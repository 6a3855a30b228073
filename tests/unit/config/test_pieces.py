"""A file in pieces is the text that it holds, however the pieces fall; or the problem it has."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, strategies as st

from proxy.config import pieces
from proxy.config.pieces import Pieces


class Torn(io.BytesIO):
    """A file that a disk hands out in pieces of any size, and may stop handing out."""

    def __init__(self, parts, error=None):
        super().__init__()
        self.parts = list(parts)
        self.error = error

    def read(self, _size=-1):
        """Return the next part that is not empty."""
        while self.parts:
            part = self.parts.pop(0)
            if part:
                return part
        if self.error is not None:
            raise self.error
        return b""


def read_all(file, max_size=10**6):
    """Return the pieces, and what was read through them."""
    reader = Pieces(file, "f", max_size)
    return reader, "".join(iter(reader.read, ""))


PRINTABLE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")) | st.just("\n"))


@given(PRINTABLE.filter(lambda text: not pieces.unprintable(text)), st.data())
def test_the_text_is_whole(text, data):
    """Characters of several bytes may be torn; a byte order mark is dropped."""
    raw = text.encode("utf-8")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    parts = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    reader, actual = read_all(Torn(parts))

    assert (text.removeprefix("\ufeff"), None) == (actual, reader.problem)


def test_it_comes_in_pieces():
    """None is longer than what the parser may be kept from resting."""
    reader = Pieces(io.BytesIO(b"x" * (3 * pieces.PIECE)), "f", 10**6)

    assert [pieces.PIECE] * 3 + [0] == [len(reader.read()) for _ in range(4)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([b"a\0"], "f:1:2: a control character"),
        ([b"a: b\n", b"  c", b": \x07"], "f:2:6: a control character"),
        ([b"a: b\nc", b"\n\x7f"], "f:3:1: a control character"),
        ([b"a: \xff"], "f:1:4: is not UTF-8 text (byte 0xFF); save"),
        ([b"a: \xc3"], "f:1:4: is not UTF-8 text (byte 0xC3); save"),
        ([b"a\n# \xc3", b"\xbc\xe2\x82", b"\xac \xfc"], "f:2:6: is not UTF-8 text (byte 0xFC)"),
        (["a: b".encode("utf-16")], "f: is not UTF-8 text but UTF-16"),
        ([b"# a\n#\xe2\x80\xa8"], "f:2:2: a control character (U+2028 LINE SEPARATOR)"),
        ([b"\xc2\x85"], "f:1:1: a control character (U+0085 NEXT LINE)"),
        ([b"x" * 51], "f: is too large"),
        ([b"x" * 50, b"y"], "f: is too large"),
    ],
)
def test_a_problem_ends_it(parts, expected):
    """The text before it is still told; nothing is raised."""
    reader, text = read_all(Torn(parts), max_size=50)

    assert str(reader.problem).startswith(expected)
    assert "" == reader.read()
    assert "\0" not in text


def test_a_disk_that_fails_is_a_problem():
    """In the middle of the file."""
    reader, text = read_all(Torn([b"a: b\n"], OSError(5, "Input/output error")))

    assert ("a: b\n", "f: cannot be read: Input/output error") == (text, str(reader.problem))


def test_a_late_line_is_remembered():
    """For the sentence about what is wrong in it; early ones are forgotten."""
    lines = [f"line {number}" for number in range(100_000)]
    reader, _ = read_all(io.BytesIO("\n".join(lines).encode()), max_size=10**7)

    assert [lines[-1], lines[-1000], "", ""] == [
        reader.line(number) for number in (len(lines) - 1, len(lines) - 1000, len(lines), 0)
    ]


def test_no_line_is_known_before_the_first_piece():
    """Nor does asking fail."""
    assert "" == Pieces(io.BytesIO(b"a"), "f", 10).line(0)
