"""What /proc tells about a process."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self


if TYPE_CHECKING:
    from collections.abc import Callable


_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_EVERY_S: Final = 0.01
_SETTLES_S: Final = 15.0


def rss(pid: int) -> int:
    """Return a process's resident memory, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process, user and system, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def open_files(pid: int) -> int:
    """Return how many file descriptors a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def settled(condition: Callable[[], object], what: str, limit_s: float = _SETTLES_S) -> None:
    """Wait until something about another process holds, which rings no bell."""
    ends = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < ends, f"waited {limit_s} s in vain for {what}"
        time.sleep(_EVERY_S)


def processes_in(directory: Path) -> list[int]:
    """Return the processes whose working directory is this one."""
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and (each / "cwd").readlink() == directory:
                found.append(int(each.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


class Peak:
    """Samples a process's resident memory while its block runs.

    Attributes:
        before: at the start, in bytes.
        peak: the most that was seen.
        samples: how often it was looked at.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.before = self.peak = rss(pid)
        self.samples = 0

    @property
    def growth(self) -> int:
        """Peak less start."""
        return self.peak - self.before

    def _sample(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self.peak = max(self.peak, rss(self._pid))
            self.samples += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
