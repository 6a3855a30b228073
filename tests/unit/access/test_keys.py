"""A client's key: its shape, its checksum, and the published vectors that hold the format still."""

from __future__ import annotations

import hashlib
import string

import pytest
from hypothesis import given, strategies as st

from proxy.access.keys import digest, is_name, name_of, new_key, written


# Made with gzip (its CRC-32) and sha256sum, not with our own code. Keys that clients hold and
# hashes in their files stand on these: they can never change.
VECTORS = {
    "alice": (
        "kb_alice_00000000000000000000000000000000000000000001Z2x7O",
        "ddf258561f1b0073e45fd8472d18a2caadfc8ec16b2380975e04fc6237ae7695",
    ),
    "ci-2": (
        "kb_ci-2_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq1Ng2S6",
        "53ad04c7a732e6bec1fd413be667ae752be18788db583f2a2a6d6e9d4c69ce64",
    ),
    "a": (
        "kb_a_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz3OHvkf",
        "9bf509c22a69cc1e3540a94e1d3183188786555c3db868c8e9dd043413245e04",
    ),
    "build-host": (
        "kb_build-host_7Jq2mXw9RkT4vB1nZc8LsHd3GfYp6QaEuWoKi5jVxNt3Scsvn",
        "1c2be0178a65d03f11d0e667d4ab342294630958ad0ba3077e6ca3c641eebd87",
    ),
    "pad": (  # a checksum that is padded with a zero
        "kb_pad_a5000000000000000000000000000000000000000000zsaxf",
        "356b207cc92940223066be0e810c5dc42f5f82aea6e68d36bd3c576e9027ccc5",
    ),
}
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True)
CHARACTERS = string.ascii_letters + string.digits + "_-"


@pytest.mark.parametrize(("name", "vector"), VECTORS.items(), ids=VECTORS)
def test_the_format_does_not_change(name, vector):
    """A key that was given out is one for ever, and so is its hash in a file."""
    key, hashed = vector

    assert name_of(key) == name
    assert written(key) == f"sha256:{hashed}"
    assert digest(key).hex() == hashed


@given(NAMES)
def test_a_new_key_is_its_clients(name):
    """Name, 43 characters and the checksum; the name is read back from it."""
    key = new_key(name)

    assert key.startswith(f"kb_{name}_")
    assert len(key) == len(f"kb_{name}_") + 43 + 6
    assert name_of(key) == name
    assert key.isascii()
    assert written(key) == "sha256:" + hashlib.sha256(key.encode("ascii")).hexdigest()


@given(st.data())
def test_a_typing_error_is_told(data):
    """CRC-32 finds every single wrong character: none of them is another key."""
    key = new_key(data.draw(NAMES))
    at = data.draw(st.integers(0, len(key) - 1))
    wrong = data.draw(st.sampled_from(sorted(set(CHARACTERS) - {key[at]})))

    assert name_of(key[:at] + wrong + key[at + 1 :]) is None


@given(st.data())
def test_two_characters_that_changed_places_are_told(data):
    """The other error of those who type."""
    key = new_key("alice")
    at = data.draw(st.integers(0, len(key) - 2).filter(lambda at: key[at] != key[at + 1]))

    assert name_of(key[:at] + key[at + 1] + key[at] + key[at + 2 :]) is None


@given(st.text() | st.text(alphabet=CHARACTERS, min_size=40, max_size=80).map("kb_a_".__add__))
def test_any_text_is_judged(text):
    """Never an exception, whatever a client sends, a lone surrogate too."""
    assert name_of(text) is None
    assert len(digest(text)) == 32


def test_a_surrogate_is_hashed_as_well():
    """Names and headers are decoded with surrogateescape in places."""
    assert len(digest("kb_\udcff")) == 32


def test_nothing_near_a_key_is_one():
    """The shape is strict: no blanks around it, no other case."""
    key = VECTORS["alice"][0]
    near = [key + "\n", " " + key, key + "0", key[:-1], key.upper(), key.lower(), key[3:], ""]
    near += [key.replace("kb_", "KB_"), key.replace("alice", "Alice"), key.replace("a", "ä")]
    near += [key.replace("alice_", "alice-"), key.replace("alice", ""), f"{key}_{key}"]

    assert [] == [text for text in near if name_of(text) is not None]


@pytest.mark.parametrize(
    "name", ["", "A", "1a", "-a", "a_b", "a.b", "ä", "a" * 64, "a\n", "a b", "kb_a"]
)
def test_a_name_that_none_can_have(name):
    """Refused before a key is made."""
    assert not is_name(name)
    with pytest.raises(ValueError, match="a client's name"):
        new_key(name)


def test_no_two_keys_are_alike():
    """Each of the 43 places takes each of the 62 digits, about as often."""
    keys = [new_key("a") for _ in range(2000)]
    seen = "".join(key[5:-6] for key in keys)

    assert len(set(keys)) == len(keys)
    assert set(seen) == set(string.ascii_letters + string.digits)
    assert max(map(seen.count, set(seen))) < 2 * min(map(seen.count, set(seen)))
