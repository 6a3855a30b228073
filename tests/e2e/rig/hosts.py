"""A name in /etc/hosts for the time of a test."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest


if TYPE_CHECKING:
    from collections.abc import Iterator


HOSTS: Final = Path("/etc/hosts")


@contextlib.contextmanager
def host_name(name: str) -> Iterator[None]:
    """Let a name mean 127.0.0.1; afterwards the file is byte for byte what it was."""
    before = HOSTS.read_bytes()
    line = b"\n127.0.0.1 " + name.encode() + b"\n"
    try:
        # Written in place: in a container the file is a mount that cannot be replaced.
        HOSTS.write_bytes(before + line)
    except PermissionError:
        pytest.fail(f"{HOSTS} must be writable for this test: run it as root", pytrace=False)
    try:
        yield
    finally:
        HOSTS.write_bytes(before)
