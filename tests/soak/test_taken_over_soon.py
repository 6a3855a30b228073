"""Clients files and certificates that change are taken over within a second."""

from __future__ import annotations

import time

import pytest
import trustme

from tests.integration.rig.client_keys import client, new
from tests.integration.rig.clients_file import (
    ALICE,
    ALICES_OTHER,
    BOB,
    Place,
    bearer,
    both,
    revoked,
    text_of,
)
from tests.integration.rig.proxy import get, one_route, running
from tests.integration.rig.tls import Pki, connect, shown
from tests.integration.rig.upstream import Upstream


pytestmark = pytest.mark.soak

SOON_S = 1.0
TRIES = 3
"""A machine that others use stalls, too; the best of so many counts."""
CAROL = new("carol")


@pytest.fixture
async def upstream():
    """An upstream that answers 200 to everything."""
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
def place(tmp_path):
    """The clients file."""
    return Place(tmp_path / "etc", both())


@pytest.fixture
async def proxy(place, upstream):
    """A proxy whose clients are in the file."""
    async with running(one_route(upstream.origin) | {"clients_file": str(place.path)}) as proxy:
        yield proxy


def reloads(proxy, event):
    """Return how many lines of an event there are."""
    return sum(line["event"] == event for line in proxy.log.lines)


async def taken_over(proxy, event, change):
    """Change something, and return how many seconds the line of the event takes."""
    before = reloads(proxy, event)
    began = time.monotonic()
    change()
    await proxy.log.bell.until(lambda: reloads(proxy, event) > before, f"for {event}")
    return time.monotonic() - began


WITHOUT = text_of(both() | {"alice": client(ALICES_OTHER)})
OTHERS = text_of({"bob": client(BOB), "carol": client(CAROL)})
CHANGES = {
    "command": revoked,
    "rename": lambda place: place.rename(WITHOUT),
    "write": lambda place: place.write(WITHOUT),
    "recreate": lambda place: place.recreate(WITHOUT),
    "mount": lambda place: place.mount(WITHOUT),
    "a new client": lambda place: place.rename(OTHERS),
    "a last line without an end": lambda place: place.rename(OTHERS.rstrip("\n")),
}


async def statuses(proxy, *keys):
    """Return the status of a request with each key."""
    return [(await proxy.ask(get("/api/x", bearer(key)))).status for key in keys]


@pytest.mark.parametrize("name", CHANGES)
async def test_changed_clients_are_known(proxy, place, name):
    """A key that is left out is refused, and who is new comes in."""
    begin = place.mount if name == "mount" else place.rename
    if name == "mount":
        place.path.unlink()
    took_s = [SOON_S]
    while min(took_s) >= SOON_S and len(took_s) <= TRIES:
        await taken_over(proxy, "clients_reloaded", lambda: begin(text_of(both(methods=["GET"]))))
        assert [200, 401] == await statuses(proxy, ALICE, CAROL)
        took_s.append(await taken_over(proxy, "clients_reloaded", lambda: CHANGES[name](place)))
        assert [401, 200 if "a " in name else 401] == await statuses(proxy, ALICE, CAROL)

    assert min(took_s) < SOON_S, took_s


def renamed(pki, leaf):
    """Rename new files onto the old ones."""
    for path, part in ((pki.key, leaf.private_key_pem), (pki.cert, leaf.cert_chain_pems[0])):
        new_file = path.with_suffix(".new")
        new_file.write_bytes(part.bytes())
        new_file.replace(path)


def mounted(pki, leaf):
    """Have a link lead to another directory, as Kubernetes does."""
    version = pki.directory / f"..{time.monotonic_ns()}"
    version.mkdir()
    (version / "tls.crt").write_bytes(leaf.cert_chain_pems[0].bytes())
    (version / "tls.key").write_bytes(leaf.private_key_pem.bytes())
    (pki.directory / "..tmp").symlink_to(version.name)
    (pki.directory / "..tmp").replace(pki.directory / "..data")
    for path in (pki.key, pki.cert):
        if not path.is_symlink():
            path.unlink()
            path.symlink_to(f"..data/{path.name}")


@pytest.mark.parametrize("change", [Pki.write, renamed, mounted])
async def test_new_certificates_are_shown(tmp_path, upstream, change):
    """In the first handshake after the line of the log."""
    pki = Pki(tmp_path, trustme.CA())
    pki.write(pki.issue("one"))
    if change is mounted:
        mounted(pki, pki.issue("one"))
    took_s = [SOON_S]
    async with running(pki.config(upstream.origin)) as proxy:
        while min(took_s) >= SOON_S and len(took_s) <= TRIES:
            name = f"number {len(took_s)}"
            leaf = pki.issue(name)
            took_s.append(
                await taken_over(proxy, "certificate_reloaded", lambda leaf=leaf: change(pki, leaf))
            )
            async with await connect(proxy, pki.context()) as client:
                await client.ask(get())
                assert name == shown(client)

    assert min(took_s) < SOON_S, took_s
