"""Odd but harmless answers come through; of those that do not, the log names the field."""

from __future__ import annotations

import pytest

from tests.integration.rig.proxy import get, one_route


@pytest.mark.parametrize("blanks", [b" ", b"  ", b"   "])
async def test_blanks_after_a_chunk_size_are_forgiven(serve, start, blanks):
    """As curl, nginx and Caddy do; our own chunks have none."""
    body = b"2" + blanks + b"\r\nhi\r\n0" + blanks + b"\r\n\r\n"
    upstream = await serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    proxy = await start(one_route(upstream.origin))

    answer = await proxy.ask(get())

    assert (200, b"hi") == (answer.status, answer.body)
    assert b"2 " not in answer.raw


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (b"X-Odd: sk-1\0b", "in the field X-Odd"),
        (b"X-Odd: sk-1\rb", "in the field X-Odd"),
        (b"Transfer-Encoding: \x01sk-1", "in the field Transfer-Encoding"),
        (b"Content-Length : 2", "in the field Content-Length"),
        (b"X-Odd\x01: sk-1", "in the name of a field"),
        (b"Content-Length;: 2", "in the name of a field"),
    ],
)
async def test_the_cause_names_the_field(serve, start, line, place):
    """So that whoever runs the upstream knows what to mend; never its value."""
    upstream = await serve(b"HTTP/1.1 200 OK\r\n" + line + b"\r\nX-B: c\r\n\r\nhi")
    proxy = await start(one_route(upstream.origin))

    assert 502 == (await proxy.ask(get())).status
    cause = (await proxy.logged())["cause"]
    assert place in cause
    assert "sk-1" not in cause
