"""One reading of a head, or none."""

from __future__ import annotations

import pytest

from proxy.dataplane.errors import BadRequest, BadVersion, UnsupportedCoding
from proxy.dataplane.framing import check_framing


HOST = (b"Host", b"h")
LENGTH = (b"Content-Length", b"5")
CHUNKED = (b"Transfer-Encoding", b"chunked")

GOOD = {
    "without a body": ([HOST], {}),
    "with a length": ([HOST, LENGTH], {"length": 5}),
    "with the greatest length": ([HOST, LENGTH], {"length": 2**63 - 1}),
    "in chunks": ([HOST, CHUNKED], {"chunked": True}),
    "in chunks, in capitals": ([HOST, (b"TRANSFER-ENCODING", b" Chunked ")], {"chunked": True}),
    "HTTP/1.0 without Host": ([], {"version": (1, 0)}),
}
BAD = {
    "HTTP/0.9": ([HOST], {"version": (0, 9)}, BadVersion),
    "HTTP/1.2": ([HOST], {"version": (1, 2)}, BadVersion),
    "HTTP/2.0": ([HOST], {"version": (2, 0)}, BadVersion),
    "HTTP/1.1 without Host": ([], {}, BadRequest),
    "length and chunks": ([HOST, LENGTH, CHUNKED], {"chunked": True}, BadRequest),
    "chunks and length": ([HOST, CHUNKED, LENGTH], {"chunked": True}, BadRequest),
    "too great a length": ([HOST, LENGTH], {"length": 2**63}, BadRequest),
    "chunks in HTTP/1.0": ([CHUNKED], {"chunked": True, "version": (1, 0)}, BadRequest),
    "an empty coding": ([HOST, (b"Transfer-Encoding", b"")], {}, BadRequest),
    "an empty coding and a length": ([HOST, (b"Transfer-Encoding", b" "), LENGTH], {}, BadRequest),
    "gzip": ([HOST, (b"Transfer-Encoding", b"gzip")], {}, UnsupportedCoding),
    "gzip in chunks": (
        [HOST, (b"Transfer-Encoding", b"gzip, chunked")],
        {"chunked": True},
        UnsupportedCoding,
    ),
    "identity": ([HOST, (b"Transfer-Encoding", b"identity")], {}, UnsupportedCoding),
    "chunked not last": ([HOST, (b"Transfer-Encoding", b"chunked, x")], {}, UnsupportedCoding),
    "nearly chunked": ([HOST, (b"Transfer-Encoding", b"xchunked")], {}, UnsupportedCoding),
    "chunked twice": ([HOST, CHUNKED, CHUNKED], {"chunked": True}, UnsupportedCoding),
    "chunks that the parser did not see": ([HOST, CHUNKED], {}, UnsupportedCoding),
}


@pytest.mark.parametrize(("fields", "head"), GOOD.values(), ids=GOOD)
def test_one_reading_passes(make_head, fields, head):
    """Nothing is said of a head that everybody reads alike."""
    check_framing(make_head(*fields, **head))


@pytest.mark.parametrize(("fields", "head", "refusal"), BAD.values(), ids=BAD)
def test_two_readings_do_not(make_head, fields, head, refusal):
    """The connection ends with it: nobody knows where the next request would begin."""
    with pytest.raises(refusal) as caught:
        check_framing(make_head(*fields, **head))

    status = {BadVersion: 505, BadRequest: 400, UnsupportedCoding: 501}[refusal]
    assert (status, True) == (caught.value.status, caught.value.close)
