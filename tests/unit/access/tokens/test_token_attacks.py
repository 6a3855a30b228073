"""Attacks of the literature (RFC 8725 2, and CVEs), each against a verifier that takes the rest."""

from __future__ import annotations

import base64
import hmac
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

from proxy.access.compact import MAX_TOKEN_SIZE
from proxy.access.tokens import Tokens
from tests.unit.access.issuer_rig import (
    Clock,
    Lines,
    Scripted,
    Signer,
    b64,
    cause_of,
    payload,
    spec,
    whose,
)


RSA, EC, ED = Signer("RS256", "rsa"), Signer("ES256", "ec"), Signer("EdDSA", "ed")
THIEF = Signer("ES256", "ec", serial=9)


@pytest.fixture
async def fetch():
    """Return a fetch of the three keys."""
    return Scripted(RSA, EC, ED)


@pytest.fixture
async def tokens(fetch):
    """Return a verifier that has its keys, and may ask for them again."""
    clock = Clock()
    made = Tokens([spec("https://issuer.example/keys")], fetch, clock, Lines().log)
    for signer in (RSA, EC, ED):
        assert await whose(made, signer.token()) == "ci"
    clock.now += 31
    yield made
    await made.close()


def unsigned(alg, signature=b"", **header):
    """Return a token with a signature of any bytes."""
    return f"{b64({'alg': alg, **header})}.{b64(payload())}.{b64(signature)}"


def with_secret(algorithm, secret, kid="rsa"):
    """Return a token that is signed with a shared secret."""
    signed = f"{b64({'alg': algorithm, 'kid': kid})}.{b64(payload())}"
    name = f"sha{algorithm[2:]}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), name))}"


def pem(encoding, form):
    """Return the RSA public key as bytes."""
    return RSA.private.public_key().public_bytes(encoding, form)


def text(value, **changes):
    """Return the JSON of good claims with raw JSON in them."""
    told = json.dumps(payload() | dict.fromkeys(changes, "@"))
    for name, raw in changes.items():
        told = told.replace(f'"{name}": "@"', f'"{name}": {raw}')
    return (told if value is None else value(told)).encode()


def swapped(token, part, change):
    """Return a token with one part changed, behind the signing."""
    parts = token.split(".")
    parts[part] = change(parts[part])
    return ".".join(parts)


def loose(part):
    """Return the same bytes in another spelling: a bit set that no byte needs."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = part[:-1] + alphabet[alphabet.index(part[-1]) ^ 1]
    padding = "=" * (-len(part) % 4)
    assert base64.urlsafe_b64decode(other + padding) == base64.urlsafe_b64decode(part + padding)
    return other


def der(token):
    """Return an ES256 token with its signature as DER, as other libraries take it."""
    signed = token.rpartition(".")[0]
    return f"{signed}.{b64(EC.private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))}"


def relabelled(signer, algorithm):
    """Return a token whose header names another algorithm than it is signed with."""
    return signer.forge({"alg": algorithm, "kid": signer.kid})


GOOD = EC.token()
ATTACKS = {
    # Unsecured (RFC 8725 2.1, CVE-2015-9235).
    **{f"alg {alg!r}": unsigned(alg) for alg in ("none", "None", "NONE", "nOnE", "none ", "")},
    "alg none, key named": unsigned("none", kid="ec"),
    "alg none, signature of a good one": f"{unsigned('none')}{GOOD.rpartition('.')[2]}",
    "alg missing": EC.forge({"kid": "ec"}),
    "alg null": EC.forge({"alg": None, "kid": "ec"}),
    "alg a list": EC.forge({"alg": ["none", "ES256"], "kid": "ec"}),
    "alg in lower case": EC.forge({"alg": "es256", "kid": "ec"}),
    "signature cut off": swapped(GOOD, 2, lambda _: ""),
    "signature part cut off": GOOD.rpartition(".")[0],
    # The public key as a secret (CVE-2016-10555), in every form it could be had in.
    **{
        f"{alg} with the public key, {name}": with_secret(alg, secret)
        for alg in ("HS256", "HS384", "HS512")
        for name, secret in {
            "PEM": pem(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "PEM stripped": pem(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip(),
            "PKCS1": pem(Encoding.PEM, PublicFormat.PKCS1),
            "DER": pem(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "n": RSA.jwk()["n"].encode(),
            "JWK": json.dumps(RSA.jwk()).encode(),
            "nothing": b"",
        }.items()
    },
    # One key under another algorithm.
    "RS256 said, RS512 signed": Signer("RS512", "rsa").forge({"alg": "RS256", "kid": "rsa"}),
    "PS256 said, RS256 signed": relabelled(RSA, "PS256"),
    "RS256 said, an EC key named": relabelled(EC, "RS256"),
    "ES256 said, an RSA key named": relabelled(RSA, "ES256"),
    "ES384 said, a P-256 key named": relabelled(EC, "ES384"),
    "EdDSA said, an EC key named": relabelled(EC, "EdDSA"),
    "ES256K": relabelled(EC, "ES256K"),
    "ES512": relabelled(EC, "ES512"),
    "PS512": relabelled(RSA, "PS512"),
    # Keys that come with the token (CVE-2018-0114), and where to get some.
    "jwk": THIEF.token(jwk=THIEF.jwk()),
    "jwk, no key named": THIEF.token(kid=None, jwk=THIEF.jwk()),
    "jku": THIEF.token(jku="http://127.0.0.1:9/keys"),
    "x5u": THIEF.token(x5u="http://127.0.0.1:9/cert"),
    "x5c": THIEF.token(x5c=["MIIB"]),
    # Key ids that are paths, queries, commands.
    **{
        f"kid {kid!r}": THIEF.token(kid=kid)
        for kid in ("../../../../dev/null", "/dev/null", "x' UNION SELECT 'key", "ec\0", "ec ",
                    "EC", "", "http://127.0.0.1:9/k", "x|sleep 9", "__class__", "k" * 3000)
    },
    "kid a list": EC.forge({"alg": "ES256", "kid": ["ec"]}),
    "kid an object": EC.forge({"alg": "ES256", "kid": {"kid": "ec"}}),
    "kid null": EC.forge({"alg": "ES256", "kid": None}),
    # Signatures.
    "another's key": THIEF.token(),
    "r = s = 0 (CVE-2022-21449)": swapped(GOOD, 2, lambda _: b64(bytes(64))),
    "a signature of nothing": swapped(GOOD, 2, lambda _: b64(b"\0")),
    "a signature too long": swapped(GOOD, 2, lambda s: b64(base64.urlsafe_b64decode(s + "==") * 2)),
    "DER": der(GOOD),
    "payload of another": swapped(GOOD, 1, lambda _: b64(payload(sub="root"))),
    "header of another": swapped(GOOD, 0, lambda _: b64({"alg": "ES256", "kid": "ec", "x": 1})),
    "two signatures": GOOD + "." + GOOD.rpartition(".")[2],
    "two tokens": f"{GOOD}.{GOOD}",
    "JSON serialization": json.dumps(
        dict(zip(("protected", "payload", "signature"), GOOD.split("."), strict=True))
    ),
    # Dates.
    **{
        f"exp {raw[:12]}": EC.forge(claims=text(None, exp=raw))
        for raw in ('"9999999999"', "true", "null", "[9999999999]", "{}", '""', "1e400", "-1e400",
                    "NaN", "Infinity", "9" * 5000, "1", "-1", "0", "0x7fffffff", "1799999969")
    },
    "exp missing": EC.forge(claims=payload(exp=None)),
    "nbf later": EC.token(payload(nbf=1_800_000_062)),
    "nbf a text": EC.forge(claims=payload(nbf="0")),
    "iat later": EC.token(payload(iat=1_800_000_062)),
    "iat true": EC.forge(claims=payload(iat=True)),
    # JSON that two readers read in two ways.
    "alg twice": EC.forge(b'{"alg":"none","kid":"ec","alg":"ES256"}'),
    "kid twice": EC.forge(b'{"alg":"ES256","kid":"x","kid":"ec"}'),
    "aud twice": EC.forge(claims=text(lambda told: told[:-1] + ',"aud":"keybearer"}')),
    "iss twice, escaped": EC.forge(
        claims=text(lambda told: told[:-1] + ',"\\u0069ss":"https://issuer.example"}')
    ),
    "a name twice, deep": EC.forge(claims=text(lambda told: told[:-1] + ',"a":{"b":1,"b":2}}')),
    "UTF-16": EC.forge(claims=json.dumps(payload()).encode("utf-16")),
    "a byte order mark": EC.forge(claims=b"\xef\xbb\xbf" + json.dumps(payload()).encode()),
    "not UTF-8": EC.forge(claims=text(lambda told: told[:-1]) + b',"x":"\xff"}'),
    "two objects": EC.forge(claims=text(lambda told: told + told)),
    "an array": EC.forge(claims=[payload()]),
    "too deep": EC.forge(
        claims=text(lambda told: told[:-1] + ',"a":' + "[" * 2000 + "]" * 2000 + "}")
    ),
    # Tokens in tokens, and of other kinds.
    "nested": EC.forge({"alg": "ES256", "kid": "ec", "cty": "JWT"}, GOOD.encode()),
    "encrypted": ".".join([b64({"alg": "dir", "enc": "A256GCM"}), "", b64(b"iv"), GOOD[:40], "x"]),
    "detached": f"{GOOD.split('.')[0]}..{GOOD.split('.')[2]}",
    "a logout token": EC.forge({"alg": "ES256", "kid": "ec", "typ": "logout+jwt"}),
    "crit": EC.forge({"alg": "ES256", "kid": "ec", "crit": ["exp"], "exp": 1}),
    "crit, empty": EC.forge({"alg": "ES256", "kid": "ec", "crit": []}),
    "b64 (RFC 7797)": EC.forge({"alg": "ES256", "kid": "ec", "crit": ["b64"], "b64": False}),
    # Spellings.
    **{
        f"{name} part {part}": swapped(GOOD, part, change)
        for part in (0, 1, 2)
        for name, change in {
            "padding in": lambda p: p + "=",
            "more padding in": lambda p: p + "==",
            "a blank in": lambda p: p + " ",
            "a line break in": lambda p: p[:4] + "\n" + p[4:],
            "a character more in": lambda p: p + "A",
            "one less in": lambda p: p[:-1],
            "an umlaut in": lambda p: p + "ä",
        }.items()
    },
    "loose bits": swapped(GOOD, 2, loose),
    **{
        f"{garbage!r} behind": GOOD + garbage
        for garbage in (".", ".x", "..", " ", "\n", "\0", ",x", "; x", "#", "%00", "\ud800")
    },
    **{
        f"{garbage!r} in front": garbage + GOOD
        for garbage in (".", " ", "Bearer ", "\0", "\ufeff")
    },
    "too long": EC.token(payload(x="x" * MAX_TOKEN_SIZE)),
    "very long": "a." * 1_000_000,
}  # fmt: skip


CAUSES = {
    "token: a critical extension",
    "token: a date that is missing or no number",
    "token: a key id that is no text",
    "token: an algorithm that is not taken",
    "token: another type of token",
    "token: base64url with loose ends",
    "token: expired",
    "token: its issuer has no key of that id and algorithm",
    "token: no base64url",
    "token: not a plain JSON object",
    "token: not of three parts",
    "token: not yet valid",
    "token: signature",
}
"""Fixed words all; see `test_each_cause_is_met`."""


@pytest.mark.parametrize("token", ATTACKS.values(), ids=ATTACKS)
async def test_an_attack_is_nobodys_token(tokens, fetch, token):
    """Nor does anything raise, whatever may be asked for once; nothing of it is in the cause."""
    asked = fetch.asked
    tokens.issues(token)

    assert cause_of(await whose(tokens, token)) in CAUSES
    assert fetch.asked - asked <= 1
    assert await whose(tokens, GOOD) == "ci"


async def test_each_cause_is_met(tokens):
    """Or the list would hold what nobody is ever told."""
    told = {cause_of(await whose(tokens, token)) for token in ATTACKS.values()}

    assert told == CAUSES


GOOD_ONES = {
    "plain": EC.forge(),
    "at+jwt": EC.forge({"alg": "ES256", "kid": "ec", "typ": "at+jwt"}),
    "blanks in the header": EC.forge(b' {"alg" : "ES256" , "kid":"ec"} '),
    "a far end": EC.forge(claims=text(None, exp="9999999999")),
    "a fraction": EC.forge(claims=text(None, exp="9999999999.5")),
    "a deep claim": EC.forge(claims=text(lambda told: told[:-1] + ',"a":[[{"b":1}]]}')),
    "long": EC.token(payload(x="x" * 5500)),
    "foreign keys": EC.token(jku="http://127.0.0.1:9/", jwk=THIEF.jwk()),
}


@pytest.mark.parametrize("token", GOOD_ONES.values(), ids=GOOD_ONES)
async def test_the_makers_of_attacks_make_good_tokens(tokens, fetch, token):
    """Each attack is refused for what it is; a foreign key in the header is not even looked at."""
    asked = fetch.asked

    assert tokens.issues(token)
    assert tokens.client_of(token) == "ci"
    assert fetch.asked == asked


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_confusion_would_have_worked(algorithm):
    """Positive control: a reader that believes `alg` would take it."""
    secret = pem(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed, _, signature = with_secret(algorithm, secret).rpartition(".")

    read = base64.urlsafe_b64decode(signature + "==")
    assert get_default_algorithms()[algorithm].verify(signed.encode(), secret, read)
