"""Row 8: an odd byte in four places of the fields that frame a body."""

from __future__ import annotations

from typing import Final

from tests.integration.wire.case import BAD_OR_CODING, CHUNKS, HELLO, POST, Case


ODD: Final = {
    "NUL": b"\0",
    "SOH": b"\x01",
    "backspace": b"\b",
    "VT": b"\v",
    "FF": b"\f",
    "CR": b"\r",
    "LF": b"\n",
    "ESC": b"\x1b",
    "US": b"\x1f",
    "DEL": b"\x7f",
    "comma": b",",
    "0x80": b"\x80",
    "NEL": b"\x85",
    "NBSP": b"\xa0",
    "0xff": b"\xff",
}
PLACES: Final = {
    "before the name": b"%(odd)b%(name)b: %(value)b\r\n",
    "behind the name": b"%(name)b%(odd)b: %(value)b\r\n",
    "before the value": b"%(name)b: %(odd)b%(value)b\r\n",
    "behind the value": b"%(name)b: %(value)b%(odd)b\r\n",
}


def _sent(place: bytes, name: bytes, value: bytes, odd: bytes) -> bytes:
    return POST + place % {b"name": name, b"value": value, b"odd": odd}


# No odd field goes on and none is read: each request is refused, by whichever rule sees it first.
CASES: Final = [
    case
    for odd, byte in ODD.items()
    for where, place in PLACES.items()
    for case in (
        Case(
            f"TE: {odd} {where}",
            8,
            _sent(place, b"Transfer-Encoding", b"chunked", byte) + CHUNKS,
            answer=BAD_OR_CODING,
        ),
        Case(
            f"CL: {odd} {where}",
            8,
            _sent(place, b"Content-Length", b"5", byte) + HELLO,
            answer=BAD_OR_CODING,
        ),
    )
]
