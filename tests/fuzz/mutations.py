"""Valid messages, and what is done to them."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st


_FIELDS: Final = b"Host: localhost\r\nX-A: b\r\n"
REQUESTS: Final = [
    b"GET /api/a HTTP/1.1\r\n" + _FIELDS + b"\r\n",
    b"GET /api/a?b=c&access_token=d HTTP/1.1\r\nAuthorization: Bearer x\r\n" + _FIELDS + b"\r\n",
    b"GET http://localhost/api/a HTTP/1.1\r\n" + _FIELDS + b"\r\n",
    b"HEAD /api/a HTTP/1.1\r\n" + _FIELDS + b"\r\n",
    b"OPTIONS /api/a HTTP/1.1\r\n" + _FIELDS + b"\r\n",
    b"GET /api/a HTTP/1.0\r\n" + _FIELDS + b"\r\n",
    b"GET /api/a HTTP/1.1\r\nConnection: close\r\n" + _FIELDS + b"\r\n",
    b"GET /api/a HTTP/1.1\r\nConnection: X-A, keep-alive\r\nTE: trailers\r\n" + _FIELDS + b"\r\n",
    b"GET /api/a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" + _FIELDS + b"\r\n",
    b"POST /api/a HTTP/1.1\r\n" + _FIELDS + b"Content-Length: 5\r\n\r\nhello",
    b"POST /api/a HTTP/1.1\r\nExpect: 100-continue\r\n" + _FIELDS + b"Content-Length: 2\r\n\r\nhi",
    b"POST /api/a HTTP/1.1\r\n" + _FIELDS + b"Transfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n3;a=b\r\nyou\r\n0\r\n\r\n",
    b"POST /api/a HTTP/1.1\r\n" + _FIELDS + b"Transfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\nX-T: y\r\n\r\n",
    b"PUT /api/a HTTP/1.1\r\n" + _FIELDS + b"Content-Length: 60\r\n\r\n"
    b"GET /api/b HTTP/1.1\r\nHost: localhost\r\nX-Inside: a body\r\n\r\n\r\n",
]
ANSWERS: Final = [
    b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;a=b\r\nyou\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
    b"HTTP/1.0 200 OK\r\n\r\nhello",
    b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /b\r\nSet-Cookie: s=1\r\nContent-Length: 0\r\n\r\n",
    (
        b"HTTP/1.1 404 No\r\nConnection: X-A\r\nX-A: b\r\nKeep-Alive: timeout=5\r\n"
        b"Content-Length: 2\r\n\r\nno"
    ),
]
INSERTED: Final = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"\x0b", b"\x7f",
    b"\x85", b"\xa0", b"\xff", b"0", b"5", b"+", b"-", b"0x", b"_", b"0\r\n\r\n", b"5\r\nhello\r\n",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content_length: 7\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n", b"Transfer-Encoding:\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Host: evil.example\r\n",
    b"Upgrade: websocket\r\n", b"Authorization: Bearer y\r\n", b"Access_Token: z\r\n",
    b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"HTTP/1.1 200 OK\r\n", b"GET /api/b HTTP/1.1\r\n",
    b"/../", b"%2e%2e", b"//", b"#", b"http://", b"@", b"CONNECT ", b"TRACE ",
]  # fmt: skip
_PLACE: Final = st.integers(0, 400)


def _flip(data: bytes, at: int, bits: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


def _insert(data: bytes, at: int, piece: bytes) -> bytes:
    at %= len(data) + 1
    return data[:at] + piece + data[at:]


def _remove(data: bytes, at: int, size: int) -> bytes:
    at %= len(data)
    return data[:at] + data[at + size :]


def _line(data: bytes, at: int, times: int) -> bytes:
    """Remove a line (0 times), or repeat it."""
    lines = data.split(b"\r\n")
    at %= len(lines)
    return b"\r\n".join(lines[:at] + lines[at : at + 1] * times + lines[at + 1 :])


def _swap(data: bytes, one: int, two: int) -> bytes:
    lines = data.split(b"\r\n")
    one, two = one % len(lines), two % len(lines)
    lines[one], lines[two] = lines[two], lines[one]
    return b"\r\n".join(lines)


def _number(data: bytes, at: int, value: int) -> bytes:
    """Put another number for the digits nearest behind a place."""
    places = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if not places:
        return data
    place = next((i for i in places if i >= at % len(data)), places[0])
    return data[:place] + b"%d" % value + data[place + 1 :]


_MUTATION: Final = st.one_of(
    st.tuples(st.just(_flip), _PLACE, st.integers(1, 255)),
    st.tuples(st.just(_insert), _PLACE, st.sampled_from(INSERTED)),
    st.tuples(st.just(_remove), _PLACE, st.integers(1, 20)),
    st.tuples(st.just(_line), _PLACE, st.sampled_from([0, 2, 3])),
    st.tuples(st.just(_swap), _PLACE, _PLACE),
    st.tuples(st.just(_number), _PLACE, st.sampled_from([0, 1, 4, 6, 7, 50, 99, 2**31, 2**64])),
)


@st.composite
def mutated(draw: st.DrawFn, messages: list[bytes]) -> bytes:
    """Return one to three messages in a row, or spliced, with up to five things done to them."""
    parts = draw(st.lists(st.sampled_from(messages), min_size=1, max_size=3))
    if len(parts) > 1 and draw(st.booleans()):
        cut, back = draw(_PLACE), draw(_PLACE)
        parts[:2] = [parts[0][: cut % len(parts[0])] + parts[1][back % len(parts[1]) :]]
    data = b"".join(parts)
    for mutate, *arguments in draw(st.lists(_MUTATION, max_size=5)):
        data = mutate(data, *arguments) or b"\r\n"
    return data


SEGMENTS: Final = st.lists(_PLACE, max_size=3)
"""Where a message is cut on its way."""


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return the segments of a message."""
    at = sorted({place % (len(data) + 1) for place in places})
    return [data[i:j] for i, j in zip([0, *at], [*at, len(data)], strict=True) if i < j]
