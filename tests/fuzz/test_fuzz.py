"""No crash, no hang, no second request, no foreign answer, whatever the bytes."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import re
import time
from typing import Final

import pytest
import uvloop
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st

from tests.fuzz import reference
from tests.fuzz.mutations import ANSWERS, REQUESTS, SEGMENTS, cut, mutated
from tests.fuzz.stage import FUZZED, Stage
from tests.integration.rig.message import take_answer
from tests.integration.rig.proxy import get


pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(0)]

DURATION_S: Final = float(os.environ.get("FUZZ_SECONDS", "600")) / 2
"""Of each of the two tests."""
ROUND: Final = 500
"""Examples between two looks at the clock."""
_SETTINGS: Final = settings(
    max_examples=ROUND,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
_OURS: Final = frozenset({b"host", b"authorization", b"content-length", b"transfer-encoding"})
_ORIGIN: Final = re.compile(rb"\A[Hh][Tt][Tt][Pp][Ss]?://[^/?]*")


@pytest.fixture(autouse=True)
def _quiet():
    """Let a test take minutes without a dump of where it is."""
    faulthandler.cancel_dump_traceback_later()


def rounds(check, **strategies) -> int:
    """Run rounds of examples, each with a seed of its own, until the time is over."""
    ends, count = time.monotonic() + DURATION_S, 0
    number = int(os.environ.get("FUZZ_SEED", str(time.time_ns())))
    while time.monotonic() < ends:
        seed(number + count)(_SETTINGS(given(**strategies)(check)))()
        count += 1
    return count * ROUND


def forwarded_path(target: bytes) -> bytes:
    """Return what an upstream is asked for, but for stripped parameters."""
    path = _ORIGIN.sub(b"", target, count=1).removeprefix(b"/api").partition(b"?")[0]
    return path or b"/"


def is_same(one, each) -> bool:
    """Tell whether a forwarded request is one that was found: its path, its body, its fields."""
    asked = (one.method, one.target.partition(b"?")[0], one.body)
    fields = [(name.lower(), value) for name, value in one.fields if name.lower() not in _OURS]
    rest = iter(each.fields)
    return asked == (each.method, forwarded_path(each.target), each.body) and all(
        field in rest for field in fields
    )


def is_among(seen, found) -> bool:
    """Tell whether requests are some of those that were found, in their order."""
    rest = iter(found)
    return all(any(is_same(one, each) for each in rest) for one in seen)


async def ask(stage: Stage, data: bytes, places: list[int]) -> None:
    """Send mutated requests, and hold what goes on against the reference."""
    found = reference.requests(data)
    await stage.send(cut(data, places), [each.method == b"HEAD" for each in found])
    seen = await stage.clean()

    assert is_among(seen, found), (seen, found)


async def answer(stage: Stage, data: bytes, places: list[int], how: str) -> None:
    """Have the upstream answer mutated bytes, and hold what comes back against the reference."""
    stage.parts, stage.how = cut(data, places), how
    expected = reference.answer(data, finished=how == "close")
    client = await stage.send([get("/api" + FUZZED.decode())], [False])
    got = take_answer(client.received, ended=False)
    if got is not None and got.one(b"Proxy-Status") is None:
        assert expected == (got.status, got.body), (expected, got)
    if got is not None:
        size = len(got.raw) + sum(map(len, got.interim))
        assert b"" == client.received[size:]
    await stage.canary()
    seen = await stage.clean()

    assert [FUZZED, b"/canary"] == [each.target for each in seen]


def run(examples, capsys) -> None:
    """Run examples on one proxy, on the loop that is used, and tell how many."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stage = runner.run(Stage().__aenter__())
        try:
            count = examples(runner.run, stage)
        finally:
            runner.run(stage.__aexit__(None, None, None))
    with capsys.disabled():
        print(f"\n{count} examples")  # noqa: T201 -- the figure is what a long run is for
    assert count > 0


def test_requests(capsys):
    """What is forwarded is what a strict reader finds; every exchange ends."""

    def examples(play, stage):
        def check(data, places):
            play(ask(stage, data, places))

        return rounds(check, data=mutated(REQUESTS), places=SEGMENTS)

    run(examples, capsys)


def test_answers(capsys):
    """What a client gets whole is what a strict reader finds whole; nobody gets another's."""

    def examples(play, stage):
        def check(data, places, how):
            play(answer(stage, data, places, how))

        leaving = st.sampled_from(["close", "reset"])
        return rounds(check, data=mutated(ANSWERS), places=SEGMENTS, how=leaving)

    run(examples, capsys)
