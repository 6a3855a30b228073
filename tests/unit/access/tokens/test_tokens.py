"""Whose a token is: signed by a real key that a real server tells."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import jwt
import pytest
from hypothesis import given, strategies as st

from proxy.access.compact import ALGORITHMS
from proxy.access.fetch import FetchFailed
from proxy.access.issuers import BRAKE_S
from proxy.access.tokens import Tokens
from proxy.dataplane.errors import ClientKeysUnavailable, KeysWanted
from tests.unit.access.issuer_rig import (
    ISSUER,
    Clock,
    Lines,
    Scripted,
    Signer,
    cause_of,
    key_set,
    payload,
    rule,
    spec,
    whose,
)


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
async def test_a_good_token_is_its_clients(make, server, algorithm):
    """Of each algorithm, with a key set that has one of each."""
    signers = [Signer(each, kid=each) for each in sorted(ALGORITHMS)]
    server.tell(key_set(*signers))
    tokens = make()
    token = Signer(algorithm, kid=algorithm).token()

    assert tokens.issues(token)
    assert await whose(tokens, token) == "ci"


async def test_another_issuers_token_is_none_of_ours(make, server):
    """And asks nobody for anything."""
    tokens = make()
    token = Signer().token(payload(iss="https://other.example"))

    assert not tokens.issues(token)
    assert cause_of(tokens.client_of(token)) == "token: of no configured issuer"
    assert server.asked == 0


async def test_the_first_rule_that_is_met_counts(make):
    """In the order of the file."""
    tokens = make(rule("a", claims={"role": "x"}), rule("b"), rule("c", claims={"role": "y"}))

    assert await whose(tokens, Signer().token(payload(role="x"))) == "a"
    assert await whose(tokens, Signer().token(payload(role="y"))) == "b"


async def test_no_rule_is_met(make, server):
    """Such a token is refused before its issuer is asked."""
    tokens = make(rule(claims={"role": "x"}))

    verdict = tokens.client_of(Signer().token(payload(role="z")))
    assert cause_of(verdict) == "token: not the client's claims"
    assert server.asked == 0


async def test_the_cause_is_that_of_the_nearest_client(make):
    """Of several whose issuer it is, wherever it stands among them."""
    tokens = make(
        rule("a", audience="x"), rule("b", claims={"role": "b"}), rule("c", claims={"role": "c"})
    )

    for changes, cause in {
        (("aud", "z"),): "another audience",
        (("role", "z"),): "not the client's claims",
        (("role", "b"), ("exp", 1)): "expired",
        (("role", "b"), ("nbf", 2**40)): "not yet valid",
    }.items():
        verdict = tokens.client_of(Signer().token(payload(**dict(changes))))
        assert cause_of(verdict) == f"token: {cause}"


def test_an_issuer_has_one_address(lines):
    """Which of two keys would count?"""
    with pytest.raises(ValueError, match="twice"):
        Tokens([spec("https://a"), spec("https://b")], Scripted(), Clock(), lines.log)


async def test_nothing_of_a_token_is_told(make, server, clock, lines):
    """Not in the log, not in errors, not in what an object says of itself."""
    tokens, token = make(), Signer().token()
    told = []
    for answer in (b"garbage", server.answer):
        server.answer = answer
        clock.now += BRAKE_S
        try:
            await whose(tokens, token)
        except ClientKeysUnavailable as error:
            told += [repr(error), error.detail, error.cause]
    clock.now += BRAKE_S
    with pytest.raises(KeysWanted) as wanted:
        tokens.client_of(Signer(kid="canary-kid").token())
    told += [repr(wanted.value), repr(wanted.value.keys), repr(tokens), lines.text()]

    everything = "\n".join(told)
    assert ISSUER in everything
    pieces = {token[at : at + 8] for at in range(len(token) - 8)} | {"canary"}
    assert not [piece for piece in pieces if piece in everything]


def test_pyjwt_is_loaded_only_with_tokens():
    """Most configurations have no issuer."""
    code = (
        "import sys, proxy.access.claims, proxy.access.compact, proxy.access.registry;"
        "print(sorted({'jwt', 'cryptography'} & set(sys.modules)));"
        "import proxy.access.tokens;"
        "print(sorted({'jwt', 'cryptography'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.splitlines() == ["[]", "['cryptography', 'jwt']"]


@pytest.fixture(scope="module")
def loaded():
    """Return tokens that have their keys."""

    async def build():
        tokens = Tokens([spec("https://a.example")], Scripted(Signer()), time.time, Lines().log)
        await whose(tokens, Signer().token(payload(exp=int(time.time()) + 3600)))
        return tokens

    return asyncio.run(build())


@given(
    changes=st.dictionaries(
        st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "jti"]),
        st.none()
        | st.text(max_size=5)
        | st.sampled_from([ISSUER, "keybearer", ["keybearer"], ["keybearer", 1], True, 1e9, -1])
        | st.integers(-(10**9), 10**9).map(lambda shift: int(time.time()) + shift),
        max_size=2,
    ),
    at=st.none() | st.tuples(st.integers(0, 400), st.sampled_from("Az09-_.= \n")),
)
def test_what_is_taken_is_a_token_to_pyjwt(loaded, changes, at):
    """Claims that are changed and signed, characters that are changed behind the signing."""
    claims = payload(exp=int(time.time()) + 3600) | changes
    token = Signer().forge(claims=claims)
    if at is not None:
        token = token[: at[0]] + at[1] + token[at[0] + 1 :]
    try:
        taken = cause_of(loaded.client_of(token)) is None
    except KeysWanted:
        taken = False

    loaded.issues(token)
    if taken:
        public = Signer().private.public_key()
        jwt.decode(
            token, public, ["ES256"], issuer=ISSUER, audience="keybearer", leeway=31,
            options={"require": ["exp", "iss", "aud"], "verify_sub": False, "verify_jti": False},
        )  # fmt: skip


@given(st.text())
def test_any_text_gets_a_verdict(loaded, text):
    """Neither raises."""
    assert not loaded.issues(text)
    assert cause_of(loaded.client_of(text)) == "token: not of three parts"


async def test_a_failed_fetch_is_the_only_error(lines):
    """An issuer that is away from the start."""
    fetch = Scripted()
    fetch.answer = FetchFailed("down")
    tokens = Tokens([spec("https://a.example")], fetch, Clock(), lines.log)

    with pytest.raises(ClientKeysUnavailable) as caught:
        await whose(tokens, Signer().token())
    assert (caught.value.code, caught.value.error) == (
        "client-keys-unavailable",
        "proxy_internal_response",
    )
