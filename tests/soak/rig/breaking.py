"""An upstream that does to each exchange what its plan says, and sees to it that none is mixed."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.integration.rig.message import chunks, split_head
from tests.integration.rig.patience import Bell
from tests.integration.rig.upstream import Gone
from tests.soak.rig.plan import IDEMPOTENT, cut, marked


if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.rig.message import Fields
    from tests.integration.rig.upstream import Visit
    from tests.soak.rig.plan import Leaving, Plan


MARK: Final = re.compile(rb"\[(\d+)\]")
SURPLUS: Final = b"HTTP/1.1 200 OK\r\nX-Number: [0]\r\nContent-Length: 3\r\n\r\n[0]"
"""An answer that nobody asked for."""
_HELD_S: Final = 20.0


class Breaking:
    """The script of each connection.

    Args:
        plan_of: a number's plan.
        credential: what every request must carry.

    Attributes:
        arrived: how often the head of each number came.
        completed: how often the whole request did.
        wrong: what must not be, in words.
        bell: rings at each arrival.
    """

    def __init__(self, plan_of: Callable[[int], Plan], credential: bytes) -> None:
        self._plan_of = plan_of
        self._credential = credential
        self.arrived: Counter[int] = Counter()
        self.completed: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.bell = Bell()

    async def script(self, visit: Visit) -> None:
        """Serve a connection to its end."""
        while True:
            await self._until(visit, lambda: split_head(visit.received) is not None)
            plan, fields = self._take(visit)
            again = self.arrived[plan.number] > 1
            place = "nowhere" if again else plan.at_upstream
            if place == "head":
                await self._leave(visit, plan.upstream_leaves)
            if place == "early":
                await self._answer(visit, plan)
            await self._upload(visit, plan, fields, place)
            if place == "request":
                await self._leave(visit, plan.upstream_leaves)
            if place != "early":
                await self._answer(visit, plan, place)
            if place == "after":
                await self._leave(visit, "close" if plan.closes_behind else "reset")
            if plan.framing == "closing" and not plan.bodiless:
                await self._leave(visit, "close")

    def _take(self, visit: Visit) -> tuple[Plan, Fields]:
        """Take a head off what has come."""
        head = split_head(visit.received)
        assert head is not None
        line, fields, end = head
        visit.received = visit.received[end:]
        plan = self._plan_of(int(line.split(b" ")[1].rpartition(b"/")[2]))
        number, named = plan.number, dict(fields)
        self.arrived[number] += 1
        if self.arrived[number] > (2 if plan.method in IDEMPOTENT else 1):
            self._blame(plan, f"arrives {self.arrived[number]} times")
        if named.get(b"X-Number") != b"[%d]" % number:
            self._blame(plan, f"has the fields of {named.get(b'X-Number')!r}")
        if named.get(b"Authorization") != self._credential:
            self._blame(plan, "has not the credential")
        self.bell.ring()
        return plan, fields

    async def _upload(self, visit: Visit, plan: Plan, fields: Fields, place: str) -> None:
        """Take the body of a request, or a part of it."""
        names = {name.lower() for name, _ in fields}
        if plan.upload_framing is None:
            if names & {b"content-length", b"transfer-encoding"}:
                self._blame(plan, "has got a body")
            self.completed[plan.number] += 1
            return
        if place == "upload":
            enough = int(len(plan.upload) * plan.part)
            await self._until(visit, lambda: len(visit.received) >= enough)
            await self._leave(visit, plan.upstream_leaves)
        length = len(plan.upload) if b"content-length" in names else None

        def taken() -> tuple[bytes, int] | None:
            if length is None:
                return chunks(visit.received, 0)
            return (visit.received[:length], length) if len(visit.received) >= length else None

        await self._until(visit, lambda: taken() is not None)
        body, end = taken() or (b"", 0)
        visit.received = visit.received[end:]
        self.completed[plan.number] += 1
        if body != plan.upload:
            self._blame(plan, f"has a body of {len(body)} bytes: {sorted(set(MARK.findall(body)))}")

    async def _answer(self, visit: Visit, plan: Plan, place: str = "nowhere") -> None:
        head, body = answer_to(plan)
        if place == "answer-head":
            self._send(visit, head[: 1 + int((len(head) - 1) * plan.part)])
            await self._leave(visit, plan.upstream_leaves)
        if place == "answer-body" and body:
            data = head + b"".join(body)
            self._send(visit, data[: len(head) + int((len(data) - len(head)) * plan.part)])
            await asyncio.sleep(0)
            await self._leave(visit, plan.upstream_leaves)
        *before, last = [head, *body]
        for piece in before:
            self._send(visit, piece)
            await asyncio.sleep(0)
        # In one write: behind the next request nobody could tell it from the answer to that.
        surplus = place == "surplus" and (plan.bodiless or plan.framing != "closing")
        self._send(visit, last + SURPLUS if surplus else last)

    @staticmethod
    def _send(visit: Visit, data: bytes) -> None:
        if visit.lost:
            raise Gone
        visit.send(data)

    @staticmethod
    async def _until(visit: Visit, condition: Callable[[], object]) -> None:
        await visit.bell.until(lambda: condition() or visit.lost, "for the proxy", _HELD_S)
        if not condition():
            raise Gone

    @staticmethod
    async def _leave(visit: Visit, how: Leaving) -> None:
        """Break the connection off, or do nothing more and wait until the proxy does."""
        if how == "reset":
            visit.reset()
        elif how == "close":
            visit.close()
        await visit.gone(_HELD_S)
        raise Gone

    def _blame(self, plan: Plan, what: str) -> None:
        self.wrong.append(f"at the upstream, {plan.method} {plan.number} {what}")


def answer_to(plan: Plan) -> tuple[bytes, list[bytes]]:
    """Return the head of an answer, and its body as it is written."""
    head = b"HTTP/1.1 200 OK\r\nX-Number: [%d]\r\n" % plan.number
    data = cut(plan.download, plan.pieces)
    assert plan.download == marked(plan.number, len(plan.download))
    if plan.framing == "length":
        head += b"Content-Length: %d\r\n" % len(plan.download)
    elif plan.framing == "chunked":
        head += b"Transfer-Encoding: chunked\r\n"
        data = [*(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in data), b"0\r\n\r\n"]
    return head + b"\r\n", [] if plan.bodiless else data
