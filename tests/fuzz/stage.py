"""A proxy and an upstream that live as long as a run, and one exchange after another on them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from tests.integration.rig.message import take_answer
from tests.integration.rig.proxy import BEARER, TOKEN, get, one_route, running
from tests.integration.rig.upstream import OK, Upstream
from tests.integration.wire.play import Peer
from tests.integration.wire.recorder import turns


if TYPE_CHECKING:
    from tests.integration.rig.message import Request
    from tests.integration.rig.upstream import Visit


DEADLINE_S: Final = 5.0
FUZZED: Final = b"/fuzzed"
CANARY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncanary"
_CREDENTIALS: Final = frozenset(
    {b"authorization", b"proxy-authorization", b"access-token", b"x-api-key", b"cookie"}
)


class Stage:
    """What an example is played on.

    Attributes:
        parts: what the upstream says to `/fuzzed`, in segments.
        how: how it leaves then.
    """

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.how = "close"
        self.upstream = Upstream(script=self._serve)
        self.proxy: Any = None

    async def __aenter__(self):
        await self.upstream.__aenter__()
        self._running = running(one_route(self.upstream.origin))
        self.proxy = await self._running.__aenter__()
        return self

    async def __aexit__(self, *details):
        await self._running.__aexit__(*details)
        await self.upstream.__aexit__(*details)

    async def _serve(self, visit: Visit) -> None:
        while True:
            request = await visit.request()
            if request.target != FUZZED:
                visit.send(CANARY if request.target == b"/canary" else OK)
                continue
            for part in self.parts:
                if not visit.transport.is_closing():
                    visit.send(part)
                await turns()
            if not visit.transport.is_closing():
                getattr(visit, self.how)()
            return

    async def clean(self) -> list[Request]:
        """Wait until the proxy holds no client; return what was forwarded since the last time."""
        async with asyncio.timeout(DEADLINE_S):
            while self.proxy.service.connections:  # noqa: ASYNC110 -- there is nothing to wait on
                await asyncio.sleep(0)
        await turns()
        seen, self.upstream.requests = self.upstream.requests, []
        self.upstream.visits = [visit for visit in self.upstream.visits if not visit.lost]
        log = self.proxy.log
        text, log._text = log.text, b""
        assert b'"internal"' not in text, text
        assert TOKEN.encode() not in text
        for request in seen:
            one_credential(request)
        return seen

    async def send(self, parts: list[bytes], to_heads: list[bool]) -> Peer:
        """Send segments; return the client once it has its answers, or the end.

        Args:
            parts: to send.
            to_heads: for each answer that must come whether it is one to HEAD.

        Raises:
            AssertionError: neither comes within the deadline.
        """
        self.upstream.requests = []  # an example that failed may have left some

        def answered(client: Peer) -> bool:
            return finals(client.received, to_heads) == len(to_heads)

        async with await Peer.connect(self.proxy.port) as client:
            for part in parts:
                if not client.transport.is_closing():
                    client.send(part)
                await turns()
            await client.bell.until(
                lambda: client.ending is not None or answered(client),
                f"for {len(to_heads)} answers; have {client.received!r}",
                DEADLINE_S,
            )
            await turns()
        assert TOKEN.encode() not in client.everything
        return client

    async def canary(self) -> None:
        """Ask for the canary, and get nothing else."""
        async with await Peer.connect(self.proxy.port) as client:
            client.send(get("/api/canary"))
            await client.bell.until(
                lambda: len(client.received) >= len(CANARY) or client.ending,
                f"for the canary; have {client.received!r}",
                DEADLINE_S,
            )
        assert CANARY == client.received


def finals(data: bytes, to_heads: list[bool]) -> int:
    """Return how many of the answers are there whole."""
    count = 0
    for to_head in to_heads:
        answer = take_answer(data, to_head=to_head)
        if answer is None:
            break
        count += 1
        data = data[len(answer.raw) + sum(map(len, answer.interim)) :]
    return count


def one_credential(request: Request) -> None:
    """Check that a forwarded request has our credential and no other."""
    folded = [(name.lower().replace(b"_", b"-"), value) for name, value in request.fields]
    assert [(b"authorization", BEARER)] == [each for each in folded if each[0] in _CREDENTIALS]
    assert 1 == request.raw.count(TOKEN.encode())
