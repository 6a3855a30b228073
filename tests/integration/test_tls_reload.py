"""Certificates that change while the proxy runs."""

from __future__ import annotations

import asyncio
import functools
import os

import pytest
import trustme

from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import get
from tests.integration.rig.tls import Pki, connect, shown


@pytest.fixture(scope="module")
def authority():
    """The authority of the proxy's certificates."""
    return trustme.CA()


@pytest.fixture
def pki(tmp_path, authority):
    """The proxy's files."""
    pki = Pki(tmp_path, authority)
    pki.write(pki.issue("one"))
    return pki


@pytest.fixture
async def secured(pki, start, upstream):
    """A proxy that shows the certificate `one`."""
    return await start(pki.config(upstream.origin))


async def told(proxy, event, count=1):
    """Wait for lines of an event; return the last of that many."""

    def lines():
        return [line for line in proxy.log.lines if line["event"] == event]

    await seen(lambda: len(lines()) >= count)
    return lines()[count - 1]


async def shows(proxy, pki):
    """Return the name of the certificate that a new connection is shown."""
    async with await connect(proxy, pki.context()) as client:
        assert 200 == (await client.ask(get())).status
        return shown(client)


def replace(path, data):
    """Put another file in the place of one, at once."""
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.replace(path)


def parts(leaf):
    """Return certificate and key in PEM."""
    return leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()


def rewritten(pki, leaf):
    """Write into the same files."""
    pki.write(leaf)


def renamed(pki, leaf):
    """Rename new files onto the old ones, as most programs do."""
    cert, key = parts(leaf)
    replace(pki.key, key)
    replace(pki.cert, cert)


@pytest.mark.parametrize("change", [rewritten, renamed])
async def test_new_handshakes_get_the_new_certificate(secured, pki, change):
    """The connection that is open stays. How soon: `make soak`."""
    async with await connect(secured, pki.context()) as old:
        await old.ask(get())
        change(pki, pki.issue("two"))
        await told(secured, "certificate_reloaded")
        name = await shows(secured, pki)
        answer = await old.ask(get())

    assert ("two", 200) == (name, answer.status)


async def test_the_symbolic_link_of_kubernetes_is_swapped(pki, start, upstream, tmp_path):
    """`tls.crt -> ..data/tls.crt`, `..data -> ..2026_1`: only `..data` changes."""
    mounted = tmp_path / "mounted"
    for number, name in enumerate(["one", "two", "three"]):
        version = mounted / f"..2026_{number}"
        version.mkdir(parents=True)
        cert, key = parts(pki.issue(name))
        (version / "tls.crt").write_bytes(cert)
        (version / "tls.key").write_bytes(key)
    (mounted / "..data").symlink_to("..2026_0")
    pki.cert, pki.key = mounted / "tls.crt", mounted / "tls.key"
    pki.cert.symlink_to("..data/tls.crt")
    pki.key.symlink_to("..data/tls.key")
    proxy = await start(pki.config(upstream.origin))
    names = [await shows(proxy, pki)]
    for number in (1, 2):
        (mounted / "..data_tmp").symlink_to(f"..2026_{number}")
        (mounted / "..data_tmp").replace(mounted / "..data")
        await told(proxy, "certificate_reloaded", number)
        names.append(await shows(proxy, pki))

    assert ["one", "two", "three"] == names


def half_a_file(pki, leaf):
    """Written, but not to its end."""
    pki.cert.write_bytes(parts(leaf)[0][:300])


def anothers_key(pki, leaf):
    """The certificate is not new yet."""
    pki.key.write_bytes(parts(leaf)[1])


def no_file(pki, _):
    """Removed."""
    pki.cert.unlink()


@pytest.mark.parametrize("breaks", [half_a_file, anothers_key, no_file])
async def test_a_broken_pair_is_refused_and_the_old_one_stays(secured, pki, breaks):
    """The log says which file and why, and a good pair is taken afterwards."""
    leaf = pki.issue("two")
    breaks(pki, leaf)
    line = await told(secured, "certificate_refused")
    meanwhile = await shows(secured, pki)
    pki.write(leaf)
    await told(secured, "certificate_reloaded")

    assert "error" == line["level"]
    assert str(pki.directory) in line["detail"]
    assert "PRIVATE KEY" not in str(line)
    assert ("one", "two") == (meanwhile, await shows(secured, pki))


async def test_a_touched_file_is_no_change(secured, pki):
    """Nothing is logged; the next change is."""
    os.utime(pki.cert)
    pki.write(pki.issue("two"))
    await told(secured, "certificate_reloaded")

    assert "two" == await shows(secured, pki)
    assert b"certificate_refused" not in secured.log.text or b"does not belong" in secured.log.text


async def test_authorities_of_clients_come_and_go(pki, start, upstream):
    """Who is no longer trusted is refused, also with a session from before."""
    old, new = trustme.CA(), trustme.CA()
    trusted = pki.trust("ca.pem", old)
    proxy = await start(pki.config(upstream.origin, tls={"client_ca": trusted}))
    contexts = {each: pki.context(each.issue_cert(common_name="build01")) for each in (old, new)}

    async def comes_in(authority):
        try:
            async with await connect(proxy, contexts[authority]) as client:
                return 200 == (await client.ask(get())).status
        except (OSError, AssertionError):
            return False

    before = await comes_in(old), await comes_in(new)
    pki.trust("ca.pem", old, new)
    await told(proxy, "certificate_reloaded")
    both = await comes_in(old), await comes_in(new)
    async with await connect(proxy, contexts[old]) as kept:
        await kept.ask(get())
        pki.trust("ca.pem", new)
        await told(proxy, "certificate_reloaded", 2)
        after = await comes_in(old), await comes_in(new)
        answer = await kept.ask(get())

    assert ((True, False), (True, True), (False, True)) == (before, both, after)
    assert 200 == answer.status


async def test_no_request_fails_while_certificates_change(secured, pki, upstream):
    """New connections all the time, and some that stay."""
    context = pki.context()
    names: list[str] = []
    over = asyncio.Event()

    async def often():
        while not over.is_set():
            async with await connect(secured, context) as client:
                assert 200 == (await client.ask(get())).status
                names.append(shown(client))

    async def on_one():
        async with await connect(secured, context) as client:
            while not over.is_set():
                assert 200 == (await client.ask(get())).status

    async def change():
        try:
            for number in range(5):
                renamed(pki, pki.issue(f"number {number}"))
                await seen(functools.partial(names.__contains__, f"number {number}"))
        finally:
            over.set()

    async with asyncio.TaskGroup() as group:
        for task in (often(), often(), on_one(), on_one(), change()):
            group.create_task(task)

    assert {f"number {number}" for number in range(5)} <= set(names)
    assert {200} == {line["status"] for line in secured.log.requests}


async def test_a_stopped_proxy_follows_nothing(pki, start, upstream):
    """Its watch ends with it."""
    proxy = await start(pki.config(upstream.origin))
    await proxy.service.stop()

    assert [] == [task for task in asyncio.all_tasks() if "Watch" in str(task.get_coro())]
