"""Laws of an upstream's answer: how it is cut does not matter, and no bytes break the reader."""

from __future__ import annotations

import re
from contextlib import suppress
from http.client import parse_headers
from io import BytesIO
from typing import Any, cast

import pytest
from httptools import HttpParserError, HttpResponseParser
from hypothesis import given, strategies as st

from proxy.upstream.errors import ProtocolViolation, UpstreamError
from proxy.upstream.response import Response


class Free:
    """A flow that nobody holds."""

    def pause_reading(self):
        """Go on all the same."""

    def resume_reading(self):
        """Go on."""


ANSWERS = {
    "a length": b"HTTP/1.1 200 Fine \xe9\r\nX-A: 1\r\nx-a:\r\nContent-Length: 5\r\n\r\nhello",
    "chunks": (
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nX: \t caf\xe9 \t\r\n\r\n"
        b"1;a=b\r\nh\r\n4\r\nello\r\n0\r\nTrailer: x\r\n\r\n"
    ),
    "hints before": (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    ),
    "no content": b"HTTP/1.1 204 \r\nX: y\r\nKeep-Alive: timeout=5\r\n\r\n",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "until the end": b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nall of this\r\n\r\n",
    "a length and closing": b"HTTP/1.1 404 X\r\nConnection: close\r\nContent-Length: 1\r\n\r\n!",
}
PIECES = st.sampled_from(
    [
        *(
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 103 X\r\n",
            b"HTTP/1.0 204 \r\n",
            b"HTTP/1.1 101 X\r\n",
        ),
        *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
        *(b"X: y\r\n", b"Keep-Alive: timeout=\r\n", b"Upgrade: h2c\r\n", b"\r\n", b"\r", b"\n"),
        *(b"3\r\nabc\r\n", b"0\r\n\r\n", b"abc", b"\0", b"\xff", b":", b" "),
    ]
)


def fed(*pieces, to_head=False, end=False):
    """Return an answer that has been fed."""
    # Nothing waits here, so no loop is needed.
    response = Response(cast("Any", None), Free(), to_head=to_head)
    for piece in pieces:
        response.feed(piece)
    if end:
        response.feed_end()
    return response


def state(response):
    """Return all that can be told of an answer."""
    heads = [
        (head.status, head.status_text, head.fields, head.length, head.chunked, head.bodiless)
        for head in response._heads
    ]
    failure = type(response.failure)
    told = (response.complete, failure, response.keep_alive, response.keep_alive_s)
    return heads, response.take(), told


@pytest.mark.parametrize("data", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("to_head", [False, True], ids=["to GET", "to HEAD"])
def test_an_answer_is_the_same_wherever_it_is_cut(data, to_head):
    """At every byte, and at all of them."""
    whole = state(fed(data, to_head=to_head, end=True))

    cuts = [(data[:at], data[at:]) for at in range(1, len(data))]
    bytes_alone = [data[at : at + 1] for at in range(len(data))]
    for pieces in [*cuts, bytes_alone]:
        assert whole == state(fed(*pieces, to_head=to_head, end=True))
    assert whole[2][:2] == (True, type(None))


def written(head):
    """Return a head as it is put together again."""
    lines = [b"HTTP/1.1 " + head.status_text, *(line for _, line in head.fields)]
    return b"\r\n".join([*lines, b"", b""])


NAMES = st.from_regex(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True)
BLANKS = st.text(" \t", max_size=3).map(str.encode)
VALUES = st.binary(max_size=12).map(
    lambda value: bytes(b for b in value if b == 9 or 32 <= b != 127).strip(b" \t")
)
LINES = st.builds(lambda *parts: (parts[0], b"".join(parts)), NAMES, st.just(b":"), BLANKS, VALUES)
FRAMING = {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"keep-alive"}


@given(
    st.lists(LINES.filter(lambda line: line[0].lower() not in FRAMING), max_size=8),
    st.sampled_from([b"200 OK", b"200 ", b"404 caf\xe9 \t x", b"103 Early", b"204 None "]),
    st.data(),
)
def test_a_head_joined_again_is_the_bytes_that_were_sent(lines, status_text, data):
    """Relayed byte for byte, wherever it is cut: case, blanks, bytes beyond ASCII."""
    sent = b"\r\n".join([b"HTTP/1.1 " + status_text, *(line for _, line in lines), b"", b""])
    at = data.draw(st.integers(1, len(sent) - 1))

    [head] = fed(sent[:at], sent[at:])._heads

    assert (lines, status_text) == (head.fields, head.status_text)
    assert sent == written(head)


class Told:
    """What llhttp itself tells of a first head."""

    def __init__(self, data):
        self.fields = []
        self.ended = False
        with suppress(HttpParserError):
            HttpResponseParser(self).feed_data(data)

    def on_header(self, name, value):
        """Take a field."""
        if not self.ended:
            self.fields.append((name, value.strip(b" \t")))

    def on_headers_complete(self):
        """Take no more."""
        self.ended = True


HEADS = st.lists(
    PIECES | LINES.map(lambda line: line[1] + b"\r\n") | st.sampled_from([b" ", b"\t", b"A: b"]),
    max_size=8,
).map(lambda pieces: b"HTTP/1.1 200 OK\r\n" + b"".join(pieces) + b"\r\n\r\n")


@given(HEADS)
def test_a_head_is_read_as_llhttp_reads_it_or_not_at_all(data):
    """A line that the two cut differently would pass the rules under a name that is not its own."""
    heads = fed(data)._heads
    if heads:
        ours = [(name, line[len(name) + 1 :].strip(b" \t")) for name, line in heads[0].fields]

        assert Told(written(heads[0])).fields == ours
        strict = Told(data)
        assert strict.fields == ours or not strict.ended


ODD = st.sampled_from(
    [
        *(
            b"\n",
            b"\r\n",
            b"\r",
            b"\0",
            b"\x01",
            b"\x0b",
            b"\x7f",
            b"\xff",
            b" ",
            b"\t",
            b":",
            b";",
        ),
        *(b"Content-Length", b"Content-Length: 2\n", b"Transfer-Encoding: chunked\n", b"chunked"),
        *(b"X-A: b\n", b"X-A", b"Connection: close\n", b"2\r\nhi\r\n0\r\n\r\n", b"2"),
    ]
)


@given(st.lists(ODD, max_size=10).map(b"".join), st.booleans())
def test_what_is_relayed_has_one_reading(odd, alone):
    """Ours, the standard library's and strict llhttp's: the same fields, so the same framing."""
    data = b"HTTP/1.1 200 OK\n" + odd + b"\n\n"
    pieces = [data[at : at + 1] for at in range(len(data))] if alone else [data]
    heads = fed(*pieces)._heads
    if not heads:
        return
    relayed = written(heads[0])
    parsed = parse_headers(BytesIO(relayed.partition(b"\r\n")[2]))
    ours = [(name, line[len(name) + 1 :].strip(b" \t")) for name, line in heads[0].fields]

    told = Told(relayed)
    assert told.ended
    assert ours == told.fields
    assert ours == [
        (n.encode("latin1"), v.strip(" \t").encode("latin1")) for n, v in parsed.items()
    ]
    assert re.search(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]", relayed) is None
    assert heads[0].length is None or not heads[0].chunked


@pytest.mark.parametrize("break_", [b"\n", b"\r\n"])
def test_a_mended_answer_is_the_same_wherever_it_is_cut(break_):
    """At every byte, and at all of them."""
    lines = [b"HTTP/1.1 103 Hint", b"X-A : b", b"", b"HTTP/1.1 200 OK", b"X-A: a", b" b", b"X;: 1"]
    data = break_.join([*lines, b"X-C: \x01", b"Content-Length: 2", b"", b"hi"])

    whole = state(fed(data))
    for at in range(1, len(data)):
        assert whole == state(fed(data[:at], data[at:]))
    assert whole == state(fed(*[data[at : at + 1] for at in range(len(data))]))
    assert [103, 200] == [head[0] for head in whole[0]]
    assert whole[2][0]


def test_an_odd_head_that_never_ends_keeps_its_cause():
    """Why it was refused at first says more than that the upstream has closed."""
    failure = fed(b"HTTP/1.1 200 OK\nX-A: b\n", end=True).failure

    assert isinstance(failure, ProtocolViolation)
    assert "CR" in str(failure)


def check(response):
    """An answer is complete, has failed, or is still to come; and then no other."""
    assert not (response.complete and response.failure is not None)
    assert response.failure is None or isinstance(response.failure, UpstreamError)
    finals = [head for head in response._heads if head.status >= 200]
    assert len(finals) <= 1
    assert all(100 <= head.status != 101 for head in response._heads)
    assert not response.complete or finals


@given(st.lists(PIECES | st.binary(max_size=5), max_size=10), st.booleans(), st.booleans())
def test_any_bytes_end_in_a_known_state(pieces, to_head, joined):
    """Never an exception, whatever an upstream sends; and its end settles the rest."""
    response = fed(*([b"".join(pieces)] if joined else pieces), to_head=to_head)
    check(response)

    response.feed_end()

    check(response)
    assert response.complete or response.failure is not None


@given(st.lists(PIECES, max_size=8).map(b"".join), st.sampled_from(sorted(ANSWERS.values())))
def test_what_comes_behind_a_complete_answer_changes_nothing_of_it(surplus, data):
    """In the same bytes or later: it is nobody's."""
    if b"Content-Length" not in data:
        return
    pieces = [data, surplus] if surplus else [data]
    alone, together, later = fed(data), fed(data + surplus), fed(*pieces)

    expected = state(alone)
    assert [expected, expected] == [state(together), state(later)]
    assert bool(surplus) is later.surplus
