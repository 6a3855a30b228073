"""Secrets from where the configuration says they are."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from proxy.credentials.fixed import FixedCredential
from proxy.credentials.sources import MAX_SIZE, SourceError, from_env, from_file
from proxy.secret import Secret


CANARY = "canary-91be"


def test_a_variable_is_read():
    """With the end of line that a shell may leave."""
    assert Secret(CANARY) == from_env("TOKEN", {"TOKEN": f"{CANARY}\n"})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        pytest.param({}, "is not set; set it, or use a file", id="not set"),
        pytest.param({"TOKEN": ""}, "is no secret: it is empty", id="empty"),
        pytest.param({"TOKEN": f"{CANARY}\nx"}, "is no secret: it holds a line", id="lines"),
        pytest.param({"TOKEN": "  "}, "is no secret: it is empty", id="blanks"),
        pytest.param({"TOKEN": f"{CANARY}\udcff"}, "is no secret: it is not UTF-8", id="bytes"),
        pytest.param({"TOKEN": f"{CANARY}\xa0"}, "is no secret: it holds .* U.00A0", id="unseen"),
    ],
)
def test_a_variable_that_is_no_secret_is_named(environ, message):
    """The name, never the value."""
    with pytest.raises(SourceError, match=f"^the environment variable TOKEN {message}") as caught:
        from_env("TOKEN", environ)

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"canary-91be", b"canary-91be\n", b"canary-91be\r\n", b"\xef\xbb\xbfcanary-91be"]
)
def test_a_file_is_read(tmp_path, data):
    """Ends of line and a byte order mark are dropped."""
    path = tmp_path / "token"
    path.write_bytes(data)

    assert CANARY.encode() == from_file(path).reveal()


@pytest.mark.parametrize("text", ["Zo\xeb", "\u043f\u0430\u0440\u043e\u043b\u044c"])
def test_every_source_gives_the_same_bytes(tmp_path, text):
    """UTF-8, from a file, from the environment and from the configuration."""
    path = tmp_path / "token"
    path.write_bytes(text.encode() + b"\n")
    environ = {"TOKEN": os.fsdecode(text.encode())}

    found = {from_file(path).reveal(), from_env("TOKEN", environ).reveal(), Secret(text).reveal()}

    assert {text.encode()} == found


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is no secret: it is empty", id="empty"),
        pytest.param(b"canary-91be\nx\n", "is no secret: it holds a line break", id="lines"),
        pytest.param(b"canary-91be\xff", "is no secret: it is not UTF-8", id="latin-1"),
        pytest.param("canary".encode("utf-16"), "is no secret: it is UTF-16", id="utf-16"),
        pytest.param(b"c" * (MAX_SIZE + 1), "is over 65536 bytes", id="too large"),
        pytest.param(None, "cannot be read: No such file or directory", id="missing"),
    ],
)
def test_a_file_that_is_no_secret_is_named(tmp_path, data, message):
    """Its path, never its content."""
    path = tmp_path / "token"
    if data is not None:
        path.write_bytes(data)

    with pytest.raises(SourceError, match=f"^the file {re.escape(str(path))} {message}") as caught:
        from_file(path)

    assert CANARY not in str(caught.value)


def test_a_folder_and_an_endless_file_are_refused(tmp_path):
    """Nothing is read without end."""
    for path, message in ((tmp_path, "cannot be read"), (Path("/dev/zero"), "is over")):
        with pytest.raises(SourceError, match=message):
            from_file(path)


def test_a_fixed_credential_is_ready_or_not():
    """Its secrets stay what they were at the start."""
    secrets = (Secret("a"),)
    ready, missing = FixedCredential("c", secrets), FixedCredential("c", None, required=False)

    assert ("ready", secrets) == (ready.state, ready.current())
    assert ("unavailable", None) == (missing.state, missing.current())
