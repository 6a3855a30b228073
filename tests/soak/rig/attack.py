"""Slow clients by the thousand: slowhttptest."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING, Final

from tests.e2e.rig.tools import tool


if TYPE_CHECKING:
    from collections.abc import Iterator


CONNECTIONS: Final = 1000
A_SECOND: Final = 250
"""How many it opens in a second."""
LASTS_S: Final = 60
"""How long it would go on if it were let."""
READ_S: Final = 20
"""How long readers read: one that takes a little in time is not cut, so they leave themselves."""
MARKED: Final = "*/*\r\nSec-Fetch-Site: none"
"""The tool calls itself Mozilla, and has no option for a field of one's own but this value."""
WAYS: Final = {
    # A field, some bytes of a body, or some bytes read, a second; never the end of it.
    "slow heads": ("-H", "-x", "24"),
    "slow bodies": ("-B", "-s", "100000", "-x", "24"),
    "slow readers": ("-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "16"),
}


@contextlib.contextmanager
def attack(way: str, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run an attack; it ends by itself when its connections are closed, else with the block."""
    lasts_s = READ_S if way == "slow readers" else LASTS_S
    numbers = {"-c": CONNECTIONS, "-r": A_SECOND, "-i": 1, "-l": lasts_s, "-p": LASTS_S}
    options = [part for name, value in numbers.items() for part in (name, str(value))]
    # It polls without rest. Elsewhere it would have a machine of its own.
    command = [
        "nice",
        "-n",
        "10",
        tool("slowhttptest"),
        *WAYS[way],
        *options,
        "-m",
        MARKED,
        "-u",
        url,
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
