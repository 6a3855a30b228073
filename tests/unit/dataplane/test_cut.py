"""Where heads end, and what is refused before the parser sees it."""

import pytest

from proxy.dataplane.cut import end_of_head, end_of_piece, refusal_of
from proxy.dataplane.errors import (
    BadRequest,
    BadVersion,
    HeadersTooLarge,
    Refusal,
    TargetTooLarge,
    UnsupportedMethod,
)
from proxy.dataplane.limits import ClientLimits


LIMITS = ClientLimits(head_size=4096, target_size=1024)
HEAD = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize("behind", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\0", b"\r\n\r\n"])
def test_a_head_ends_with_its_empty_line(behind):
    """Whatever stands behind it."""
    assert len(HEAD) == end_of_head(HEAD + behind, LIMITS)


@pytest.mark.parametrize("size", range(1, len(HEAD)))
def test_a_part_of_a_head_waits_for_more(size):
    """Wherever it was cut."""
    assert 0 == end_of_head(HEAD[:size], LIMITS)


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"\x16\x03\x01\x02\x00", BadRequest),  # TLS
        (b"GET / HTTP/1.1\nHost: x\n\n", BadRequest),
        (b"GET / HTTP/1.1\r\nHost: x\nX-A", BadRequest),
        (b"GET /\r\n", BadRequest),  # HTTP/0.9
        (b"GET /\r\nHost: x\r\n\r\n", BadRequest),
        (b"GET / HTTP/1.1 \r\n", BadRequest),
        (b"GET / http/1.1\r\n\r\n", BadRequest),
        (b"GET / RTSP/1.0\r\n\r\n", BadRequest),
        (b"GET / ICE/1.0\r\n\r\n", BadRequest),
        (b"GET / HTTP/1.10\r\n\r\n", BadVersion),
        (b"GET / HTTP/2.0\r\n", BadVersion),
        (b"GET / HTTP/0.9\r\n\r\n", BadVersion),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BadVersion),
        (b"GET /" + b"x" * 1024 + b" HTTP/1.1\r\n\r\n", TargetTooLarge),
        (b"GET /" + b"x" * 1200, TargetTooLarge),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 5000 + b"\r\n\r\n", HeadersTooLarge),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 5000, HeadersTooLarge),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000, HeadersTooLarge),
    ],
)
def test_what_will_never_be_a_head_is_refused_at_once(data, refusal):
    """It would wait for the head's time-out otherwise."""
    with pytest.raises(Refusal) as caught:
        end_of_head(data, LIMITS)

    assert refusal is type(caught.value)


@pytest.mark.parametrize("size", [1023, 1024])
def test_a_target_as_long_as_the_limit_passes(size):
    """The limit is the target's, not the line's."""
    head = b"DELETE /" + b"x" * (size - 1) + b" HTTP/1.1\r\n\r\n"

    assert len(head) == end_of_head(head, LIMITS)


def test_a_head_as_long_as_the_limit_passes():
    """One more byte does not."""
    start, end = b"GET / HTTP/1.1\r\nX: ", b"\r\n\r\n"
    fill = b"x" * (4096 - len(start) - len(end))

    assert 4096 == end_of_head(start + fill + end, LIMITS)
    with pytest.raises(HeadersTooLarge):
        end_of_head(start + fill + b"x" + end, LIMITS)


@pytest.mark.parametrize(
    ("head", "method", "fields", "refusal"),
    [
        (b"BREW /pot HTTP/1.1\r\n\r\n", True, False, UnsupportedMethod),
        (b"BR\0W /pot HTTP/1.1\r\n\r\n", True, False, BadRequest),
        (HEAD, False, False, BadRequest),
        (HEAD, False, True, HeadersTooLarge),
    ],
)
def test_what_the_parser_refuses_is_told_apart(head, method, fields, refusal):
    """A method that is unknown from garbage, and many fields from bad ones."""
    assert refusal is type(refusal_of(head, method=method, fields=fields))


@pytest.mark.parametrize(
    ("tail", "data", "end"),
    [
        (b"", b"5\r\nhello\r\n0\r\n\r\nGET", 15),
        (b"", b"5\r\nhello", 8),
        (b"\n0\r", b"\n\r\nGET", 3),
        (b"0\r\n", b"\r\nGET", 2),
        (b"\r\n\r", b"\nGET", 1),
        (b"0\r\n", b"\rx\r\n\r\n", 6),
        (b"0\r\n", b"\r", 1),
    ],
)
def test_a_piece_of_chunks_ends_where_the_body_may_end(tail, data, end):
    """Also where the empty line has been begun by what came before."""
    assert end == end_of_piece(tail, data)
