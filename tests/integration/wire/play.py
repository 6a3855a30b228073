"""Plays one case on a proxy with a recording upstream."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tests.integration.rig.proxy import one_route, running
from tests.integration.rig.raw import Client
from tests.integration.wire.case import After, AnyOrder, Arrived, Do, OneOf, Ours, Until
from tests.integration.wire.judge import check_own, check_secrets, check_upstream, matches, same
from tests.integration.wire.recorder import (
    CANARY,
    CANARY_ANSWER,
    Recorder,
    perform,
    steps,
    turns,
)


if TYPE_CHECKING:
    from tests.integration.wire.case import Case, Step, Steps


PATIENCE_S: Final = 4.0


class Peer(Client):
    """A client that goes on sending when the proxy has half-closed, and forgets nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.everything = b""

    def data_received(self, data):
        """Keep it all."""
        self.everything += data
        super().data_received(data)

    def eof_received(self):
        """Stay open: what is sent now must not be read as a request."""
        super().eof_received()
        self.bell.ring()
        return True

    async def wait(self, condition, what=""):
        """Wait until the condition holds."""
        await self.bell.until(condition, f"{what}; have {self.received[:300]!r}", PATIENCE_S)


class Exchange:
    """The client's side of a case."""

    def __init__(self, case: Case, client: Peer, recorder: Recorder) -> None:
        self.case = case
        self.client = client
        self.recorder = recorder
        prefix = b"" if case.listener else b"/api"
        self.canary = CANARY % prefix
        # Where other origins are named, every answer may differ by Origin.
        varies = b"\r\nVary: Origin\r\n\r\n" if "cors" in case.config else b"\r\n\r\n"
        self.canary_answer = CANARY_ANSWER.replace(b"\r\n\r\n", varies)
        self.kept = case.after == After.KEEP

    async def run(self) -> None:
        """Send, and take what comes."""
        case = self.case
        await turns()
        for step in self._sent():
            await self._perform(step)
        expected = case.answer if isinstance(case.answer, tuple) else (case.answer,)
        for answer in expected:
            await self._take(answer)
        if case.apart:
            await self._over()
            await self._chirp()
        await self._after()

    async def _chirp(self) -> None:
        """Send the canary, if the connection still takes it."""
        half_closed = Do.HALF in steps(self.case.sent)
        if not self.client.transport.is_closing() and not half_closed:
            self.client.send(self.canary)
            await turns()

    def _sent(self) -> Steps:
        case = self.case
        sent = steps(case.sent)
        behind = self.canary if case.behind is None else case.behind
        if case.apart or case.after in (After.LEFT, After.TUNNEL) or not behind:
            return sent
        if isinstance(sent[-1], bytes):
            return (*sent[:-1], sent[-1] + behind)
        return (*sent, behind)

    async def _perform(self, step: Step) -> None:
        client, upstream = self.client, self.recorder.upstream
        match step:
            case Until():
                await client.wait(lambda: step.part in client.received, f"for {step.part!r}")
            case Arrived():
                await upstream.bell.until(
                    lambda: any(step.part in visit.received for visit in upstream.visits),
                    f"for {step.part!r} at the upstream",
                    PATIENCE_S,
                )
            case _:
                await perform(client, step)

    async def _over(self) -> None:
        """Wait until the upstream has no more to say."""
        recorder = self.recorder
        await recorder.upstream.bell.until(lambda: not recorder.busy, "for the upstream", 4)
        await turns()

    async def _take(self, expected) -> None:
        if isinstance(expected, bytes):
            await self._take_bytes(expected)
        elif isinstance(expected, AnyOrder):
            size = len(expected.raw)
            await self.client.wait(lambda: len(self.client.received) >= size, "for an answer")
            assert same(expected, self.client.received[:size])
            self.client.received = self.client.received[size:]
        else:
            await self._take_own(expected)

    async def _take_bytes(self, expected: bytes) -> None:
        client = self.client
        if self.case.after == After.EITHER:
            closing = expected.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
            await client.wait(lambda: b"\r\n\r\n" in client.received, "for a head")
            self.kept = b"Connection: close" not in client.received.partition(b"\r\n\r\n")[0]
            expected = expected if self.kept else closing

        def decided() -> bool:
            come = client.received[: len(expected)]
            return come == expected or not expected.startswith(come) or client.ending is not None

        await client.wait(decided, f"for {expected[:300]!r}")
        assert expected == client.received[: len(expected)]
        client.received = client.received[len(expected) :]

    async def _take_own(self, expected: Ours | OneOf) -> None:
        choice = expected.choice if isinstance(expected, OneOf) else (expected,)
        client = self.client
        if () in choice:
            await client.wait(lambda: client.ending is not None or client.received, "for an end")
            if not client.received:
                return
        answer = await client.answer(to_head=self.case.to_head)
        found = [each for each in choice if isinstance(each, Ours) and matches(answer, each)]
        assert found, (choice, answer.raw)
        if found[0].code != "":
            check_own(answer, to_head=self.case.to_head)
        if self.case.after == After.EITHER:
            self.kept = b"close" != answer.one(b"Connection")
        # A client reads from the field what becomes of the connection, or waits in vain.
        closes = self.case.after == After.CLOSED and b"" == client.received
        assert not closes or b"close" == answer.one(b"Connection")

    async def _after(self) -> None:
        client, after = self.client, self.case.after
        if self.kept:
            await self._take_canary()
            return
        if after == After.LEFT:
            await self._left()
            return
        ending = await client.ended(PATIENCE_S)
        assert b"" == client.received
        assert after != After.RESET or ending == "RST"
        assert after not in (After.CLOSED, After.EITHER) or ending == "FIN"
        if after in (After.CUT, After.RESET):
            await self._given_up()
        await self._chirp()

    async def _take_canary(self) -> None:
        client = self.client
        await client.wait(
            lambda: len(client.received) >= len(self.canary_answer) or client.ending,
            "for the canary",
        )
        assert self.canary_answer == client.received
        assert None is client.ending

    async def _left(self) -> None:
        await self._given_up()
        assert b"" == self.client.received

    async def _given_up(self) -> None:
        """Wait until no connection to the upstream is left: what is in doubt is not kept."""
        for visit in self.recorder.upstream.visits:
            await visit.gone(PATIENCE_S)


async def play(case: Case) -> None:
    """Play a case, and check it.

    Where the connection is to be closed this is done once with the canary in the same segment and
    once without: what stands behind a request may make a parser refuse both.
    """
    await _play(case)
    if case.after == After.CLOSED and case.behind is None:
        await _play(replace(case, apart=True))


async def _play(case: Case) -> None:
    recorder = Recorder(case)
    async with recorder.upstream as upstream:
        keys = {"upstream": upstream.origin} | dict(case.route)
        config = one_route(**keys) | dict(case.config)
        async with (
            running(config) as proxy,
            await Peer.connect(proxy.port_of(case.listener)) as client,
        ):
            exchange = Exchange(case, client, recorder)
            await exchange.run()
        # Nothing can be forwarded any more.
        check_upstream(case, recorder.requests, kept=exchange.kept)
        check_secrets(proxy, client.everything)
