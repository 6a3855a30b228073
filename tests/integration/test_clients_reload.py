"""A clients file that changes while the proxy runs: who comes in, and who goes on undisturbed."""

from __future__ import annotations

import asyncio
import re
import sys
import threading

import pytest

from proxy.config.client_warnings import doubtful
from proxy.config.clients import ClientsUnreadable
from proxy.config.errors import ConfigError, Problem
from proxy.process import gateway as gateway_module
from proxy.process.tokens import issuers_of
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
from tests.integration.rig.patience import seen
from tests.integration.rig.proxy import get, one_route, request


CAROL = new("carol")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def place(tmp_path):
    """The file, with both clients."""
    return Place(tmp_path / "etc", both())


@pytest.fixture
def config(place, upstream):
    """A route, and who may use it."""
    named = {"own": {"origin": upstream.origin, "bearer": {"value": "FAKE-own-token-of-clients"}}}
    more = {"clients_file": str(place.path), "credentials": named}
    return one_route(upstream.origin) | more


async def told(proxy, event, count=1):
    """Wait for the lines of an event; return the last of that many."""

    def lines():
        return [line for line in proxy.log.lines if line["event"] == event]

    await proxy.log.bell.until(lambda: len(lines()) >= count, f"for {event} {count}")
    return lines()[count - 1]


async def status(proxy, key):
    """Return the status of a request of its own."""
    return (await proxy.ask(get("/api/x", bearer(key)))).status


def gateway_of(proxy):
    """Return what is being tested."""
    return proxy.service.provisioned.gateway


def by(way):
    """Return what leaves one of alice's keys out, in one of the ways to change a file."""
    without = text_of(both() | {"alice": client(ALICES_OTHER)})
    return lambda place: getattr(place, way)(without)


@pytest.mark.parametrize(
    "change",
    [revoked, by("rename"), by("write"), by("recreate"), by("mount")],
    ids=["command", "rename", "write", "recreate", "mount"],
)
async def test_a_revoked_key_is_refused(start, config, place, change, request):
    """On connections that are open, too; all other keys go on. How soon: `make soak`."""
    if request.node.callspec.id.endswith("mount"):
        place.path.unlink()
        place.mount(text_of(both()))
    proxy = await start(config)
    async with await proxy.client() as alice:
        before = await alice.ask(get("/api/x", bearer(ALICE)))
        change(place)
        await told(proxy, "clients_reloaded")
        after = await alice.ask(get("/api/x", bearer(ALICE)))
    others = [await status(proxy, key) for key in (ALICES_OTHER, BOB)]

    assert (200, 401, [200, 200]) == (before.status, after.status, others)


async def test_requests_under_way_go_on_to_their_end(  # noqa: PLR0915 -- two of each kind
    start, serve, config, place
):
    """Of the client whose keys are revoked, and of another; byte for byte."""

    async def serve_half(visit):
        head = await visit.head()
        if head.startswith(b"PUT"):
            await visit.until(b"first")
            await resumed.wait()
            await visit.until(b"second")
            bodies.append(visit.received)
            visit.send(OK)
            return
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nfirst")
        await resumed.wait()
        visit.send(b"second")

    resumed = asyncio.Event()
    bodies: list[bytes] = []
    slow = await serve(script=serve_half)
    config["routes"]["api"]["upstream"] = slow.origin
    config["credentials"] = {}
    proxy = await start(config)
    clients = [await proxy.client() for _ in range(4)]
    downloads, uploads = clients[:2], clients[2:]
    for each, key in zip(downloads, (ALICE, BOB), strict=True):
        each.send(get("/api/x", bearer(key)))
        await each.until(b"first")
    for each, key in zip(uploads, (ALICE, BOB), strict=True):
        each.send(request("PUT", "/api/x", bearer(key), "Content-Length: 11") + b"first")
    await slow.visited(4)
    place.rename(text_of({"bob": client(BOB)}))
    await told(proxy, "clients_reloaded")
    assert 401 == await status(proxy, ALICE)
    for each in uploads:
        each.send(b"second")
    resumed.set()
    answers = [await each.answer() for each in clients]
    for each in clients:
        each.transport.abort()

    assert [b"firstsecond"] * 2 + [b"ok"] * 2 == [each.body for each in answers]
    assert [b"firstsecond"] * 2 == bodies


async def test_a_new_client_comes_in(start, config, place):
    """And one that is changed has its new rights."""
    proxy = await start(config)
    assert 401 == await status(proxy, CAROL)
    changed = {"alice": client(ALICE, methods=["PUT"]), "carol": client(CAROL)}
    place.rename(text_of(both() | changed))
    await told(proxy, "clients_reloaded")

    assert [200, 403, 200] == [await status(proxy, key) for key in (CAROL, ALICE, BOB)]


INVALID = [
    ({"carol": {"routes": "*"}}, "clients.yaml:7:1: carol: has no key"),
    ({"carol": client(CAROL, routes=["apu"])}, "clients.yaml:9:12: carol.routes[0]: no route"),
    ({"carol": client(BOB)}, "clients.yaml:8:9: carol.key[0]: the same as bob.key[0] (line"),
    (
        {"carol": client(CAROL, credentials={"api": "owm"})},
        "clients.yaml:10:24: carol.credentials.api: no credential of that name; did you mean own?",
    ),
]


@pytest.mark.parametrize(("more", "problem"), INVALID, ids=["way in", "route", "key", "credential"])
async def test_an_invalid_file_is_refused_and_the_old_clients_stay(
    start, config, place, more, problem
):
    """Its lines are in the log, also those that a good part of the file moves; then mended."""
    proxy = await start(config)
    place.rename(text_of(both() | more))
    line = await told(proxy, "clients_refused")
    meanwhile = [await status(proxy, key) for key in (ALICE, BOB, CAROL)]
    place.rename(text_of({"carol": client(CAROL, credentials={"api": "own"})}))
    await told(proxy, "clients_reloaded")

    [told_of] = line["problems"]
    assert problem in told_of
    assert ("error", [200, 200, 401]) == (line["level"], meanwhile)
    assert [401, 401, 200] == [await status(proxy, key) for key in (ALICE, BOB, CAROL)]


async def test_a_reload_warns_about_what_is_new(start, config, place):
    """And says nothing again of what stays as it was."""

    def warned():
        lines = [line for line in proxy.log.lines if line["event"] == "configuration"]
        return [(line["level"], line["detail"].split(":")) for line in lines]

    old = {"old": client(new("old"), expires="2020-01-01")}
    place.rename(text_of(both() | old))
    proxy = await start(config)
    assert ["clients that have expired: old"] == gateway_of(proxy).warnings

    jwt = {"issuer": "i", "audience": "a", "jwks_url": "https://i.invalid/k"}
    more = {"ci": {"jwt": jwt, "routes": "*"}, "carol": client(CAROL, expires="2020-01-01")}
    place.rename(text_of(both() | old | more))
    await told(proxy, "clients_reloaded")
    first = warned()
    place.rename(text_of(both(expires="2020-01-01") | old | more))
    await told(proxy, "clients_reloaded", 2)
    place.rename(text_of(both() | old | more))
    await told(proxy, "clients_reloaded", 3)

    every = "every token of its issuer for its audience comes in"
    assert [
        ("warning", ["clients.ci.jwt names no claims", f" {every}"]),
        ("warning", ["clients that have expired", " carol"]),
    ] == first
    assert [*first, ("warning", ["clients that have expired", " alice"])] == warned()


async def test_warnings_of_a_reload_are_made_beside_the_loop(start, config, place, monkeypatch):
    """Of thousands of clients they would be a stall."""
    threads = []

    def noting(clients, *, now):
        threads.append(threading.current_thread())
        return doubtful(clients, now=now)

    proxy = await start(config)
    monkeypatch.setattr(gateway_module, "doubtful", noting)
    place.rename(text_of(both(expires="2020-01-01")))
    await told(proxy, "clients_reloaded")

    assert [False] == [thread is threading.main_thread() for thread in threads]


async def test_a_half_written_file_is_not_taken(start, config, place):
    """Else alice could do more than she may, and bob nothing."""
    whole = text_of(both(methods=["PUT"]))
    place.write(whole)
    proxy = await start(config)
    half = whole[: whole.index("  methods")] + "  "
    place.write(half)
    await seen(lambda: gateway_of(proxy)._file._doubted == half.encode())
    meanwhile = [await status(proxy, key) for key in (ALICE, BOB)]
    place.write(whole.replace('["PUT"]', '["GET"]'))
    await told(proxy, "clients_reloaded")

    assert [403, 200] == meanwhile
    assert [200, 200] == [await status(proxy, key) for key in (ALICE, BOB)]
    assert b"clients_refused" not in proxy.log.text


async def test_a_last_line_without_an_end_is_taken_in_the_end(start, config, place):
    """Some programs leave it out; it takes a little longer."""
    proxy = await start(config)
    place.rename(text_of({"carol": client(CAROL)}).rstrip("\n"))
    await told(proxy, "clients_reloaded")

    assert 200 == await status(proxy, CAROL)


@pytest.mark.parametrize("gone", ["empty", "deleted"])
async def test_a_file_without_clients_locks_nobody_out(start, config, place, gone):
    """Told once; and what is there afterwards is taken."""
    proxy = await start(config)
    place.write("") if gone == "empty" else place.path.unlink()
    line = await told(proxy, "clients_refused")
    meanwhile = await status(proxy, ALICE)
    place.write(text_of({"carol": client(CAROL)}))
    await told(proxy, "clients_reloaded")

    expected = "is empty; write {} for none" if gone == "empty" else "No such file"
    assert expected in line["problems"][0]
    assert (200, 401) == (meanwhile, await status(proxy, ALICE))
    assert 1 == proxy.log.text.count(b"clients_refused")


async def test_requests_at_once_go_on_being_counted(start, serve, config, place):
    """Under the limit as it is then; nothing is left counted."""
    slow = await serve(None)
    config["routes"]["api"]["upstream"] = slow.origin
    config["credentials"] = {}
    place.write(text_of(both(concurrency=1)))
    proxy = await start(config)
    async with await proxy.client() as first, await proxy.client() as second:
        first.send(get("/api/x", bearer(ALICE)))
        await slow.asked()
        place.rename(text_of(both(concurrency=1, methods=["GET"])))
        await told(proxy, "clients_reloaded")
        one_too_many = await status(proxy, ALICE)
        place.rename(text_of(both(concurrency=2)))
        await told(proxy, "clients_reloaded", 2)
        second.send(get("/api/x", bearer(ALICE)))
        await slow.asked(2)
        still_too_many = await status(proxy, ALICE)
        for visit in slow.visits:
            visit.send(OK)
        answers = [await first.answer(), await second.answer()]

    assert [503, 503] == [one_too_many, still_too_many]
    assert [200, 200] == [each.status for each in answers]
    assert 0 == gateway_of(proxy)._callers._gauges["alice"].taken


async def test_requests_of_a_day_go_on_being_counted(start, config, place):
    """By the client's name and rate."""
    place.write(text_of(both(rate="2/day")))
    proxy = await start(config)
    statuses = [await status(proxy, ALICE)]
    place.rename(text_of(both(rate="2/day", methods=["GET"])))
    await told(proxy, "clients_reloaded")
    statuses += [await status(proxy, ALICE) for _ in range(2)]

    assert [200, 200, 429] == statuses


JWT = {
    "jwt": {"issuer": "i", "audience": "a", "claims": {"c": "d"}, "jwks_url": "https://i.invalid/k"}
}


async def test_tokens_are_made_ready_beside_the_loop(start, config, place, monkeypatch):
    """What the first of them needs takes half a second to import."""
    threads = []

    def noted(clients):
        threads.append(threading.current_thread())
        return issuers_of(clients)

    monkeypatch.setattr(gateway_module, "issuers_of", noted)
    proxy = await start(config)
    place.rename(text_of(both() | {"carol": {"routes": "*"} | JWT}))
    await told(proxy, "clients_reloaded")

    assert 2 == len(threads)  # one for the start, without tokens
    assert threads[1] is not threading.main_thread()


async def test_a_missing_extra_is_told_and_the_old_clients_stay(start, config, place, monkeypatch):
    """And so is the next change taken up."""
    monkeypatch.setitem(sys.modules, "proxy.access.tokens", None)
    proxy = await start(config)
    place.rename(text_of(both() | {"carol": {"routes": "*"} | JWT}))
    line = await told(proxy, "clients_refused")
    meanwhile = await status(proxy, ALICE)
    place.rename(text_of({"bob": client(BOB)}))
    await told(proxy, "clients_reloaded")

    assert "pip install 'keybearer[gateway]'" in line["problems"][0]
    assert (200, 401) == (meanwhile, await status(proxy, ALICE))


async def test_limits_stay_with_the_clients_that_stay(start, serve, config, place, monkeypatch):
    """Of a file that is refused nothing counts, the number of requests at once neither."""
    monkeypatch.setitem(sys.modules, "proxy.access.tokens", None)
    slow = await serve(None)
    config["routes"]["api"]["upstream"] = slow.origin
    config["credentials"] = {}
    place.write(text_of(both(concurrency=1)))
    proxy = await start(config)
    async with await proxy.client() as first:
        first.send(get("/api/x", bearer(ALICE)))
        await slow.asked()
        place.rename(text_of(both(concurrency=2) | {"carol": {"routes": "*"} | JWT}))
        await told(proxy, "clients_refused")
        async with await proxy.client() as second:
            second.send(get("/api/x", bearer(ALICE)))
            one_too_many = await second.answer()
        for visit in slow.visits:
            visit.send(OK)
        answer = await first.answer()

    assert (503, 200) == (one_too_many.status, answer.status)


@pytest.mark.parametrize(
    ("error", "heals"),
    [
        (KeyError("CANARY"), False),
        (ClientsUnreadable(Problem("f", None, None, (), "Too many open files")), True),
        (MemoryError(), True),
    ],
    ids=["fault", "descriptors", "memory"],
)
async def test_whatever_fails_is_told_once(start, config, place, monkeypatch, error, heals):
    """What may pass is tried again until it has; else the next change is taken up."""
    proxy = await start(config)
    file = gateway_of(proxy)._file
    reload, attempts = file.reload, []

    def fail():
        attempts.append(1)
        if len(attempts) <= (2 if heals else 1):
            raise error
        return reload()

    monkeypatch.setattr(file, "reload", fail)
    place.rename(text_of({"bob": client(BOB)}))
    line = await told(proxy, "clients_refused")
    meanwhile = await status(proxy, ALICE)
    if not heals:
        place.rename(text_of({"bob": client(BOB), "carol": client(CAROL)}))
    await told(proxy, "clients_reloaded")

    assert "CANARY" not in str(line)
    assert (200, 401) == (meanwhile, await status(proxy, ALICE))
    assert 1 == proxy.log.text.count(b"clients_refused")


async def test_without_a_thread_at_the_end_the_new_clients_are_told(
    start, config, place, monkeypatch
):
    """They are in use by then; only to free the old ones takes longer."""

    def fail(known):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(gateway_module, "_let_go", fail)
    proxy = await start(config)
    place.rename(text_of({"bob": client(BOB)}))
    await proxy.log.bell.until(lambda: b"clients_re" in proxy.log.text, "for a reload")

    assert [1] == [line["clients"] for line in proxy.log.lines if "clients" in line]
    assert 401 == await status(proxy, ALICE)
    assert b"clients_refused" not in proxy.log.text


async def test_a_change_during_a_reload_is_not_lost(start, config, place, monkeypatch):
    """It comes after the file was read, and before its clients are in use."""
    proxy = await start(config)
    file = gateway_of(proxy)._file
    reload = file.reload
    texts = [text_of({"carol": client(CAROL)})]

    def and_change():
        clients = reload()
        if texts:
            place.rename(texts.pop())
        return clients

    monkeypatch.setattr(file, "reload", and_change)
    place.rename(text_of({"bob": client(BOB)}))
    await told(proxy, "clients_reloaded", 2)

    assert [401, 401, 200] == [await status(proxy, key) for key in (ALICE, BOB, CAROL)]


async def test_a_reload_does_not_keep_the_proxy_from_stopping(start, config, place, monkeypatch):
    """Reading ends where it is, and nothing is told of it."""
    proxy = await start(config)
    gateway = gateway_of(proxy)
    reading = threading.Event()

    def read_for_ever(_, look_up):
        reading.set()
        while True:
            look_up()

    monkeypatch.setattr(gateway._file, "_load", read_for_ever)
    place.rename(text_of({"bob": client(BOB)}))
    await seen(reading.is_set)
    await proxy.service.stop()

    assert b"clients_re" not in proxy.log.text
    assert {asyncio.current_task()} == {
        task for task in asyncio.all_tasks() if "rig" not in str(task)
    }


@pytest.mark.parametrize("kind", ["missing", "directory"])
async def test_without_its_file_the_proxy_does_not_start(start, config, place, kind):
    """One line says which, who names it, and why."""
    place.path.unlink()
    if kind == "directory":
        place.path.mkdir()
    with pytest.raises(ConfigError) as caught:
        await start(config)

    reason = {
        "missing": "No such file or directory; `keybearer keys new NAME --routes A,B` makes it",
        "directory": "Is a directory",
    }[kind]
    where, _, told = str(caught.value).partition(" ")
    assert re.fullmatch(r"test.yaml:1:\d+:", where)
    assert f"clients_file: {place.path}: cannot be read: {reason}" == told
