"""A process that writes an audit file, as a test's parent tells it."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.access.audit import RETRY_S, AuditFile
from proxy.dataplane.errors import AuditUnavailable
from proxy.observe.log import Log


if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def line(name, number, pad=0):
    """Return a line that no other is like, spelled as ours are: half of one is known by that."""
    told = {"ts": "now", "by": name, "number": number, "pad": "x" * pad}
    return json.dumps(told, separators=(",", ":")).encode()


def say(*words):
    """Tell the parent."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def many(path, name, lines, max_size):
    """Write so many lines, seven a turn of the loop."""
    log = Log()
    audit = AuditFile(path, int(max_size), 10_000, "deny", log)
    say("ready")
    sys.stdin.readline()
    for number in range(int(lines)):
        audit.line(line(name, number))
        if not number % 7:
            await asyncio.sleep(0)
    audit.close()
    log.flush()


async def endless(path):
    """Write long lines until killed; say so every now and then."""
    audit = AuditFile(path, 1 << 40, 1, "deny", Log())
    for number in count():
        audit.line(line("killed", number, 50_000))
        await asyncio.sleep(0)
        say(number)


async def limited(path, limit):
    """Write up to a limit of the file's size, then have it lifted."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
    now = 0.0
    log = Log()
    audit = AuditFile(path, 1 << 40, 1, "deny", log, now=lambda: now)
    decided = 0
    try:
        while True:
            audit.check()
            for _ in range(3):
                audit.line(line("limited", decided))
                decided += 1
            audit.flush()
    except AuditUnavailable as refusal:
        say(decided, path.stat().st_size, path.read_bytes()[-1:] == b"\n", refusal.cause)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    now += RETRY_S
    audit.check()
    audit.close()
    log.flush()


KINDS: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "many": many,
    "endless": endless,
    "limited": limited,
}

if __name__ == "__main__":
    kind, file, *rest = sys.argv[1:]
    asyncio.run(KINDS[kind](Path(file), *rest))
