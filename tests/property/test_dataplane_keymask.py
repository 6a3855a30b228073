"""Laws of the mask: no key is left, however it is escaped and whatever stands around it."""

from __future__ import annotations

import string
from urllib.parse import unquote

import pytest
from hypothesis import given, strategies as st

from proxy.dataplane.keymask import masked


BASE62 = string.digits + string.ascii_letters
SECRET = "Canary7wQz4LmX2pR9sT0vB3nK6hJ8dF5gC1yAeUiOoPlMqW"
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True)
AROUND = st.text(st.sampled_from("kb_-a1Z%5Ff2d/.?=~"), max_size=30) | st.text(max_size=10)


@st.composite
def spelled(draw, text):
    """Return a text with some of its characters escaped, some of them twice."""
    how = st.sampled_from(
        [lambda c: c, lambda c: c, lambda c: f"%{ord(c):02x}", lambda c: f"%25{ord(c):02X}"]
    )
    return "".join(draw(how)(each) for each in text)


@given(st.data(), NAMES, st.integers(8, len(SECRET)), AROUND, AROUND)
def test_nothing_of_a_key_is_left(data, name, length, before, after):
    """No eight characters of it, at whatever place."""
    text = before + data.draw(spelled(f"kb_{name}_{SECRET[:length]}")) + after

    left = unquote(unquote(masked(text)))

    assert "kb_***" in left
    assert not any(SECRET[at : at + 8] in left for at in range(length - 7))


@given(AROUND)
def test_a_text_without_a_key_stays_as_it_is(text):
    """Whoever reads the log has to see what was sent."""
    if "kb_" not in unquote(unquote(text)).lower():
        assert text == masked(text)


@given(AROUND, NAMES, AROUND)
def test_what_is_masked_stays_as_it_is(before, name, after):
    """Masking twice is masking once."""
    once = masked(f"{before}kb_{name}_{SECRET}{after}")

    assert once == masked(once)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"/a/kb_alice_{SECRET}", "/a/kb_***"),
        (f"/kb_alice_{SECRET}/x", "/kb_***/x"),
        (f"/kb_a-1_{SECRET[:8]}.csv", "/kb_***.csv"),
        (f"/kb%5Falice%5f{SECRET}", "/kb_***"),
        (f"/kb_kb_alice123_{SECRET}", "/kb_***"),
        (f"/kb_alice_{SECRET[:8]},kb_bob_{SECRET[:9]}", "/kb_***,kb_***"),
        (f"/KB_ALICE_{SECRET.upper()}", "/kb_***"),
        (f"/kb_alice_{SECRET[:7]}", f"/kb_alice_{SECRET[:7]}"),
        (f"/kb_alice{SECRET}", f"/kb_alice{SECRET}"),
        (f"/kb__{SECRET}", f"/kb__{SECRET}"),
        ("/kb_alice_", "/kb_alice_"),
        ("/plain/path%20x_y", "/plain/path%20x_y"),
        ("", ""),
    ],
)
def test_examples(text, shown):
    """The word that is a key goes, and what stands around it stays."""
    assert shown == masked(text)
