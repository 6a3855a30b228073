"""Why a key, a token or a certificate is refused: the log tells it, and the answer does not."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import trustme

from tests.integration.rig.client_keys import Search, client, new
from tests.integration.rig.proxy import get, one_route
from tests.integration.rig.tls import Pki, connect
from tests.unit.access.issuer_rig import ISSUER, KeyServer, Signer, b64, key_set, payload


ALICE, OLD, NOBODY = new("alice"), new("old"), new("nobody")
MADE_UP = new("alice", 7)
KEYS = {
    "mistyped": (ALICE.mistyped.text, "not a whole key"),
    "cut off": (ALICE.cut(9).text, "not a whole key"),
    "a dummy": ("kb_", "not a whole key"),
    "of nobody": (NOBODY.text, "no client of that name"),
    "made up, or revoked": (MADE_UP.text, "not one of the client's keys"),
    "made up, of an expired client": (new("old", 7).text, "not one of the client's keys"),
    "of a client that has no key": (new("ci").text, "not one of the client's keys"),
    "expired": (OLD.text, "the client has expired"),
}
SEARCH = Search([ALICE, ALICE.mistyped, OLD, NOBODY, MADE_UP])


def in_time(**changes):
    """Return the claims of a token that is good now, but for the changes."""
    return payload(**{"exp": int(time.time()) + 600, "role": "x"} | changes)


TOKENS = {
    "audience": (lambda: Signer().token(in_time(aud="canary")), "token: another audience"),
    "claims": (lambda: Signer().token(in_time(role="canary")), "token: not the client's claims"),
    "over": (lambda: Signer().token(in_time(exp=1)), "token: expired"),
    "early": (lambda: Signer().token(in_time(nbf=2**40)), "token: not yet valid"),
    "forged": (lambda: Signer(serial=1).token(in_time()), "token: signature"),
    "another key": (
        lambda: Signer(kid="canary").token(in_time()),
        "token: its issuer has no key of that id and algorithm",
    ),
    "algorithm": (
        lambda: Signer().forge({"alg": "canary"}, in_time()),
        "token: an algorithm that is not taken",
    ),
    "header": (
        lambda: f"{b64(b'canary')}.{b64(in_time())}.{b64(b'canary')}",
        "token: not a plain JSON object",
    ),
}


def test_the_readme_tells_what_each_cause_means():
    """But for the ways in which a token is no JWT: those are many, and speak for themselves."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    causes = {cause for _, cause in [*KEYS.values(), *TOKENS.values()]}

    assert {"token: not a plain JSON object"} == {
        each for each in causes if f"`{each}`" not in text
    }


@pytest.fixture
async def issuer():
    """An issuer's keys."""
    async with KeyServer() as running:
        running.tell(key_set(Signer()))
        yield running


@pytest.fixture
async def gateway(start, upstream, issuer):
    """A client with a key, one that has expired, and one that shows tokens."""
    jwt = {
        "issuer": ISSUER,
        "audience": "keybearer",
        "claims": {"role": "x"},
        "jwks_url": issuer.url,
    }
    clients = {
        "alice": client(ALICE),
        "old": client(OLD, expires="2020-01-01"),
        "ci": {"jwt": jwt, "routes": "*"},
    }
    return await start(one_route(upstream.origin) | {"clients": clients})


def without_id(answer):
    """Return an answer without the one thing in which two of them may differ."""
    return re.sub(rb'"request_id":"[^"]*"', b"", answer)


def person(authority, name):
    """Return a client's certificate."""
    return authority.issue_cert(
        common_name=name, organization_name="Example", organization_unit_name="R&D"
    )


async def ask(gateway, shown):
    """Return the answer to what is shown as Bearer token, without its request id, and the cause."""
    before = len(gateway.log.requests)
    answer = await gateway.ask(get("/api/x", f"Authorization: Bearer {shown}"))
    line = await gateway.logged(before + 1)
    assert (answer.status, line["request_id"].encode() in answer.raw) == (line["status"], True)
    return without_id(answer.raw), line["cause"]


async def test_keys_that_are_wrong_differ_in_the_log_alone(gateway):
    """Byte for byte the same is what a client reads."""
    told = {name: await ask(gateway, key) for name, (key, _) in KEYS.items()}

    assert {name: cause for name, (_, cause) in KEYS.items()} == {
        name: cause for name, (_, cause) in told.items()
    }
    [answer] = {answer for answer, _ in told.values()}
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert [] == SEARCH.found(answer + gateway.log.text)


async def test_a_token_that_is_wrong_answers_as_a_key_does(gateway):
    """Nothing of the token is in the log."""
    good = await gateway.ask(get("/api/x", f"Authorization: Bearer {Signer().token(in_time())}"))
    as_key, _ = await ask(gateway, NOBODY.text)

    told = {name: await ask(gateway, make()) for name, (make, _) in TOKENS.items()}

    assert {name: cause for name, (_, cause) in TOKENS.items()} == {
        name: cause for name, (_, cause) in told.items()
    }
    assert {as_key} == {answer for answer, _ in told.values()}
    assert (200, False) == (good.status, b"canary" in gateway.log.text)


async def test_who_is_braked_is_told_of_with_the_cause(gateway):
    """The last one's; what came before has lines of its own."""
    for _ in range(10):
        await ask(gateway, NOBODY.text)
    braked = [await ask(gateway, key) for key in (ALICE.mistyped.text, OLD.text)]

    assert ["not a whole key", "the client has expired"] == [
        cause.removeprefix("wrong client keys, the last one: ") for _, cause in braked
    ]
    [answer] = {re.sub(rb"Retry-After: \d+|t=\d+", b"", answer) for answer, _ in braked}
    assert answer.startswith(b"HTTP/1.1 429 ")


async def test_a_token_of_another_issuer_is_passed_over_and_told(gateway):
    """It may be meant for the upstream; whoever has set up the wrong issuer looks for it here."""
    answer, cause = await ask(gateway, Signer().token(in_time(iss="https://canary.example")))
    without = await gateway.ask(get())
    line = await gateway.logged(2)

    assert "token: of no configured issuer" == cause
    assert (401, "client-key-required", None) == (without.status, without.code, line["cause"])
    assert answer == without_id(without.raw)
    assert b"canary" not in gateway.log.text


async def test_a_certificate_of_nobody_is_told(start, upstream, tmp_path):
    """The client is asked for a key in the same way, whatever it has shown."""
    authority = trustme.CA()
    pki = Pki(tmp_path, authority)
    pki.write(pki.issue())
    expired = {"certificate": {"subject": "CN=old,OU=R&D,O=Example"}, "routes": "*"}
    clients = {"alice": client(ALICE), "old": expired | {"expires": "2020-01-01"}}
    asking = {"client_ca": pki.trust("ca.pem", authority)}
    gateway = await start(pki.config(upstream.origin, tls=asking, clients=clients))
    answers = set()
    for name in ("nobody", "old", None):
        leaf = None if name is None else person(authority, name)
        async with await connect(gateway, pki.context(leaf)) as visitor:
            answers.add(without_id((await visitor.ask(get())).raw))
    await gateway.logged(3)

    assert ["no client has this certificate", "the client has expired", None] == [
        line["cause"] for line in gateway.log.requests
    ]
    assert 1 == len(answers)
