"""A clients file and the ways in which it is changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.integration.rig.client_keys import client, new
from tests.integration.rig.command import invoke


if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.rig.client_keys import Key

ALICE: Final = new("alice")
ALICES_OTHER: Final = new("alice", 1)
BOB: Final = new("bob")


def bearer(key: Key) -> str:
    """Return the field that shows a key."""
    return f"Authorization: Bearer {key.text}"


def text_of(clients: dict[str, dict[str, Any]]) -> str:
    """Return a file in the style of the command; the values are JSON, which is YAML."""
    lines = []
    for name, keys in clients.items():
        lines += [f"{name}:", *(f"  {key}: {json.dumps(value)}" for key, value in keys.items())]
    return "".join(f"{line}\n" for line in lines) or "{}\n"


def both(**of_alice: Any) -> dict[str, dict[str, Any]]:
    """Return the clients that the tests begin with."""
    return {"alice": client(ALICE, ALICES_OTHER, **of_alice), "bob": client(BOB)}


class Place:
    """Where the file is, and the ways to change it.

    Args:
        directory: for the file; it is made.
        clients: that the file begins with.
    """

    def __init__(self, directory: Path, clients: dict[str, dict[str, Any]]) -> None:
        self.directory = directory
        self.path = directory / "clients.yaml"
        self.versions = 0
        directory.mkdir()
        self.write(text_of(clients))

    def mount(self, text: str) -> None:
        """Write another version, and have the link lead to it, as Kubernetes does."""
        version = self.directory / f"..{self.versions}"
        self.versions += 1
        version.mkdir()
        (version / "clients.yaml").write_text(text)
        (self.directory / "..tmp").symlink_to(version.name)
        (self.directory / "..tmp").replace(self.directory / "..data")
        if not self.path.is_symlink():
            self.path.symlink_to("..data/clients.yaml")

    def rename(self, text: str) -> None:
        """Put a new file in the place of the old one."""
        new_file = self.directory / "new"
        new_file.write_text(text)
        new_file.replace(self.path)

    def write(self, text: str) -> None:
        """Write into the file."""
        self.path.write_text(text)

    def recreate(self, text: str) -> None:
        """Delete the file, and write another."""
        self.path.unlink()
        self.path.write_text(text)


def revoked(place: Place) -> None:
    """Revoke one of alice's keys by the command."""
    assert 0 == invoke(
        *("keys", "revoke", "alice", "--key", ALICE.stored[7:19], "--file", str(place.path))
    )[0]  # fmt: skip
