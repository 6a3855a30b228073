"""What a stand-in understands of a request's head, and how it frames an answer."""

from __future__ import annotations

import pytest

from proxy.standins.message import Answer, Head, Request, closes, encode


def head(*headers, method="GET", target="/", version="1.1", keep_alive=True):
    return Head(method, target, version, tuple(headers), keep_alive)


def lines(answer, asked):
    """Return the head's lines without the date, and the body."""
    top, _, body = encode(answer, asked, 5.0).partition(b"\r\n\r\n")
    return [line for line in top.decode().split("\r\n") if not line.startswith("Date: ")], body


def test_repeated_fields_are_joined_as_node_joins_them():
    """Two tokens become one wrong token; two Authorization fields become the first one."""
    asked = head(
        ("Access-Token", "a"), ("authorization", "x"), ("access-token", "b"), ("Authorization", "y")
    )

    assert asked.header("access-token") == "a, b"
    assert asked.header("authorization") == "x"
    assert asked.header("cookie") == ""


def test_query_is_decoded_and_its_first_value_wins():
    """A parameter is read from behind the first question mark."""
    asked = head(target="/a?project=x%2Dy&project=z&e=")

    assert (
        asked.path,
        asked.query("project"),
        asked.query("e"),
        asked.query("none"),
    ) == ("/a", "x-y", "", "")


def test_record_keeps_the_start_of_a_body_and_its_whole_length():
    """A huge body does not stay in memory for the sake of the record."""
    asked = head(("X-A", "1"), ("x-a", "2"), method="POST")

    record = Request(asked, b"b" * 70_000, 200_000).record()

    assert (len(record.body), record.body_bytes) == (64 * 1024, 200_000)
    assert record.values("X-a") == ["1", "2"]


def test_a_plain_answer_has_a_length_and_nothing_of_ours():
    """No content type or server name is invented."""
    expected = ["HTTP/1.1 200 OK", "Content-Length: 2", "Connection: keep-alive"]

    assert ([*expected, "Keep-Alive: timeout=5"], b"ok") == lines(Answer(200, body=b"ok"), head())


def test_a_chunked_answer_has_no_length():
    """Bare-text errors are framed in chunks."""
    answer = Answer(400, body=b"Invalid JSON", reason="Invalid JSON", chunked=True)

    top, body = lines(answer, head())

    assert top[:2] == ["HTTP/1.1 400 Invalid JSON", "Transfer-Encoding: chunked"]
    assert body == b"c\r\nInvalid JSON\r\n0\r\n\r\n"


@pytest.mark.parametrize("chunked", [True, False])
def test_head_and_304_have_no_body(chunked):
    """Neither a body nor a chunk's end follows, whatever the framing would have been."""
    for status, method in [(200, "HEAD"), (304, "GET")]:
        top, body = lines(Answer(status, body=b"ok", chunked=chunked), head(method=method))

        assert body == b""
        assert "Transfer-Encoding: chunked" not in top


def test_http_1_0_gets_no_chunks_but_the_end_of_the_connection():
    """A client that knows no chunks reads until the connection closes."""
    old = head(version="1.0", keep_alive=True)

    top, body = lines(Answer(401, body=b"Unauthorized", chunked=True), old)

    assert closes(Answer(401, chunked=True), old)
    assert (top, body) == (["HTTP/1.1 401 Unauthorized", "Connection: close"], b"Unauthorized")
