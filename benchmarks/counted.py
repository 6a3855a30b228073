"""What cachegrind counts: each piece of work in two forked children, one doing more of it.

Run as `python -m benchmarks.counted`, under cachegrind; prints a line of JSON for each child.
Start-up is common to both children, so the difference of their counts is that of the work.
"""

from __future__ import annotations

import gc
import json
import os
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.pure_path import HEADS, KEYED, carrier
from benchmarks.reference import Work
from proxy.dataplane import headers


if TYPE_CHECKING:
    from collections.abc import Callable


REFERENCE = "reference"
UNASKED, ASKED = "no client needs a key", "each client needs a key"
ROUTES = (1, 100)
TIMES = (10, 60)
WARM_UP = 100  # CPython adapts its bytecode to what it has met, within some tens of calls


def pieces() -> dict[tuple[str, int], Callable[[], object]]:
    """Every piece of work by its kind and the number of routes; the reference has none."""
    found: dict[tuple[str, int], Callable[[], object]] = {(REFERENCE, 0): Work().once}
    # First, for a process meets one of them only: CPython adapts to what it has met till then.
    found[UNASKED, 1] = partial(carrier(1), KEYED)
    found[ASKED, 1] = partial(carrier(1, gateway=True), KEYED)
    for routes in ROUTES:
        carry = carrier(routes)
        found |= {(kind, routes): partial(carry, head) for kind, head in HEADS.items()}
    return found


def in_child(work: Callable[[], object], times: int) -> int:
    """Does the work so often in a child, and returns the child's process id."""
    child = os.fork()
    if child:
        if os.waitpid(child, 0)[1]:
            raise SystemExit("the counted work has failed")
        return child
    status = 1
    try:
        for _ in range(times):
            work()
        status = 0
    finally:
        os._exit(status)  # nothing of the parent's end belongs here


def main() -> None:
    """Forks the children one by one."""
    if not str(headers.__file__).endswith(".py"):
        raise SystemExit("the stored figures are of the plain build, and this is the compiled one")
    gc.disable()  # when it runs depends on what else is alive
    for (kind, routes), work in pieces().items():
        for _ in range(WARM_UP):
            work()
        for times in TIMES:
            line = {"pid": in_child(work, times), "kind": kind, "routes": routes}
            print(json.dumps(line | {"times": times}), flush=True)


if __name__ == "__main__":
    main()
