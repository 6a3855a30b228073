"""Clients in parallel that carry out plans, break off, and look at every byte they get."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.integration.rig.message import split_head, take_answer
from tests.integration.rig.raw import Client
from tests.soak.rig.breaking import MARK
from tests.soak.rig.plan import cut


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.rig.message import Answer
    from tests.soak.rig.breaking import Breaking
    from tests.soak.rig.plan import Plan


PARALLEL: Final = 48
ENDS_S: Final = 20.0
"""What takes longer hangs: the longest limit that is set is a second or two."""
REFUSALS: Final = frozenset({502, 504})


class Storm:
    """Many exchanges through one proxy.

    Args:
        port: of the proxy.
        upstream: what happens at its other side.
        plan_of: a number's plan.

    Attributes:
        ends: how many exchanges ended in which way.
        wrong: what must not be, in words.
        refused: innocent ones that got 502: another's plan had broken their connection.
        longest_s: what the slowest exchange took.
    """

    def __init__(self, port: int, upstream: Breaking, plan_of: Callable[[int], Plan]) -> None:
        self._port = port
        self._upstream = upstream
        self._plan_of = plan_of
        self.ends: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.refused: list[int] = []
        self.longest_s = 0.0

    async def run(self, count: int) -> None:
        """Carry out the plans 1..count."""
        numbers = iter(range(1, count + 1))
        async with asyncio.TaskGroup() as group:
            for _ in range(PARALLEL):
                group.create_task(self._work(numbers))

    async def _work(self, numbers: Iterator[int]) -> None:
        client: Client | None = None
        for number in numbers:
            plan = self._plan_of(number)
            if client is not None and client.ending is not None:
                self._blame(plan, "comes upon a connection that has been closed without a word")
                client = None
            if client is None:
                client = await Client.connect(self._port)
            began = time.monotonic()
            try:
                async with asyncio.timeout(ENDS_S):
                    end = await self._carry_out(plan, client)
            except (TimeoutError, AssertionError) as error:
                end = f"hangs or wrong: {error}"
                self._blame(plan, f"{end}; has {client.received[:200]!r}")
            self.ends[end] += 1
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            if end != "kept":
                client.transport.abort()
                await client.ended()
                client = None
        if client is not None:
            client.close()
            await client.ended()

    async def _carry_out(self, plan: Plan, client: Client) -> str:
        """Ask, or a part of it; return how it ended."""
        if client.received:
            self._blame(plan, f"comes upon {client.received[:100]!r}, which nobody asked for")
        head, body = request_of(plan)
        match plan.at_client:
            case "before":
                pass
            case "head":
                self._send(client, head[: 1 + int((len(head) - 1) * plan.part)])
            case "body":
                whole = b"".join(body)
                self._send(client, head + whole[: int(len(whole) * plan.part)])
            case _:
                await self._ask(client, head, body)
                if plan.at_client == "nowhere":
                    return await self._take(plan, client)
                await self._moment(plan, client)
        return await self._leave(plan, client)

    async def _ask(self, client: Client, head: bytes, body: list[bytes]) -> None:
        self._send(client, head)
        for piece in body:
            await asyncio.sleep(0)
            self._send(client, piece)

    async def _moment(self, plan: Plan, client: Client) -> None:
        """Wait for the moment to leave."""
        if plan.at_client == "streaming":
            enough = 1 + int(len(plan.download) * plan.part)
            await client.bell.until(
                lambda: len(client.received) >= enough or client.ending or answered(plan, client),
                "for a part",
                ENDS_S,
            )
        elif plan.patient:
            await self._arrived(plan, client)

    @staticmethod
    def _send(client: Client, data: bytes) -> None:
        if client.ending is None:
            client.send(data)

    async def _leave(self, plan: Plan, client: Client) -> str:
        if client.ending is None:
            getattr(client, plan.client_leaves)()
        await client.bell.until(lambda: client.ending is not None, "for the end", ENDS_S)
        self._look(plan, client)
        return f"client: {plan.at_client}"

    async def _arrived(self, plan: Plan, client: Client) -> None:
        """Wait until the request is at the upstream, or the client has got something instead."""
        arrived = self._upstream.arrived
        ways = (
            (self._upstream.bell, lambda: arrived[plan.number]),
            (client.bell, lambda: client.received or client.ending is not None),
        )
        tasks = [asyncio.ensure_future(bell.until(now, limit_s=ENDS_S)) for bell, now in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, plan: Plan, client: Client) -> str:
        """Take the answer, judge it, and return how the exchange ended."""
        await client.bell.until(
            lambda: answered(plan, client) or client.ending, "for an answer", ENDS_S
        )
        self._look(plan, client)
        answer = answered(plan, client)
        if answer is None:
            self._judge_cut(plan, client)
            return "cut short"
        client.received = client.received[len(answer.raw) :]
        self._judge(plan, answer)
        said_close = answer.one(b"Connection") == b"close"
        if answer.status in REFUSALS:
            client.close()
            return str(answer.status)
        return "kept" if plan.keeps and not said_close else "whole"

    def _judge(self, plan: Plan, answer: Answer) -> None:
        """See to it that an answer is the one that the plan leads to."""
        once = self._upstream.arrived[plan.number] == 1
        if answer.status in REFUSALS:
            if answer.one(b"Proxy-Status") is None:
                self._blame(plan, f"gets {answer.status} from somebody else")
            if plan.innocent:
                self.refused.append(plan.number)
        elif answer.status != 200:
            self._blame(plan, f"gets {answer.raw[:300]!r}")
        elif plan.broken and once and not plan.seems_whole:
            self._blame(plan, f"gets a whole answer, but {plan.at_upstream} was broken")
        elif answer.one(b"X-Number") != b"[%d]" % plan.number:
            self._blame(plan, f"gets the head of {answer.one(b'X-Number')!r}")
        else:
            wanted = b"" if plan.bodiless else plan.download
            short = plan.seems_whole and wanted.startswith(answer.body)
            if answer.body != wanted and not short:
                self._blame(plan, f"gets {len(answer.body)} bytes of {len(wanted)}")

    def _judge_cut(self, plan: Plan, client: Client) -> None:
        if plan.innocent:
            self._blame(plan, f"is cut short behind {len(client.received)} bytes")
        elif not plan.broken and plan.at_upstream != "after":
            self._blame(plan, "is cut short, though the upstream did no such thing")
        elif split_head(client.received) is None:
            self._blame(plan, f"gets half a head or nothing: {client.received!r}")

    def _look(self, plan: Plan, client: Client) -> None:
        """See to it that no byte is another exchange's."""
        marks = set(MARK.findall(client.received)) - {b"%d" % plan.number}
        if marks:
            self._blame(plan, f"gets bytes of {sorted(marks)}")

    def _blame(self, plan: Plan, what: str) -> None:
        self.wrong.append(f"at the client, {plan.method} {plan.number} {what}")


def answered(plan: Plan, client: Client) -> Answer | None:
    """Return the whole answer, if it has come."""
    return take_answer(client.received, to_head=plan.bodiless)


def request_of(plan: Plan) -> tuple[bytes, list[bytes]]:
    """Return the head of a request, and its body as it is written."""
    number = plan.number
    head = b"%b /api/x/%d HTTP/1.1\r\nHost: localhost\r\n" % (plan.method.encode(), number)
    head += b"X-Number: [%d]\r\n" % number
    body = cut(plan.upload, plan.pieces)
    if plan.upload_framing == "length":
        head += b"Content-Length: %d\r\n" % len(plan.upload)
    elif plan.upload_framing == "chunked":
        head += b"Transfer-Encoding: chunked\r\n"
        body = [*(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in body), b"0\r\n\r\n"]
    return head + b"\r\n", body
