"""The system's resolver, scripted: names that lead somewhere, fail, or are never answered."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final


if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


HELD: Final = "held"
"""A name with this entry is not answered until `Names.let_go`; then it does not exist."""

AGAIN: Final = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
UNKNOWN: Final = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class Names:
    """What names lead to.

    Attributes:
        table: addresses, an error, or `HELD`, by name; a test may change it.
        asked: how often, by name.
        asking: the threads that wait just now.
        half: names whose answer about IPv6 never comes, so that only IPv4 alone can be asked for.
    """

    def __init__(self, real: Callable[..., Any]) -> None:
        self.table: dict[str, list[str] | Exception | str] = {}
        self.asked: Counter[str] = Counter()
        self.asking: set[threading.Thread] = set()
        self.half: set[str] = set()
        self._real = real
        self._go = threading.Event()

    def getaddrinfo(self, host: Any, port: Any, *args: Any, **keys: Any) -> Any:
        """Stand in for `socket.getaddrinfo`."""
        name = host.decode() if isinstance(host, bytes) else host
        entry = self.table.get(name)
        if entry is None:
            return self._real(host, port, *args, **keys)
        self.asked[name] += 1
        if entry == HELD or (name in self.half and socket.AF_INET not in args):
            thread = threading.current_thread()
            self.asking.add(thread)
            self._go.wait(60)
            self.asking.discard(thread)
            entry = self.table[name] if self.table[name] != HELD else UNKNOWN
        if isinstance(entry, Exception):
            raise type(entry)(*entry.args)
        return [(*_kind(each), "", (each, port or 0)) for each in entry]

    def let_go(self) -> None:
        """Answer what is held."""
        self._go.set()


def _kind(address: str) -> tuple[int, int, int]:
    family = socket.AF_INET if "." in address and ":" not in address else socket.AF_INET6
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP


def silent(address: str, port: int) -> list[socket.socket]:
    """Listen on an address that accepts nobody: its backlog is full; close what is returned."""
    family, *_ = _kind(address)
    full = socket.socket(family)
    full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    full.bind((address, port))
    full.listen(0)
    held = [full]
    for _ in range(2):
        filler = socket.socket(family)
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
        held.append(filler)
    return held


def scripted(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Have names looked up in a table of the test's own."""
    names = Names(socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", names.getaddrinfo)
    return names
