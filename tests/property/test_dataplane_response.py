"""Laws of an upstream's answer: how it is cut does not matter, and no bytes break the reader."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, strategies as st

from proxy.upstream.errors import UpstreamError
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
        (head.status, head.reason, head.fields, head.length, head.chunked, head.bodiless)
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
