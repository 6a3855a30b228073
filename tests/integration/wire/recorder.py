"""The upstream of a case: it records what comes and says what the case says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tests.integration.rig.message import take_request
from tests.integration.rig.proxy import TOKEN
from tests.integration.rig.upstream import OK, Gone, Upstream
from tests.integration.wire.case import Do, Each, Until


if TYPE_CHECKING:
    from tests.integration.rig.end import End
    from tests.integration.rig.upstream import Visit
    from tests.integration.wire.case import Case, Step, Steps


TURNS: Final = 12
"""Of the loop: in one process what has been sent is there at once, and is read in the next turn."""

CANARY: Final = b"GET %b/canary HTTP/1.1\r\nHost: localhost\r\n\r\n"
CANARY_SEEN: Final = (
    b"GET /canary HTTP/1.1\r\nHost: upstream\r\nAuthorization: Bearer %b\r\n\r\n" % TOKEN.encode()
)
CANARY_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncanary"


async def turns() -> None:
    """Let everything happen that is about to happen."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


def steps(script: bytes | Steps) -> Steps:
    """Return a script as its steps."""
    return (script,) if isinstance(script, bytes) else script


async def perform(end: End, step: Step) -> None:
    """Do what can be done with either end of a connection."""
    match step:
        case bytes():
            end.transport.write(step)
            await turns()
        case Do.FIN:
            end.close()
        case Do.HALF:
            end.finish()
        case Do.RST:
            await turns()  # else it would overtake the bytes
            end.reset()
        case _:
            await turns()


class Recorder:
    """An upstream's script: keeps each connection's bytes, and says what the case says."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.upstream = Upstream(script=self.serve)
        self.asked = 0
        self.busy = 0

    async def serve(self, visit: Visit) -> None:
        """Serve one connection until it ends or the script has no more to say."""
        at = 0
        while True:
            is_canary = await self._next(visit, at)
            self.busy += 1
            script = (CANARY_ANSWER,) if is_canary else self._script()
            for step in script:
                await self._perform(visit, step)
            first = script[0] if script else b""
            if len(script) > 1 and isinstance(first, bytes) and first.startswith(b"HTTP/1.1 101"):
                self.busy -= 1
                return  # what comes now is no request, whatever it looks like
            request = take_request(visit.received[at:])
            at = len(visit.received) if request is None else at + len(request.raw)
            self.busy -= 1
            self.upstream.bell.ring()

    async def _next(self, visit: Visit, at: int) -> bool:
        """Wait for a request, or its head; tell whether it is the canary."""

        def there() -> bool:
            rest = visit.received[at:]
            return (self.case.early and b"\r\n\r\n" in rest) or take_request(rest) is not None

        await visit.bell.until(lambda: there() or visit.lost, "for a request", 60)
        if not there():
            raise Gone
        return b"/canary" in visit.received[at:].partition(b"\r\n")[0]

    def _script(self) -> Steps:
        says = self.case.says
        self.asked += 1
        if isinstance(says, Each):
            at = self.asked - 1
            return steps(says.scripts[at]) if at < len(says.scripts) else (OK,)
        return steps(says)

    async def _perform(self, visit: Visit, step: Step) -> None:
        match step:
            case bytes():
                authority = b"127.0.0.1:%d" % self.upstream.port
                await perform(visit, step.replace(b"{upstream}", authority))
            case Until():
                await visit.until(step.part)
            case _:
                await perform(visit, step)

    @property
    def requests(self) -> list[bytes]:
        """What has come, request by request, the beginning of another one included."""
        found = []
        for visit in self.upstream.visits:
            rest = visit.received.replace(b"127.0.0.1:%d" % self.upstream.port, b"upstream")
            while (request := take_request(rest)) is not None:
                found.append(request.raw)
                rest = rest[len(request.raw) :]
            found += [rest] if rest else []
        return found
