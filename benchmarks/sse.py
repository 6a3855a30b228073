"""Idle event streams: what memory so many of them take."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.figures import Verdict
from benchmarks.latency import head
from benchmarks.listeners import OPEN
from benchmarks.load import CLIENT_HEADERS, MIB
from benchmarks.measure import (
    LOAD_CORE,
    ROOT,
    bare_environment,
    end_group,
    pinned,
    running,
    usage,
)
from benchmarks.peers import EVENTS_PATH, PREFIX, Upstream
from benchmarks.peers.standin import StandIn
from benchmarks.report import OURS, Column, Part, failures, peers_table
from benchmarks.rounds import Game, TurnError, play, start_all
from benchmarks.setup import PEERS


if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.measure import Running
    from benchmarks.setup import Setup


STREAMS = 5000
BAR_MIB = 400
IDLE_S = 2
SPARE = 500  # clients beside the streams
RSS = Column(f"RSS MiB with {STREAMS:,} streams", "rss_mib", 0)
BEFORE = Column("RSS before, MiB", "before_mib", 0)
EACH = Column("KiB per stream", "each_kib", 1)


@contextlib.contextmanager
def clients(port: int) -> Iterator[subprocess.Popen[str]]:
    """The listeners' process, ended with the block."""
    request = head(f"{PREFIX}{EVENTS_PATH}", CLIENT_HEADERS)
    process = subprocess.Popen(
        pinned(
            LOAD_CORE,
            [sys.executable, "-m", "benchmarks.listeners", str(port), str(STREAMS), request],
        ),
        cwd=ROOT,
        env=bare_environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        end_group(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def take(peer: Running) -> dict[str, float]:
    """A turn: opens all streams, lets them be idle, and reads the proxy's memory."""
    before = usage(peer.group).rss
    with clients(peer.port) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stderr is not None
        # Their own time limit ends them, and so this, if the streams do not come.
        if process.stdout.readline().strip() != OPEN:
            raise TurnError(f"not all streams were opened: {process.stderr.read()[-500:]}")
        time.sleep(IDLE_S)
        rss = usage(peer.group).rss
        process.stdin.write("\n")
        process.stdin.flush()
        left = int(process.stdout.readline() or 0)
    if left != STREAMS:
        raise TurnError(f"only {left} of {STREAMS} streams stayed open")
    return {
        "rss_mib": rss / MIB,
        "before_mib": before / MIB,
        "each_kib": (rss - before) / STREAMS / 1024,
    }


def sse(setup: Setup) -> Part:
    """The part of the report."""
    directory = setup.directory / "sse"
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(running(StandIn(), LOAD_CORE, directory))
        behind = Upstream(upstream.port, clients=STREAMS + SPARE)
        started = start_all(stack, PEERS, directory, behind)
        # One round: what is counted is memory, and a proxy that keeps streams whose client has gone
        # would have the upstream run out of descriptors in the next.
        figures = play(started, Game(1), take, lambda turns: turns[0], warm_up=lambda _: None)
    bar = Verdict(
        f"memory with {STREAMS:,} idle streams, MiB",
        figures[OURS].spread(RSS.name),
        BAR_MIB,
        digits=0,
    )
    title = f"{STREAMS:,} idle event streams"
    return Part(title, peers_table(figures, [RSS, BEFORE, EACH]), [bar], failures=failures(figures))
