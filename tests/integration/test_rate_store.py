"""Counts that are shared, against what only says that it is a Redis."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from proxy.access.limits import Rates
from proxy.access.shared import MAX_CONNECTIONS, TIMEOUT_S
from proxy.dataplane.errors import CountUnavailable, RateLimited
from proxy.dataplane.model import Rate
from tests.integration.rig import private_ca
from tests.integration.rig.names import HELD, scripted, silent
from tests.integration.rig.written import Written


if TYPE_CHECKING:
    from collections.abc import Callable


PASSWORD = "canary-7d1e0b5a"
RATE = Rate("client", "alice", 3, 60)


class Pretender:
    """A server that answers each command with what a test says.

    Attributes:
        answer: to each command, or None for silence.
        takes_s: how long it takes for each.
        connections: how many came.
        open: how many are there.
        port: where it listens.
    """

    def __init__(self) -> None:
        self.answer: Callable[[list[bytes]], bytes] | None = None
        self.connections = self.open = self.port = 0
        self.takes_s = 0.0

    async def serve(self, reader, writer):
        """Read commands: arrays of strings, each with its length."""
        self.connections += 1
        self.open += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                count = int((await reader.readuntil(b"\r\n"))[1:])
                words = []
                for _ in range(count):
                    length = int((await reader.readuntil(b"\r\n"))[1:])
                    words.append((await reader.readexactly(length + 2))[:-2])
                if self.answer is not None:
                    await asyncio.sleep(self.takes_s)
                    writer.write(self.answer(words))
        self.open -= 1
        writer.close()


def repeating(words):
    """Answer as a Redis that does not know a command: it repeats it."""
    said = b" ".join(b"'%s'" % word for word in words[1:])
    return b"-ERR unknown command '%s', with args beginning with: %s\r\n" % (words[0], said)


@pytest.fixture
async def pretender():
    """The server, listening."""
    pretender = Pretender()
    server = await asyncio.start_server(pretender.serve, "127.0.0.1", 0)
    pretender.port = server.sockets[0].getsockname()[1]
    yield pretender
    server.close()


@pytest.fixture
def written():
    """What has been logged."""
    return Written()


@pytest.fixture
async def make(pretender, written):
    """Make rates that are counted at the server."""
    made: list[Rates] = []

    def make(on_storage_error="deny", password=f":{PASSWORD}@", port=None):
        url = f"redis://{password}127.0.0.1:{port or pretender.port}"
        made.append(Rates(url, on_storage_error, written.log))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def test_a_server_that_repeats_the_password_is_not_quoted(pretender, make, written):
    """Neither in the log nor in an error, nor in what an error comes from."""
    pretender.answer = repeating
    rates = make()

    with pytest.raises(CountUnavailable) as caught:
        await rates.admit([RATE])

    said = written.lines
    assert ["rate_store_away"] == [line["event"] for line in said]
    error: BaseException | None = caught.value
    seen = [repr(rates), repr(vars(rates)), written.text]
    while error is not None:
        seen.append(f"{error} {error!r} {vars(error)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert PASSWORD not in " ".join(seen)
    assert pretender.connections, "the password was sent"


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{PASSWORD}/x@127.0.0.1:1",
        f"redis://:{PASSWORD}#x@127.0.0.1:1",
        f"redis://[{PASSWORD}@127.0.0.1:1",
        f"http://:{PASSWORD}@127.0.0.1:1",
        PASSWORD,
    ],
)
async def test_a_url_that_is_none_is_not_quoted(url, written):
    """What was not percent-encoded may end up in any part of it."""
    with pytest.raises(ValueError, match="is no address of a Redis") as caught:
        Rates(url, "deny", written.log)

    assert PASSWORD not in repr(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "option", ["bla=1", "protocol=9", "retry=no", "encoding=none", "db=one", f"{PASSWORD}=1"]
)
async def test_an_option_that_no_redis_has_is_refused(option, pretender, written):
    """Before anything is sent: afterwards it would be an outage without an end."""
    with pytest.raises(ValueError, match="an option behind its") as caught:
        Rates(f"redis://:{PASSWORD}@127.0.0.1:{pretender.port}/0?{option}", "deny", written.log)

    assert PASSWORD not in repr(caught.value)
    assert caught.value.__suppress_context__
    assert 0 == pretender.connections


async def test_options_that_a_redis_has_are_taken(pretender, written):
    """And still nothing is sent."""
    url = f"redis://127.0.0.1:{pretender.port}/0?health_check_interval=30&client_name=kb"
    rates = Rates(url, "deny", written.log)
    await rates.close()
    assert 0 == pretender.connections


async def test_silence_is_waited_for_once(pretender, make, written):
    """Then nobody waits, and one in a while asks again."""
    rates = make()
    began = time.monotonic()
    with pytest.raises(CountUnavailable):
        await rates.admit([RATE])
    waited = time.monotonic() - began
    assert TIMEOUT_S <= waited

    for _ in range(100):
        with pytest.raises(CountUnavailable):
            rates.admit([RATE]).send(None)  # it waits for nothing
    assert 1 == pretender.connections
    assert ["TimeoutError"] == [line["cause"].split()[0] for line in written.lines]


async def test_a_crowd_waits_no_longer_than_one(pretender, make):
    """More than there are connections: those behind them are told at once."""
    rates = make()

    began = time.monotonic()
    ends = await asyncio.gather(*(rates.admit([RATE]) for _ in range(500)), return_exceptions=True)

    assert {CountUnavailable} == {type(end) for end in ends}
    assert time.monotonic() - began < 4.0  # one behind the other they would wait for 8 s
    assert MAX_CONNECTIONS >= pretender.connections


async def test_a_crowd_before_a_slow_one_is_not_kept_for_ever(
    pretender, make, written, monkeypatch
):
    """It answers, so it is not away; but who came last would wait longer and longer."""
    monkeypatch.setattr("proxy.access.shared.PATIENCE_S", 0.1)
    pretender.answer, pretender.takes_s = lambda _: b":1\r\n", 0.05
    rates = make(password="")

    ends = await asyncio.gather(*(rates.admit([RATE]) for _ in range(400)), return_exceptions=True)

    assert {CountUnavailable, type(None)} == {type(end) for end in ends}
    assert [] == written.lines


async def test_what_cannot_be_taken_back_is_not_waited_for(pretender, make):
    """The Redis falls silent between a client's count and its return: nobody queues for it."""
    pretender.answer = lambda words: b":%d\r\n" % any(b"alice" in w for w in words)
    rates = make(password="")
    route = Rate("route", "microreact", 3, 60)
    for _ in "ab":
        with pytest.raises(RateLimited):
            await rates.admit([RATE, route])
    serving, silent = pretender.answer, 0

    def answer(words):
        nonlocal silent
        if words[0] != b"LPOP":
            return serving(words)
        silent += 1
        return b""

    pretender.answer = answer
    asked = (rates.admit([RATE, route]) for _ in range(500))
    ends = await asyncio.gather(*asked, return_exceptions=True)

    assert {RateLimited, CountUnavailable} >= {type(end) for end in ends}
    assert 0 < silent <= 3 * MAX_CONNECTIONS  # all at once, then one in a while; not one by one


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\r\n", b"*1\r\n$-5\r\n"]
)
async def test_another_kind_of_server_is_no_redis(answer, pretender, make):
    """Whatever it says, there is no count."""
    pretender.answer = lambda _: answer
    rates = make(password="")

    with pytest.raises(CountUnavailable):
        await rates.admit([RATE])


async def test_nobody_listening_lets_pass_if_so_configured(make, written, unused_tcp_port):
    """Said once, with its consequence."""
    rates = make("allow", port=unused_tcp_port)

    for _ in range(20):
        await rates.admit([RATE])

    (line,) = written.lines
    assert "requests pass uncounted" == line["detail"]
    assert line["cause"].startswith("ConnectionError")


async def test_a_server_that_returns_is_noticed(pretender, make, written):
    """By a request that comes, within the pause; it is said once."""
    rates = make(password="")
    with pytest.raises(CountUnavailable):
        await rates.admit([RATE])
    began = time.monotonic()
    pretender.answer = lambda _: b":1\r\n"

    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(CountUnavailable):
                await rates.admit([RATE])
                break
            await asyncio.sleep(0)
    assert time.monotonic() - began < 5.0  # on a machine that is busy with other things
    await rates.admit([RATE])

    assert ["rate_store_away", "rate_store_back"] == [line["event"] for line in written.lines]


async def test_an_answer_ends_the_wait(pretender, make):
    """Nothing is left that would end it later."""
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    pretender.answer = lambda _: b":1\r\n"
    await make(password="").admit([RATE])

    await asyncio.sleep(2 * TIMEOUT_S)  # as long as it might take

    assert [] == told


async def test_requests_that_are_cancelled_leave_the_pool_whole(pretender, make):
    """Wherever they are: no answer goes to another request, no connection is lost."""
    rates = make(password="")
    for turn in range(20):
        tasks = [asyncio.ensure_future(rates.admit([RATE])) for _ in range(2 * MAX_CONNECTIONS)]
        for _ in range(turn):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        assert {asyncio.CancelledError} == {
            type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)
        }

    pretender.answer = lambda _: b":1\r\n"
    await asyncio.gather(*(rates.admit([RATE]) for _ in range(4 * MAX_CONNECTIONS)))

    assert MAX_CONNECTIONS >= pretender.open


async def test_a_silent_first_address_is_overtaken(pretender, written, monkeypatch):
    """Within the quarter of a second that a Redis has."""
    names = scripted(monkeypatch)
    names.table["store.test"] = ["::1", "127.0.0.1"]
    pretender.answer = lambda _: b":1\r\n"
    with contextlib.ExitStack() as stack:
        for each in silent("::1", pretender.port):
            stack.enter_context(each)
        rates = Rates(f"redis://store.test:{pretender.port}", "deny", written.log)
        await rates.admit([RATE])
        await rates.close()

    assert 1 == pretender.connections
    assert [] == written.lines


async def test_a_name_that_is_not_answered_leaves_one_line(written, monkeypatch):
    """And holds up no other look-up."""
    faults = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    names = scripted(monkeypatch)
    names.table["store.test"] = HELD
    rates = Rates("redis://store.test:1", "deny", written.log)
    with pytest.raises(CountUnavailable):
        await rates.admit([RATE])
    threads = list(names.asking)
    names.let_go()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await rates.close()

    assert ["rate_store_away"] == [line["event"] for line in written.lines]
    assert (2, []) == (len(threads), faults)  # the second asks for IPv4 alone


@pytest.mark.parametrize("flags", ["", "&ssl_include_verify_flags=VERIFY_X509_STRICT"])
async def test_a_private_authority_is_judged_as_an_upstreams(written, tmp_path, flags):
    """An intermediate as the anchor; unless the URL itself says how strict to be."""
    anchor = private_ca.authority(above=private_ca.authority("Root"))
    (tmp_path / "ca.pem").write_bytes(anchor.pem)
    context = private_ca.leaf(anchor, identified=False).served(tmp_path / "leaf.pem")
    pretender = Pretender()
    pretender.answer = lambda _: b":1\r\n"
    server = await asyncio.start_server(pretender.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    url = f"rediss://127.0.0.1:{port}/?ssl_ca_certs={tmp_path / 'ca.pem'}{flags}"
    rates = Rates(url, "deny", written.log)
    if flags:
        with pytest.raises(CountUnavailable):
            await rates.admit([RATE])
    else:
        await rates.admit([RATE])
    await rates.close()
    server.close()

    assert bool(flags) == bool(written.lines)
