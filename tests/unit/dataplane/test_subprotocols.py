"""What is left of a list of subprotocols, and which keys are in it."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest

from proxy.dataplane.subprotocols import BEARER, CREDENTIALS, Subprotocols


KEY = "kb_alice_" + "a" * 49
KUBERNETES = BEARER[:-1]


def base64url(text):
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def cut(value, *more, keys=False):
    """Return what becomes of a list, and what is offered; None: it stays as it is."""
    return Subprotocols([*CREDENTIALS, *more], keys=keys).cut(value)


LEFT = {
    "the first": (b"openai-insecure-api-key.x, realtime", b"realtime"),
    "the last": (b"realtime, openai-insecure-api-key.x", b"realtime"),
    "in the middle": (b"a,  openai-insecure-api-key.x ,\tb", b"a,\tb"),
    "without blanks": (b"a,openai-insecure-api-key.x,b", b"a,b"),
    "two": (b"openai-insecure-api-key.x, a, openai-insecure-api-key.y", b"a"),
    "in capitals": (b"a, OpenAI-Insecure-API-Key.X", b"a"),
    "an empty secret": (b"a, openai-insecure-api-key.", b"a"),
    "of Kubernetes": (f"{KUBERNETES}dG9rZW4, v4.channel.k8s.io".encode(), b"v4.channel.k8s.io"),
    "no base64": (f"v4.channel.k8s.io, {KUBERNETES}é".encode(), b"v4.channel.k8s.io"),
    "of Jupyter": (
        b"v1.token.websocket.jupyter.org, v1.token.websocket.jupyter.org.x%20y",
        b"v1.token.websocket.jupyter.org",
    ),
    "the only one": (b"openai-insecure-api-key.x", None),
    "the only one, beside empty ones": (b" , openai-insecure-api-key.x,,", None),
    "one of the configuration": (b"secret, a, secrets", b"a, secrets"),
    "a prefix of the configuration": (b"a, Auth.x, auth", b"a, auth"),
    "other bytes stay": (b"\xff, secret, \xc3\xa9 b,, c", b"\xff, \xc3\xa9 b,, c"),
}


@pytest.mark.parametrize(("value", "left"), LEFT.values(), ids=LEFT)
@pytest.mark.parametrize("keys", [False, True])
def test_a_credential_goes_with_one_comma(value, left, keys):
    """Everything else stays byte for byte, with clients and without."""
    found = cut(value, "Secret", "auth.*", keys=keys)

    assert found is not None
    assert left == found[0]


@pytest.mark.parametrize(
    "value",
    [b"", b"chat", b"realtime, openai-beta.realtime-v1", b"openai-insecure-api-key", b" ,, "],
)
def test_a_list_without_credentials_is_not_touched(value):
    assert cut(value, keys=True) is None


OFFERED = {
    "as it is": (f"{KEY}, chat", [KEY]),
    "behind a prefix": (f"chat, openai-insecure-api-key.{KEY}", [f"{KEY}"]),
    "behind an unknown prefix": (f"auth.{KEY}, chat", [KEY]),
    "as Kubernetes encodes it": (f"{KUBERNETES}{base64url(KEY)}, chat", [f"Bearer {KEY}"]),
    "encoded behind an unknown prefix": (f"chat, auth.{base64url(KEY)}", [KEY]),
    "two": (f"{KEY}, chat, x.{KEY}b", [KEY, f"{KEY}b"]),
    "a token of an issuer": (f"{KUBERNETES}{base64url('a.b.c')}, chat", ["Bearer a.b.c"]),
    "another dummy": ("openai-insecure-api-key.sk-x, chat", []),
}


@pytest.mark.parametrize(("value", "offered"), OFFERED.values(), ids=OFFERED)
def test_keys_are_taken_off_and_offered(value, offered):
    """As they are, or as Kubernetes encodes them, whatever stands before them."""
    assert (b"chat", offered) == cut(value.encode(), keys=True)


@pytest.mark.parametrize("name", ["kb_chat", KEY[:40], "kb_", base64url("kb_chat")])
def test_what_is_no_key_stays(name):
    assert cut(f"{name}, chat".encode(), keys=True) is None


def test_without_clients_nothing_is_a_key():
    assert cut(f"{KEY}, chat".encode()) is None
