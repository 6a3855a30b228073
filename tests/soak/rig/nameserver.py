"""A name server of the test's own, and a command that sees no other."""

from __future__ import annotations

import os
import socket
import struct
import threading
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Self

import pytest


if TYPE_CHECKING:
    from pathlib import Path


ADDRESS: Final = "127.0.0.153"
SILENT: Final = "silent"
"""A name with this entry is never answered for."""
NO_IPV6: Final = "::"
"""Among a name's addresses: questions about IPv6 are never answered."""
FAILS: Final = "fails"
"""A name with this entry is answered with SERVFAIL."""

_A: Final = 1
_AAAA: Final = 28
_HEADER: Final = 12
_RECURSIVE: Final = 0x8180
_SERVFAIL: Final = 2
_NXDOMAIN: Final = 3


class NameServer:
    """Answers on port 53 of an address of loopback, which needs root.

    Args:
        directory: for the files that its users read.

    Attributes:
        table: addresses, `SILENT` or `FAILS`, by name; may be changed meanwhile.
    """

    def __init__(self, directory: Path) -> None:
        self.table: dict[str, list[str] | str] = {}
        self._directory = directory
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if os.geteuid() != 0:
            pytest.fail("a name server has port 53: run this as root", pytrace=False)

    @property
    def wrapper(self) -> list[str]:
        """What starts a command with this name server alone (Linux: a mount namespace)."""
        resolv = self._directory / "resolv.conf"
        resolv.write_text(f"nameserver {ADDRESS}\noptions timeout:5 attempts:2\n")
        hosts = self._directory / "hosts"
        hosts.write_text("127.0.0.1 localhost\n::1 localhost\n")
        mounts = f"mount --bind {resolv} /etc/resolv.conf && mount --bind {hosts} /etc/hosts"
        return ["unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh"]

    def __enter__(self) -> Self:
        self._socket.bind((ADDRESS, 53))
        self._socket.settimeout(0.1)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                question, peer = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            answer = self._answer(question)
            if answer is not None:
                self._socket.sendto(answer, peer)

    def _answer(self, question: bytes) -> bytes | None:
        labels, at = [], _HEADER
        while size := question[at]:
            labels.append(question[at + 1 : at + 1 + size].decode())
            at += 1 + size
        [kind] = struct.unpack("!H", question[at + 1 : at + 3])
        entry = self.table.get(".".join(labels).lower())
        if entry == SILENT or (kind == _AAAA and NO_IPV6 in (entry or ())):
            return None
        code = _NXDOMAIN if entry is None else _SERVFAIL if entry == FAILS else 0
        found = [ip_address(each).packed for each in entry or ()] if not code else []
        sizes = {_A: 4, _AAAA: 16}
        found = [packed for packed in found if len(packed) == sizes.get(kind)]
        flags = struct.pack("!H", _RECURSIVE | code)
        counts = struct.pack("!HHHH", 1, len(found), 0, 0)
        reply = question[:2] + flags + counts + question[_HEADER : at + 5]
        for packed in found:
            reply += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(packed)) + packed
        return reply
