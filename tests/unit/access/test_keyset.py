"""Which keys of a set are used, and for what."""

from __future__ import annotations

import json

import pytest

from proxy.access.compact import ALGORITHMS, Malformed, read
from proxy.access.keyset import MAX_KEYS, is_signed, read_key_set
from tests.unit.access.issuer_rig import Signer, key_set, private_key


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_a_key_verifies_what_it_signed(algorithm):
    """And nothing else."""
    signer, other = Signer(algorithm), Signer(algorithm, serial=1)
    keys = read_key_set(key_set(signer))

    good, bad = read(signer.token()), read(other.token())

    key = keys.find(good)
    assert key is not None
    assert (is_signed(good, key), is_signed(bad, key)) == (True, False)


@pytest.mark.parametrize(
    ("held", "asked"),
    [("ES256", "RS256"), ("RS256", "ES256"), ("ES256", "ES384"), ("EdDSA", "ES256"),
     ("ES384", "ES256"), ("RS256", "EdDSA")],
)  # fmt: skip
def test_the_type_of_a_key_decides(held, asked):
    """Not the token, which may ask for anything by the key's id."""
    keys = read_key_set(key_set(Signer(held)))

    assert keys.find(read(Signer(asked).token())) is None


@pytest.mark.parametrize(
    ("change", "usable"),
    [
        ({}, True),
        ({"alg": "RS256"}, True),
        ({"use": None}, True),
        ({"key_ops": ["verify"]}, True),
        ({"x5c": ["garbage"], "x5u": "http://127.0.0.1/"}, True),
        ({"alg": "RS512"}, False),
        ({"alg": "HS256"}, False),
        ({"alg": ["RS256"]}, False),
        ({"use": "enc"}, False),
        ({"use": ["sig"]}, False),
        ({"key_ops": ["encrypt"]}, False),
        ({"key_ops": "verify"}, False),
        ({"kid": 7}, False),
        ({"kty": "oct", "k": "AAAA"}, False),
        ({"kty": "EC"}, False),
        ({"kty": ["RSA"]}, False),
        ({"n": None}, False),
        ({"n": 5}, False),
        ({"n": ""}, False),
        ({"n": "A" * 2000}, False),
        ({"e": "AA"}, False),
        ({"e": "_" * 12}, False),
    ],
)
def test_what_a_key_says_of_itself_counts(change, usable):
    """`alg`, `use`, `key_ops`; numbers in bounds. One key that is not used spoils no other."""
    signer, other = Signer("RS256"), Signer(kid="k2")
    keys = read_key_set(key_set(signer.jwk(**change), other))

    assert (keys.find(read(signer.token())) is not None) is usable
    assert keys.find(read(other.token())) is not None


@pytest.mark.parametrize("change", [{"x": "AAAA"}, {"crv": "secp256k1"}, {"crv": "P-384"}])
def test_a_point_that_is_none_is_left_out(change):
    """Beside the curve, or on another one."""
    keys = read_key_set(key_set(Signer().jwk(**change)))

    assert len(keys) == 0


def test_a_short_rsa_key_is_left_out():
    """RFC 7518 3.3."""
    assert len(read_key_set(key_set(Signer("RS256", kind="RSA-1024")))) == 0
    assert len(read_key_set(key_set(Signer("RS256")))) == 1


def test_a_private_key_is_not_read():
    """An issuer that publishes it by mistake does not put it into our memory."""
    signer = Signer("RS256")
    numbers = private_key("RSA", 0).private_numbers()
    keys = read_key_set(key_set(signer.jwk(d=hex(numbers.d), p="x", q="y")))

    key = keys.find(read(signer.token()))

    assert key is not None
    assert not hasattr(key.public, "private_numbers")


def test_without_a_key_id_there_must_be_one_that_fits():
    """Among several nobody has said which."""
    token = read(Signer(kid=None).token())
    other_type, second = Signer("RS256", kid="r"), Signer(kid="k2", serial=1)

    assert read_key_set(key_set(Signer(), other_type)).find(token) is not None
    assert read_key_set(key_set(Signer(), second)).find(token) is None


def test_of_two_keys_with_an_id_the_first_counts():
    """Unless they are for different algorithms (RFC 7517 4.5)."""
    first, second, other = Signer(), Signer(serial=1), Signer("RS256")
    keys = read_key_set(key_set(first, second, other))

    found = keys.find(read(second.token()))

    assert found is not None
    assert not is_signed(read(second.token()), found)
    assert keys.find(read(other.token())) is not None


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b'{"keys":[],"keys":[]}',
     json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode(), b'{"keys":' + b"[" * 50_000],
)  # fmt: skip
def test_what_is_no_key_set_is_refused(data):
    """So that the last good one stays."""
    with pytest.raises(Malformed):
        read_key_set(data)


@pytest.mark.parametrize("keys", [[], [None], ["x"], [[]], [{}] * MAX_KEYS])
def test_a_set_without_a_usable_key_is_one(keys):
    """An issuer may withdraw them all."""
    assert len(read_key_set(json.dumps({"keys": keys}).encode())) == 0


def test_the_digest_is_of_the_keys():
    """Not of their order of members, or of what is not used."""
    signer = Signer()
    first = read_key_set(key_set(signer.jwk()))
    same = read_key_set(key_set(dict(reversed(signer.jwk(x5t="1").items()))))
    other = read_key_set(key_set(Signer(serial=1)))

    assert first.digest == same.digest != other.digest
