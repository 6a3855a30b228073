"""Keep secrets in this process: no other one of the same user reads its memory or environment."""

from __future__ import annotations

import resource
import sys
from typing import Final


_PR_SET_DUMPABLE: Final = 4
"""prctl(2). `/proc/PID/environ` and `mem` become root's, a debugger is refused."""


def keep_private() -> list[str]:
    """Forbid core dumps, and on Linux debuggers; return what the system did not do.

    Called before a secret is read; those in the environment are there from the start.
    """
    faults = []
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        faults.append(f"core dumps cannot be switched off: {error}")
    if sys.platform == "linux":
        faults += _undumpable()
    return faults


def _undumpable() -> list[str]:
    exposure = "processes of the same user can read the memory and environment of this one"
    try:
        import ctypes  # noqa: PLC0415 -- may be left out, or where nobody may make code not load

        if ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0:
            return []
    except (ImportError, OSError, MemoryError, AttributeError) as error:
        return [f"{exposure}: {type(error).__name__}"]
    return [f"{exposure}: prctl refuses"]
