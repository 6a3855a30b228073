"""The keys of an issuer: when they are asked for, and for how long they are good."""

from __future__ import annotations

import asyncio

import pytest

from proxy.access.fetch import FetchFailed
from proxy.access.issuers import BRAKE_S, MAX_KEPT_S, MIN_LIFE_S, IssuerKeys
from proxy.dataplane.errors import ClientKeysUnavailable, KeysWanted
from tests.unit.access.issuer_rig import ISSUER, Clock, Lines, Scripted, Signer, key_set


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def lines():
    """Return what is logged."""
    return Lines()


@pytest.fixture
async def fetch():
    """Return a fetch that tells one key."""
    return Scripted(Signer())


@pytest.fixture
async def keys(fetch, clock, lines):
    """Return keys that nobody has asked for."""
    made = IssuerKeys(ISSUER, "https://issuer.example/keys", fetch, clock, lines.log)
    yield made
    await made.close()


async def landed(keys):
    """Wait until nothing is under way."""
    await keys.refresh() if keys.askable else None


async def test_the_first_are_asked_for_at_once(keys, fetch):
    """By whoever needs them."""
    with pytest.raises(KeysWanted) as caught:
        keys.usable()
    await caught.value.keys.refresh()

    assert len(keys.usable()) == 1
    assert fetch.asked == 1


async def test_a_hundred_wait_for_one_answer(keys, fetch):
    """Single flight."""
    fetch.gate.clear()
    waiting = [asyncio.ensure_future(keys.refresh()) for _ in range(100)]
    await asyncio.sleep(0)
    fetch.gate.set()
    await asyncio.gather(*waiting)

    assert fetch.asked == 1
    assert len(keys.usable()) == 1


async def test_one_who_leaves_ends_it_for_nobody(keys, fetch):
    """The one that began it, too."""
    fetch.gate.clear()
    first, second = [asyncio.ensure_future(keys.refresh()) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    fetch.gate.set()
    await second

    assert fetch.asked == 1
    assert len(keys.usable()) == 1


@pytest.mark.parametrize("failure", [FetchFailed("down"), RuntimeError("canary"), OSError("x")])
async def test_a_failure_is_told_once_and_raises_nothing(keys, fetch, clock, lines, failure):
    """And so is the recovery."""
    good, fetch.answer = fetch.answer, failure
    for _ in range(3):
        await keys.refresh()
        clock.now += BRAKE_S
    fetch.answer = good
    await keys.refresh()

    assert fetch.asked == 4
    assert lines.events() == ["client_keys_failed", "client_keys_read"]
    assert "canary" not in lines.text()


async def test_without_keys_it_is_unavailable(keys, fetch, clock):
    """For as long as the brake is on; then it is asked again."""
    fetch.answer = FetchFailed("down")
    await keys.refresh()
    clock.now += 10.5

    with pytest.raises(ClientKeysUnavailable) as caught:
        keys.usable()
    assert caught.value.status == 503
    assert caught.value.fields == ((b"Retry-After", b"20"),)

    clock.now += 19.5
    with pytest.raises(KeysWanted):
        keys.usable()


async def test_the_brake_holds_every_way(keys, fetch, clock):
    """Once in 30 s, to the second."""
    for _ in range(10):
        await keys.refresh()
    clock.now += BRAKE_S - 0.1
    await keys.refresh()
    assert (fetch.asked, keys.askable) == (1, False)

    clock.now += 0.1
    await keys.refresh()
    assert fetch.asked == 2


async def test_they_are_renewed_without_a_wait(keys, fetch, clock):
    """From four fifths of their life on, by whoever comes."""
    await keys.refresh()
    first = keys.usable()
    clock.now += MIN_LIFE_S * 0.8 - 1
    assert keys.usable() is first
    await landed_nothing(fetch, 1)

    fetch.answer = key_set(Signer(serial=1))
    clock.now += 1
    assert keys.usable() is first
    await landed(keys)

    assert fetch.asked == 2
    assert keys.usable() is not first


async def landed_nothing(fetch, asked):
    """Let what might have begun begin."""
    await asyncio.sleep(0)
    assert fetch.asked == asked


async def test_the_same_keys_are_the_same_object(keys, clock):
    """What was verified by them stays so."""
    await keys.refresh()
    first = keys.usable()
    clock.now += MIN_LIFE_S
    await keys.refresh()

    assert keys.usable() is first


@pytest.mark.parametrize(("told_s", "life_s"), [(0, MIN_LIFE_S), (3600, 3600), (10**8, MAX_KEPT_S)])
async def test_their_life_is_what_is_told_in_bounds(keys, fetch, clock, told_s, life_s):
    """Five minutes at least, a day at most."""
    fetch.fresh_s = told_s
    await keys.refresh()

    clock.now += life_s * 0.8 - 1
    keys.usable()
    await landed_nothing(fetch, 1)
    clock.now += 1
    keys.usable()
    await landed_nothing(fetch, 2)


async def test_old_ones_are_not_used_before_the_issuer_was_asked(keys, fetch, clock):
    """Nobody has come for long: what was withdrawn since must not be taken even once."""
    await keys.refresh()
    clock.now += MIN_LIFE_S * 2

    with pytest.raises(KeysWanted):
        keys.usable()


async def test_the_last_good_ones_stay_for_a_day(keys, fetch, clock):
    """While every renewal fails; not a second longer."""
    await keys.refresh()
    first = keys.usable()
    fetch.answer = b"garbage"
    clock.now += MAX_KEPT_S - 1
    await keys.refresh()
    assert keys.usable() is first

    clock.now += 1
    with pytest.raises(ClientKeysUnavailable):
        keys.usable()


async def test_a_clock_put_back_keeps_nothing_for_ever(keys, fetch, clock):
    """Neither the brake nor the keys."""
    await keys.refresh()
    clock.now -= 100 * MAX_KEPT_S
    keys.usable()
    assert not keys.askable

    clock.now += MIN_LIFE_S * 2
    with pytest.raises(KeysWanted):
        keys.usable()


async def test_closing_ends_what_is_under_way(keys, fetch, clock):
    """Those who wait go on, and nobody asks any more."""
    fetch.gate.clear()
    waiting = asyncio.ensure_future(keys.refresh())
    await asyncio.sleep(0)

    await keys.close()
    await waiting

    clock.now += BRAKE_S
    assert not keys.askable
    with pytest.raises(ClientKeysUnavailable):
        keys.usable()
