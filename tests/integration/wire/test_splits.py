"""Where the network cuts a message changes nothing: every cut, on both sides."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.rig.proxy import one_route, running
from tests.integration.rig.upstream import OK, Upstream
from tests.integration.wire.case import CHUNKS, CL5, END, GET, HEAD, HELLO, OLD, POST, TE
from tests.integration.wire.recorder import turns


if TYPE_CHECKING:
    from collections.abc import Iterator


OPEN: Final = b"HTTP/1.1 200 OK\r\n"
HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n"
GO_ON: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
IN_CHUNKS: Final = OPEN + TE + b"\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: y\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Exchange:
    """Valid requests on one connection, and a valid answer to each."""

    name: str
    sent: bytes
    says: tuple[bytes, ...]
    heads: tuple[bool, ...] = (False,)
    closes: bool = False

    def __str__(self) -> str:
        return self.name


EXCHANGES: Final = [
    Exchange("length up, length down", POST + CL5 + HELLO, (OK,)),
    Exchange("chunks up, chunks down", POST + TE + CHUNKS, (IN_CHUNKS,)),
    Exchange("many chunks up", POST + TE + b"\r\n1;a=b\r\nh\r\n4\r\nello\r\n0\r\n\r\n", (OK,)),
    Exchange("closing down", GET + END, (OPEN + b"\r\nhello",), closes=True),
    Exchange("HTTP/1.0 down", GET + END, (b"HTTP/1.0 200 OK\r\n\r\nhello",), closes=True),
    Exchange("HTTP/1.0 up", OLD + END, (OK,)),
    Exchange("1xx down", POST + b"Expect: 100-continue\r\n" + CL5 + HELLO, (GO_ON + HINTS + OK,)),
    Exchange("HEAD", HEAD + END, (OK[:-2],), (True,)),
    Exchange("204 and 304", (GET + END) * 2, (b"HTTP/1.1 204 No\r\n\r\n", b"HTTP/1.1 304 No\r\n\r\n"), (False,) * 2),
    Exchange("a pipelined pair", POST + CL5 + HELLO + GET + END, (OK, IN_CHUNKS), (False,) * 2),
    Exchange("a pipelined pair in chunks", (POST + TE + CHUNKS) * 2, (IN_CHUNKS, OK), (False,) * 2),
    Exchange("empty lines before", b"\r\n\r\n" + GET + END, (b"\r\n" + OK,)),
]  # fmt: skip


class Stage:
    """One proxy and one upstream for all the cuts of an exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.upstream = Upstream(script=self._serve)
        self.cut = (0, 0)
        self.answered = 0

    @contextlib.asynccontextmanager
    async def open(self):
        """Run both."""
        async with self.upstream, running(one_route(self.upstream.origin)) as self.proxy:
            yield self

    async def _serve(self, visit) -> None:
        while True:
            await visit.request()
            answer = self.exchange.says[self.answered]
            self.answered += 1
            await self._send(visit, answer, self.cut[1])
            if self.exchange.closes:
                visit.close()

    @staticmethod
    async def _send(end, data: bytes, cut: int) -> None:
        """Send in two segments, or byte by byte if `cut` is below zero."""
        parts = [data[:cut], data[cut:]] if cut >= 0 else [bytes([each]) for each in data]
        for part in filter(None, parts):
            end.send(part)
            await turns()

    async def play(self, up: int = 0, down: int = 0):
        """Return what the upstream got and the client got, less where chunks were cut."""
        self.cut, self.answered = (up, down), 0
        self.upstream.requests.clear()
        async with await self.proxy.client() as client:
            await self._send(client, self.exchange.sent, up)
            answers = [await client.answer(to_head=head) for head in self.exchange.heads]
            rest = client.received
        got = [(each.line, each.fields, each.body) for each in self.upstream.requests]
        return got, [(a.line, a.fields, a.body, a.interim) for a in answers], rest


def cuts(data: bytes, step: int = 1) -> Iterator[int]:
    """Return every place where a message can be cut, and -1 for all of them at once."""
    yield -1
    yield from range(1, len(data), step)


async def check(exchange: Exchange, step: int) -> None:
    """Play every cut on either side."""
    async with Stage(exchange).open() as stage:
        whole = await stage.play()
        for cut in cuts(exchange.sent, step):
            assert whole == await stage.play(up=cut), f"request cut at {cut}"
        for cut in cuts(max(exchange.says, key=len), step):
            assert whole == await stage.play(down=cut), f"answer cut at {cut}"
    assert len(whole[0]) == len(whole[1]) == len(exchange.says)
    assert b"" == whole[2]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=str)
async def test_no_cut_changes_a_byte(exchange):
    """The same requests go on and the same answers come back as from one segment."""
    await check(exchange, 1)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=str)
async def test_on_asyncio_no_cut_changes_a_byte(exchange):
    """Every fifth cut on the other loop."""
    await check(exchange, 5)
