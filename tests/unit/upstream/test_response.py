"""One answer, while it comes in."""

from __future__ import annotations

import asyncio

import pytest

from proxy.upstream import response
from proxy.upstream.errors import Dropped, ProtocolViolation
from proxy.upstream.response import HIGH_WATER, MAX_HEAD_SIZE


OK = b"HTTP/1.1 200 OK\r\n"
FIVE = OK + b"Content-Length: 5\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


async def body_of(response):
    """Return what can be read to the end."""
    pieces = []
    while piece := await response.read():
        pieces.append(piece)
    return b"".join(pieces)


# The answer, whether to HEAD, and then: body, keep_alive, surplus.
COMPLETE = {
    "a length": (FIVE + b"hello", False, b"hello", True, False),
    "a length of nothing": (OK + b"Content-Length: 0\r\n\r\n", False, b"", True, False),
    "chunks": (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", False, b"hello", True, False),
    "chunks with extensions": (
        CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n", False, b"hello", True, False,
    ),
    "chunks with trailers": (CHUNKED + b"0\r\nA: b\r\n\r\n", False, b"", True, False),
    "chunks in capitals": (
        OK + b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", False, b"", True, False,
    ),
    "an answer to HEAD": (FIVE, True, b"", True, False),
    "an answer to HEAD with a body": (FIVE + b"hello", True, b"", True, True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", False, b"", True, False),
    "204 with a body": (b"HTTP/1.1 204 No Content\r\n\r\nhello", False, b"", True, True),
    "304 with a length": (b"HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", False, b"", True, False),
    "a second answer": (FIVE + b"hello" + FIVE, False, b"hello", True, True),
    "bytes behind the end": (FIVE + b"hello!", False, b"hello", True, True),
    "the end of the connection, told": (
        OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", False, b"hello", False, False,
    ),
    "HTTP/1.0": (
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", False, b"hello", False, False,
    ),
    "HTTP/1.0, kept": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        False, b"", True, False,
    ),
}  # fmt: skip

VIOLATIONS = {
    "something else": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a request": b"GET / HTTP/1.1\r\n\r\n",
    "HTTP/0.9": b"<html>",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "RTSP": b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "ICE": b"ICE/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "two spaces before the status": b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status below 100": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "101, unasked": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "101 without Upgrade": b"HTTP/1.1 101 X\r\n\r\n",
    "a length that is no number": OK + b"Content-Length: 5x\r\n\r\n",
    "a signed length": OK + b"Content-Length: +5\r\n\r\n",
    "an empty length": OK + b"Content-Length:\r\n\r\n",
    "a length beyond 64 bits": OK + b"Content-Length: 99999999999999999999\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "the same length twice": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    "a list of lengths": OK + b"Content-Length: 5, 5\r\n\r\n",
    "length and chunks": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunks and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\n",
    "another coding in chunks": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "chunks twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a first line that is folded": OK + b" A: b\r\n\r\n",
    "a line without a name": OK + b": b\r\n\r\n",
    "a line without a colon": OK + b"A\r\n\r\n",
    "a carriage return in the reason": b"HTTP/1.1 200 O\rA: b\r\n\r\n",
    "a NUL in a field": OK + b"A: b\0c\r\n\r\n",
    "a carriage return in a field": OK + b"A: b\rc\r\n\r\n",
    "a bad chunk size": CHUNKED + b"x\r\n",
    "a chunk longer than it says": CHUNKED + b"2\r\nhello\r\n",
    "a head without end": OK + b"A: " + b"x" * MAX_HEAD_SIZE,
    "interim heads without end": b"HTTP/1.1 103 X\r\n\r\n" * (MAX_HEAD_SIZE // 18 + 1),
}


@pytest.mark.parametrize(
    ("data", "to_head", "body", "keep_alive", "surplus"), COMPLETE.values(), ids=COMPLETE
)
async def test_an_answer_ends_where_its_framing_says(
    make_response, data, to_head, body, keep_alive, surplus
):
    """And bytes behind the end are never part of it (they are nobody's)."""
    response = make_response(data, to_head=to_head)

    assert (True, keep_alive, surplus) == (response.complete, response.keep_alive, response.surplus)
    assert (body, None) == (await body_of(response), response.failure)


MENDED = {
    "bare line feeds": (b"HTTP/1.1 200 OK\nA: b\n\n", [b"A: b"]),
    "a folded line": (OK + b"A: b\r\n c\r\n\r\n", [b"A: b c"]),
    "a line folded by a tab": (OK + b"A: b\r\n\tc\r\n\r\n", [b"A: b c"]),
    "a folded line that looks like a field": (
        OK + b"A: b\r\n Set-Cookie: c\r\n\r\n",
        [b"A: b Set-Cookie: c"],
    ),
    "a folded line behind nothing": (OK + b"A:\r\n b: c\r\n\r\n", [b"A: b: c"]),
    "a line feed in the reason": (b"HTTP/1.1 200 O\nA: b\r\n\r\n", [b"A: b"]),
    "a bare line feed at the end of a head": (OK + b"A: b\r\n\n", [b"A: b"]),
    "a space before the colon": (OK + b"A : b\r\n\r\n", [b"A: b"]),
    "names that are no tokens": (OK + b"A;: b\r\n c\r\nB: c\r\n\r\n", [b"B: c"]),
}


@pytest.mark.parametrize(("data", "lines"), MENDED.values(), ids=MENDED)
async def test_what_is_odd_but_harmless_is_mended(make_response, data, lines):
    """As RFC 9112 wants it written."""
    response = make_response(data)

    head = await response.head()
    assert (200, lines) == (head.status, [line for _, line in head.fields])


@pytest.mark.parametrize(("count", "fails"), [(15_000, False), (17_000, True)])
async def test_an_odd_head_is_mended_up_to_64_kib(make_response, count, fails):
    """All of it is mended in one turn of the loop."""
    response = make_response(b"HTTP/1.1 200 OK\n" + b"A:b\n" * count + b"\n")

    assert fails is isinstance(response.failure, ProtocolViolation)


@pytest.mark.parametrize("data", VIOLATIONS.values(), ids=VIOLATIONS)
async def test_what_is_not_one_http_answer_fails(make_response, data):
    """502; whoever waits is told."""
    response = make_response(data)

    with pytest.raises(ProtocolViolation):
        await asyncio.wait_for(body_of(response), 5)
    assert not response.complete


async def test_a_head_is_kept_as_it_was_sent(make_response):
    """Order, case, duplicates, reason phrase and bytes that are not UTF-8."""
    fields = [
        *((b"x-B", b"x-B: caf\xe9\t x"), (b"X-b", b"X-b:"), (b"A_b", b"A_b:1")),
        *((b"C", b"C: \t:d \t"), (b"Content-Length", b"Content-Length: 0")),
    ]
    lines = b"".join(line + b"\r\n" for _, line in fields)

    head = await make_response(b"HTTP/1.1 299 Fine, \xe9\r\n" + lines + b"\r\n").head()

    assert (299, b"299 Fine, \xe9", fields) == (head.status, head.status_text, head.fields)
    assert (0, False, False) == (head.length, head.chunked, head.bodiless)


async def test_informational_heads_come_first(make_response):
    """Each by itself; lengths in them mean nothing."""
    response = make_response(
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n" + FIVE + b"hello"
    )

    heads = [await response.head() for _ in range(3)]

    assert [100, 103, 200] == [head.status for head in heads]
    assert [b"100 Continue", b"103 Early Hints", b"200 OK"] == [h.status_text for h in heads]
    assert [True, True, False] == [head.bodiless for head in heads]
    assert b"hello" == await body_of(response)


async def test_a_surplus_answer_does_not_touch_the_first(make_response):
    """Neither its reason phrase nor its fields, although it came in the same bytes."""
    response = make_response(b"HTTP/1.1 204 None\r\n\r\nHTTP/1.1 200 Evil\r\nEvil: 1\r\n\r\n")

    head = await response.head()

    assert (204, b"204 None", []) == (head.status, head.status_text, head.fields)
    assert response.surplus


async def test_trailers_are_dropped(make_response):
    """They come behind the head that they would change."""
    response = make_response(CHUNKED + b"0\r\nSet-Cookie: a\r\n\r\n")

    expected = [(b"Transfer-Encoding", b"Transfer-Encoding: chunked")]
    assert expected == (await response.head()).fields


@pytest.mark.parametrize("text", [b"200", b"200 "], ids=["without a space", "with a space"])
async def test_a_status_without_a_reason_keeps_its_space(make_response, text):
    """RFC 9112 4: strict clients refuse a status line without it."""
    head = await make_response(b"HTTP/1.1 " + text + b"\r\nContent-Length: 0\r\n\r\n").head()

    assert (200, b"200 ") == (head.status, head.status_text)


class Lenient:
    """A parser that takes for a head whatever it is fed."""

    def __init__(self, response):
        self.response = response

    def feed_data(self, data):
        """Call the head complete."""
        self.response.on_headers_complete()

    def get_status_code(self):
        """Return what is in all heads here."""
        return 200

    def should_keep_alive(self):
        """Keep it."""
        return True


@pytest.mark.parametrize(
    ("data", "fails"),
    [
        pytest.param(OK + b"A: b\r\n\r\n", False, id="the control: a head"),
        pytest.param(OK + b"A: b\r\n", True, id="a head that ends elsewhere"),
        pytest.param(OK + b"A: b\r\n\n", True, id="a head that ends with a bare line feed"),
        pytest.param(OK + b"A: b\r\n C: d\r\n\r\n", True, id="a folded line"),
        pytest.param(OK + b"A: b\r\n\tC: d\r\n\r\n", True, id="a line folded by a tab"),
        pytest.param(OK + b"A\r\n\r\n", True, id="a line without a colon"),
        pytest.param(b"RTSP/1.0 200 OK\r\n\r\n", True, id="another protocol"),
    ],
)
async def test_a_head_that_the_parser_reads_otherwise_is_refused(make_response, data, fails):
    """502, should llhttp ever forgive more than it does: no line is relayed in two readings."""
    response = make_response()
    response._parser = Lenient(response)

    response.feed(data)

    assert fails is isinstance(response.failure, ProtocolViolation)
    assert int(not fails) == len(response._heads)


async def test_the_end_of_the_connection_ends_a_body_of_no_length(make_response):
    """RFC 9112 6.3: only an orderly end does."""
    response = make_response(OK + b"\r\nhel", b"lo")
    waiting = response.complete

    response.feed_end()

    assert (False, True, False) == (waiting, response.complete, response.keep_alive)
    assert b"hello" == await body_of(response)


@pytest.mark.parametrize(
    ("data", "unanswered"),
    [
        pytest.param(b"", True, id="nothing"),
        pytest.param(b"HTTP/1.1 2", False, id="half a status line"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", False, id="only an informational head"),
        pytest.param(FIVE + b"hell", False, id="a part of a length"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n", False, id="no last chunk"),
        pytest.param(CHUNKED + b"5\r\nhello\r\n0\r\n", False, id="half a last chunk"),
    ],
)
async def test_an_early_end_of_the_connection_is_a_failure(make_response, data, unanswered):
    """A broken answer is never taken for a whole one."""
    response = make_response(*[data] * bool(data))
    response.feed_end()

    with pytest.raises(Dropped) as caught:
        await body_of(response)

    assert (unanswered, False) == (caught.value.unanswered, response.complete)


async def test_what_had_come_before_a_failure_is_read_first(make_response):
    """The client gets every byte there was, and then the truth."""
    response = make_response(FIVE + b"hell")
    response.fail(Dropped("first", unanswered=False))
    response.fail(Dropped("second", unanswered=False))

    assert (200, b"hell") == ((await response.head()).status, await response.read())
    with pytest.raises(Dropped, match="first"):
        await response.read()


async def test_what_comes_before_the_reader_runs_is_not_lost(make_response):
    """A loop reads on while the task that was given a piece has yet to run."""
    response = make_response()
    response.feed(FIVE)
    piece = response.read()
    response.feed(b"he")
    response.feed(b"llo")

    assert (b"he", True, False) == (await piece, response.complete, response.taken)
    assert (b"llo", True) == (await response.read(), response.taken)


async def test_an_end_behind_a_failure_completes_nothing(make_response):
    """The limit had struck; the FIN that follows is its consequence."""
    response = make_response(OK + b"\r\nhel")
    response.fail(Dropped("limit", unanswered=False))
    response.feed_end()

    assert not response.complete


async def test_a_complete_answer_does_not_fail(make_response):
    """The upstream may close as it likes behind it."""
    response = make_response(FIVE + b"hello")
    response.fail(Dropped("late", unanswered=False))
    response.feed_end()

    assert (b"hello", None) == (await body_of(response), response.failure)


async def test_waits_are_woken(make_response):
    """By a head, by a piece, by the end."""
    response = make_response()
    head = asyncio.ensure_future(response.head())
    await asyncio.sleep(0)
    response.feed(FIVE)
    status = (await head).status
    body = asyncio.ensure_future(body_of(response))
    await asyncio.sleep(0)
    response.feed(b"hel")
    await asyncio.sleep(0)
    response.feed(b"lo")

    assert (200, b"hello") == (status, await body)


async def test_what_comes_before_a_reader_runs_is_not_lost(make_response):
    """A loop may read a socket until it is empty: the end comes behind the piece that wakes."""
    response = make_response(FIVE)
    waiting = response.read()
    response.feed(b"hel")
    response.feed(b"lo")

    assert (b"hel", False) == (await waiting, response.taken)
    assert (b"lo", True) == (await response.read(), response.taken)


async def test_a_slow_reader_holds_the_upstream(make_response, flow):
    """Once, and until what has come is taken."""
    response = make_response(OK + b"\r\n", b"x" * HIGH_WATER)
    before = list(flow.calls)
    response.feed(b"y")
    response.feed(b"z")
    held = list(flow.calls)

    assert b"x" * HIGH_WATER + b"yz" == response.take()
    assert ([], ["pause"], ["pause", "resume"]) == (before, held, flow.calls)
    assert b"" == response.take()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 5.0),
        (b"max=100, Timeout=7", 7.0),
        (b"timeout=" + b"9" * 400, 999999.0),
        (b"timeout=x", None),
        (b"timeout", None),
        (b"", None),
    ],
    ids=["plain", "second", "huge", "no number", "no value", "empty"],
)
async def test_the_upstreams_word_on_idle_connections_is_read(make_response, value, seconds):
    """Node closes after 5 s and says so."""
    response = make_response(OK + b"Keep-Alive: " + value + b"\r\nContent-Length: 0\r\n\r\n")

    assert (True, seconds) == (response.complete, response.keep_alive_s)


# Another protocol.


SWITCHED = b"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: x, upgrade\r\nX: y\r\n\r\n"


async def test_a_101_that_was_asked_for_is_a_head_and_the_rest_is_kept(make_response, flow):
    """Not one byte behind it is read as HTTP; the upstream is held until somebody takes it."""
    response = make_response(SWITCHED + b"HTTP/1.1 2", b"00 OK\r\n\r\n", asked="websocket")
    head = await response.head()

    assert (101, b"101 Switching", True) == (head.status, head.status_text, head.bodiless)
    assert [b"Upgrade: WebSocket", b"Connection: x, upgrade", b"X: y"] == [
        line for _, line in head.fields
    ]
    assert (True, False, None) == (response.switched, response.complete, response.failure)
    assert ["pause"] == flow.calls
    assert (b"HTTP/1.1 200 OK\r\n\r\n", b"") == (response.behind(), response.behind())


async def test_a_101_is_the_same_wherever_it_is_cut(make_response):
    """Also behind hints, and with the largest head in front of a great deal."""
    data = b"HTTP/1.1 103 X\r\n\r\n" + SWITCHED + b"\x81\x02hi"
    for at in range(1, len(data)):
        response = make_response(data[:at], data[at:], asked="websocket")

        assert [103, 101] == [(await response.head()).status for _ in range(2)]
        assert b"\x81\x02hi" == response.behind()
    bytes_alone = [data[at : at + 1] for at in range(len(data))]
    assert b"\x81\x02hi" == make_response(*bytes_alone, asked="websocket").behind()
    much = b"x" * (MAX_HEAD_SIZE + 1)
    assert much == make_response(SWITCHED + much, asked="websocket").behind()


NOT_ASKED_FOR = {
    "nothing was asked for": (None, SWITCHED),
    "something else was": ("other", SWITCHED),
    "no Upgrade": ("websocket", b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n"),
    "no Connection": ("websocket", b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n"),
    "Connection names something else": (
        "websocket", b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n",
    ),
    "two protocols": (
        "websocket", b"HTTP/1.1 101 X\r\nUpgrade: websocket, h2c\r\nConnection: upgrade\r\n\r\n",
    ),
    "two fields": ("websocket", SWITCHED[:-2] + b"Upgrade: h2c\r\n\r\n"),
    "HTTP/1.0": ("websocket", SWITCHED.replace(b"1.1", b"1.0")),
    "a length": ("websocket", SWITCHED[:-2] + b"Content-Length: 2\r\n\r\nhi"),
    "chunks": ("websocket", SWITCHED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "data"), NOT_ASKED_FOR.values(), ids=NOT_ASKED_FOR)
async def test_any_other_101_fails(make_response, flow, asked, data):
    """502: who asked would not know what is spoken now."""
    response = make_response(data, asked=asked)

    with pytest.raises(ProtocolViolation):
        await response.head()
    assert (False, []) == (response.switched, flow.calls)


async def test_a_101_with_a_length_of_nothing_passes(make_response):
    """Superfluous, and harmless."""
    response = make_response(SWITCHED[:-2] + b"Content-Length: 0\r\n\r\nhi", asked="websocket")

    assert (True, b"hi") == (response.switched, response.behind())


async def test_an_ordinary_answer_to_an_upgrade_is_read_as_ever(make_response):
    """Declined: body, end and connection count."""
    response = make_response(FIVE + b"hello", asked="websocket")

    assert (200, b"hello") == ((await response.head()).status, await body_of(response))
    assert (True, True, False) == (response.complete, response.keep_alive, response.surplus)


async def test_nothing_of_a_stream_is_held_that_was_taken(make_response):
    """The bytes behind the head, as many as one read brings, would stay till the stream ends."""
    response = make_response(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(200_000))

    response.take()

    assert not any(response._raw + response._pieces)


async def test_nothing_is_remembered_where_a_secret_may_be_quoted(make_response):
    """Of the lines of heads only such as name no value of anybody's outlive their answer."""
    told = b"a-secret-of-16-and-more"
    names = [b"Location", b"WWW-Authenticate", b"Set-Cookie", b"X-Echo", b"Keep-Alive"]
    fields = b"".join(b"%b: %b\r\n" % (name, told) for name in names)

    make_response(b"HTTP/1.1 401 No such token: %b\r\n%b\r\n" % (told, fields))

    memos = [each for each in vars(response).values() if isinstance(each, dict)]
    assert any(memos)
    assert not any(told in key for memo in memos for key in memo if isinstance(key, bytes))
