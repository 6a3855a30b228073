"""What is read of a token before it is believed, and what is not."""

from __future__ import annotations

import contextlib
import traceback

import pytest
from hypothesis import given, strategies as st

from proxy.access.compact import (
    MAX_TOKEN_SIZE,
    Malformed,
    is_compact,
    read,
    read_claims,
    read_object,
)
from tests.unit.access.issuer_rig import b64


def test_a_token_is_read():
    """Header, payload, signature, and what was signed."""
    token = f"{b64({'alg': 'ES256', 'kid': 'k'})}.{b64({'iss': 'x'})}.{b64(b'sig')}"

    told = read(token)

    assert (told.algorithm, told.key_id, told.claims) == ("ES256", "k", {"iss": "x"})
    assert (told.signed.decode(), told.signature) == (token.rpartition(".")[0], b"sig")
    assert "iss" not in repr(told)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e400}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000,
        b'{"a":1} x',
        b'{"a":1',
        b"{'a':1}",
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\xff"}',
        b'["a"]',
        b'"a"',
        b"null",
        b"",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(data):
    """A text, a number, a depth: whatever it is."""
    with pytest.raises(Malformed):
        read_object(data)


def test_an_error_quotes_nothing():
    """Neither itself, nor what would be told with it."""
    with pytest.raises(Malformed) as caught:
        read_object(b'{"canary": canary}')

    assert "canary" not in "".join(traceback.format_exception(caught.value)).split("Malformed")[1]
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c.d", "a.b.c\n", " a.b.c", "a.b=.c", "a.b+.c", "a.b/.c", ".b.c", "a..c",
     "ä.b.c", "a.b.c.", "\ud800.b.c", "a.b." + "c" * MAX_TOKEN_SIZE],
)  # fmt: skip
def test_other_shapes_are_no_tokens(token):
    """Three parts of base64url without padding, in the bounds."""
    assert not is_compact(token)


def test_a_token_without_signature_has_the_shape():
    """So that it is refused as one, and not taken for something else."""
    assert is_compact("a.b.")
    assert is_compact("a.b." + "c" * (MAX_TOKEN_SIZE - 4))


@pytest.mark.parametrize("loose", ["eyJhIjoxfR", "e30x", "e", "e30A"])
def test_base64_has_one_spelling(loose):
    """Bits that no byte needs, or a length that no bytes have."""
    with pytest.raises(Malformed):
        read_claims(f"e30.{loose}.x")


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "none"},
        {"alg": ["ES256"]},
        {"alg": {}},
        {"alg": None},
        {"kid": 1},
        {"kid": ["k"]},
        {"kid": None},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"typ": "logout+jwt"},
        {"typ": 1},
    ],
)
def test_a_header_that_asks_for_more_is_refused(change):
    """Each beside a header that is taken."""
    header = {"alg": "ES256", "kid": "k", "typ": "application/AT+JWT"}
    assert read(f"{b64(header)}.e30.").algorithm == "ES256"

    with pytest.raises(Malformed):
        read(f"{b64(header | change)}.e30.")


@given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_any_text_is_read_or_refused(token):
    """Nothing else is raised."""
    if is_compact(token):
        with contextlib.suppress(Malformed):
            read(token)
