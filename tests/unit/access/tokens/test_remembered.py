"""What is remembered of tokens, and when it is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from proxy.access.issuers import BRAKE_S
from proxy.access.tokens import MAX_REMEMBERED, IssuerSpec, Tokens
from proxy.dataplane.errors import ClientKeysUnavailable
from tests.unit.access.issuer_rig import (
    ISSUER,
    NOW,
    Clock,
    Lines,
    Scripted,
    Signer,
    cause_of,
    payload,
    rule,
    whose,
)


NO_KEY = "token: its issuer has no key of that id and algorithm"


async def test_a_verified_token_is_not_verified_again(make, counted):
    """One that is not valid is, each time."""
    tokens, token, forged = make(), Signer().token(), Signer(serial=1).token()
    await whose(tokens, token)
    assert [tokens.client_of(token) for _ in range(5)] == ["ci"] * 5
    assert len(counted) == 1

    assert [cause_of(tokens.client_of(forged)) for _ in range(2)] == ["token: signature"] * 2
    assert len(counted) == 3


async def test_it_is_remembered_until_its_end(make, clock):
    """To the edge of the leeway."""
    tokens, token = make(), Signer().token(payload(exp=int(NOW) + 60))
    await whose(tokens, token)

    clock.now += 89.9
    assert tokens.client_of(token) == "ci"
    clock.now += 0.1
    assert cause_of(tokens.client_of(token)) == "token: expired"


async def test_so_many_are_remembered(make, counted):
    """The oldest gives way."""
    tokens = make()
    many = [Signer().token(payload(jti=str(count))) for count in range(MAX_REMEMBERED + 1)]
    for token in many:
        assert await whose(tokens, token) == "ci"
    assert f"{MAX_REMEMBERED} remembered" in repr(tokens)

    counted.clear()
    assert (tokens.client_of(many[-1]), len(counted)) == ("ci", 0)
    assert (tokens.client_of(many[0]), len(counted)) == ("ci", 1)


async def test_new_rules_forget_verdicts_and_keep_keys(make, server, clock):
    """So a reload asks no issuer."""
    old, token = make(), Signer().token()
    await whose(old, token)

    new = make(rule("other"), before=old)
    await old.close(successor=new)

    assert new.client_of(token) == "other"
    assert server.asked == 1
    clock.now += BRAKE_S
    assert cause_of(await whose(new, Signer(kid="k2").token())) == NO_KEY
    assert server.asked == 2


async def test_keys_that_nobody_takes_over_are_asked_for_no_more(make, server):
    """The issuer is gone from the file, or has moved."""
    server.gate.clear()
    old = make()
    waiting = asyncio.ensure_future(whose(old, Signer().token()))
    await server.came.wait()
    moved = IssuerSpec(ISSUER, server.url + "&moved", (rule(),))
    fetch, lines = Scripted(Signer()), Lines()
    new = Tokens([moved], fetch, Clock(), lines.log, before=old)

    await old.close(successor=new)

    with pytest.raises(ClientKeysUnavailable):
        await waiting
    assert await whose(new, Signer().token()) == "ci"
