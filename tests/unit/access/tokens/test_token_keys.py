"""Tokens by keys that change, are unknown, or cannot be had."""

from __future__ import annotations

import asyncio

import pytest

from proxy.access.issuers import BRAKE_S, MIN_LIFE_S
from proxy.dataplane.errors import ClientKeysUnavailable
from tests.unit.access.issuer_rig import (
    Signer,
    cause_of,
    key_set,
    payload,
    whose,
)


NO_KEY = "token: its issuer has no key of that id and algorithm"


async def test_a_new_key_is_asked_for(make, server, clock):
    """As soon as the brake lets it."""
    tokens = make()
    assert await whose(tokens, Signer().token()) == "ci"
    fresh = Signer(kid="k2", serial=1)
    server.tell(key_set(Signer(), fresh))

    clock.now += BRAKE_S
    assert await whose(tokens, fresh.token()) == "ci"
    assert server.asked == 2


async def test_a_removed_key_is_refused(make, server, clock):
    """Also for a token that was verified by it before."""
    tokens, token = make(), Signer().token()
    assert await whose(tokens, token) == "ci"
    server.tell(key_set(Signer(kid="k2", serial=1)))

    clock.now += MIN_LIFE_S * 2
    assert cause_of(await whose(tokens, token)) == NO_KEY
    assert tokens.issues(token)


async def test_a_flood_of_unknown_key_ids_asks_once_in_thirty_seconds(make, server, clock):
    """Whoever sends them; known keys go on meanwhile."""
    tokens, good = make(), Signer().token()
    assert await whose(tokens, good) == "ci"
    clock.now += BRAKE_S
    for count in range(200):
        assert cause_of(await whose(tokens, Signer(kid=f"x{count}").token())) == NO_KEY
        assert tokens.client_of(good) == "ci"
        clock.now += 0.125  # exact in binary

    assert server.asked == 2
    clock.now += BRAKE_S - 25
    assert cause_of(await whose(tokens, Signer(kid="y").token())) == NO_KEY
    assert server.asked == 3


async def test_a_wrong_signature_asks_nobody(make, server, clock):
    """The key id is known, so there is nothing to learn."""
    tokens = make()
    await whose(tokens, Signer().token())
    clock.now += BRAKE_S

    assert cause_of(tokens.client_of(Signer(serial=1).token())) == "token: signature"
    assert server.asked == 1


async def test_without_a_key_id_one_key_is_enough(make, server, clock):
    """Among several nobody has said which one it is."""
    tokens = make()
    assert await whose(tokens, Signer(kid=None).token()) == "ci"

    server.tell(key_set(Signer(), Signer(kid="k2", serial=1)))
    clock.now += MIN_LIFE_S * 2
    assert cause_of(await whose(tokens, Signer(kid=None).token())) == (
        "token: no key id, and its issuer has not just one key that fits"
    )


async def test_without_a_key_id_a_rotation_is_seen(make, server, clock):
    """The signature does not fit the one key that there was."""
    tokens = make()
    assert await whose(tokens, Signer(kid=None).token()) == "ci"
    server.tell(key_set(Signer(kid=None, serial=1)))

    clock.now += BRAKE_S
    assert await whose(tokens, Signer(kid=None, serial=1).token()) == "ci"


SPOILT = {
    "huge": b"HTTP/1.1 200 OK\r\n\r\n" + key_set(Signer()) + b" " * 300_000,
    "garbage": b"HTTP/1.1 200 OK\r\n\r\n<html>",
    "cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + key_set(Signer()),
    "moved": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
    "too many keys": b"HTTP/1.1 200 OK\r\n\r\n" + key_set(*[Signer().jwk()] * 101),
    "silence": b"",
}


@pytest.mark.parametrize("answer", SPOILT.values(), ids=SPOILT)
async def test_keys_that_cannot_be_had(make, server, answer, lines):
    """503 and no verdict, if there never were any."""
    server.answer = answer
    tokens = make()

    with pytest.raises(ClientKeysUnavailable):
        await whose(tokens, Signer().token())
    assert lines.events() == ["client_keys_failed"]


@pytest.mark.parametrize("answer", SPOILT.values(), ids=SPOILT)
async def test_the_last_good_keys_stay(make, server, clock, answer):
    """If later ones cannot be had."""
    tokens = make()
    await whose(tokens, Signer().token())
    server.answer = answer
    clock.now += MIN_LIFE_S * 2

    assert await whose(tokens, Signer().token(payload(jti="2"))) == "ci"
    assert server.asked == 2


async def test_a_slow_server_is_left(make, server):
    """The request does not wait for ever."""
    server.gate.clear()
    tokens = make(limit_s=0.05)

    with pytest.raises(ClientKeysUnavailable):
        await whose(tokens, Signer().token())


async def test_a_hundred_requests_wait_for_one_answer(make, server):
    """And each gets its verdict; one of them leaves before."""
    server.gate.clear()
    tokens = make()
    token = Signer().token()
    waiting = [asyncio.ensure_future(whose(tokens, token)) for _ in range(100)]
    await server.came.wait()
    waiting[0].cancel()
    server.gate.set()

    verdicts = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(verdicts[0], asyncio.CancelledError)
    assert verdicts[1:] == ["ci"] * 99
    assert server.asked == 1
