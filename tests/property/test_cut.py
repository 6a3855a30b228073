"""Cutting finds the same places however the bytes come."""

import contextlib

from hypothesis import given, strategies as st

from proxy.dataplane.cut import END, end_of_head, end_of_piece
from proxy.dataplane.errors import Refusal
from proxy.dataplane.limits import ClientLimits


LIMITS = ClientLimits()
HEAD = b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@given(st.lists(st.sampled_from([b"\r", b"\n", b"0", b"a"]), max_size=40), st.data())
def test_a_piece_never_reaches_beyond_an_empty_line(symbols, data):
    """Whatever cuts the bytes came in: no end of a body lies inside a piece."""
    body = b"".join(symbols)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = []
    tail = b""
    for begin, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        rest = body[begin:end]
        while rest:
            size = end_of_piece(tail, rest)
            pieces.append(rest[:size])
            tail = (tail + rest[:size])[-3:]
            rest = rest[size:]

    assert body == b"".join(pieces)
    so_far = b""
    for piece in pieces:
        so_far += piece
        found = so_far.rfind(END, max(len(so_far) - len(piece) - 3, 0))
        assert found in {-1, len(so_far) - len(END)}


@given(st.binary(max_size=200))
def test_anything_is_a_head_or_waits_or_is_refused(data):
    """Nothing else comes out, and an end is the end of an empty line."""
    end = 0
    with contextlib.suppress(Refusal):
        end = end_of_head(data, LIMITS)

    assert end == 0 or data[:end].endswith(END)


@given(st.integers(1, len(HEAD) - 1))
def test_a_head_is_found_once_it_is_whole(size):
    """And never before."""
    assert 0 == end_of_head(HEAD[:size], LIMITS)
    assert len(HEAD) == end_of_head(HEAD, LIMITS)
