"""Laws of the configuration: any text is read or refused, and what is read is what was meant."""

from __future__ import annotations

from ipaddress import IPv6Address
from pathlib import Path

import pytest
import yaml
from hypothesis import given, strategies as st

from proxy.config import values
from proxy.config.addresses import TcpAddress, listen_address
from proxy.config.errors import ConfigError
from proxy.config.interpolate import InterpolationError, interpolate
from proxy.config.loader import load, loads
from proxy.config.schema import Config
from proxy.dataplane.target import parse_authority
from proxy.upstream.origin import Origin, is_loopback


WORDS = st.sampled_from(
    [
        *("routes", "a", "listen", "upstream", "https://x.org", "credential", "none", "bearer"),
        *("env", "preset", "microreact", "token", "value", "methods", "any", "rules", "paths"),
        *("action", "localhost:1", "0.0.0.0:1", "unix:x", "address", "mode", "0600", "off"),
        *("${X}", "$$", "5s", "credentials", "origin", "headers", "name", "secret", "format"),
        *("query", "path", "hosts", "timeouts", "idle", "strip", "keep", "tls", "ca", "/x"),
        *("set_headers", "~", "", "*.y", "&a"),
    ]
)
SYNTAX = st.sampled_from([":", ": ", "\n", "\n  ", "- ", "{", "}", "[", "]", ",", '"', "'", "*a"])
TREES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(WORDS, below, max_size=4),
    max_leaves=25,
)
ENVIRON = {"X": "${X} $$ : {a: b}"}


def outcome(text):
    """Return whether a text is read, or refused with a line for each problem."""
    try:
        config = loads(text, name="f", base=Path("/base"), environ=ENVIRON)
    except ConfigError as error:
        return len(error.problems) == len(str(error).splitlines()) > 0
    return isinstance(config, Config)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    """Never another exception, and never an error without a line for each problem."""
    assert outcome(text)


@given(st.lists(WORDS | SYNTAX, max_size=30).map("".join))
def test_any_yaml_like_text_is_read_or_refused(text):
    """The same for texts that look like a configuration."""
    assert outcome(text)


@given(st.fixed_dictionaries({"routes": TREES}, optional={"listen": TREES, "credentials": TREES}))
def test_any_tree_is_read_or_refused(tree):
    """The same for well-formed YAML of our own keys in all the wrong places."""
    assert outcome(yaml.safe_dump(tree))


@given(st.dictionaries(st.just("a"), TREES), st.sampled_from(["token", "credential", "rules"]))
def test_any_value_of_a_route_is_read_or_refused(tree, key):
    """The same one level deeper, where schemes and sources are."""
    assert outcome(yaml.safe_dump({"routes": {"m": {"preset": "microreact", key: tree.get("a")}}}))


@given(data=st.binary())
def test_any_bytes_are_read_or_refused(data, tmp_path_factory):
    """A file of anything is one ConfigError."""
    path = tmp_path_factory.mktemp("c") / "c.yaml"
    path.write_bytes(data)

    with pytest.raises(ConfigError):
        load(path, {})


@given(st.integers(0, 999_999_999), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_duration_is_its_number_times_its_unit(number, unit):
    """What is written comes back."""
    seconds = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]

    assert number * seconds == values.duration(f"{number}{unit}")


@given(st.integers(0, 10**15 - 1), st.sampled_from(["", "B", "kB", "MB", "KiB", "MiB", "GiB"]))
def test_a_size_is_its_number_times_its_unit(number, unit):
    """What is written comes back, as a whole number."""
    exponent = {"": 0, "B": 0, "k": 1, "K": 1, "M": 2, "G": 3}[unit[:1]]
    base = 1024 if "i" in unit else 1000

    assert number * base**exponent == values.size(f"{number}{unit}")


@given(st.text(), st.text())
def test_what_is_filled_in_is_not_read_again(before, value):
    """A variable's value arrives as it is, whatever it holds."""
    text = before.replace("$", "$$") + "${NAME}"

    assert before + value == interpolate(text, {"NAME": value})


@given(st.text())
def test_a_doubled_dollar_escapes_any_text(text):
    """So every text can be written."""
    assert text == interpolate(text.replace("$", "$$"), {})


@given(st.text(alphabet="${}:-AB"), st.text())
def test_interpolation_fills_in_or_refuses(text, value):
    """Never another exception."""
    try:
        filled = interpolate(text, {"A": value})
    except InterpolationError:
        return

    assert isinstance(filled, str)


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_a_plain_secret_is_in_no_error(secret):
    """Whatever is written as a value is not in the error that it causes."""
    canary = f"hunter2{secret}"
    text = yaml.safe_dump(
        {"routes": {"m": {"preset": "microreact", "token": {"value": canary, "env": canary}}}}
    )

    with pytest.raises(ConfigError) as caught:
        loads(text, name="f", base=Path("/"), environ={})

    assert "hunter2" not in f"{caught.value} {caught.value!r}"


@given(address=st.ip_addresses(v=4), form=st.integers(0, 4))
def test_every_spelling_of_a_mapped_address_is_the_address(address, form):
    """Wherever one enters: an upstream, a listener, a Host."""
    mapped = IPv6Address(f"::ffff:{address}")
    text = [
        f"::ffff:{address}",
        mapped.compressed,
        mapped.exploded,
        mapped.exploded.upper(),
        f"0:0:0::FFFF:{address}",
    ][form]

    assert str(address) == Origin.parse(f"http://[{text}]:1").host
    assert TcpAddress(str(address), 1) == listen_address(f"[{text}]:1", Path("/"))
    assert str(address) == parse_authority(f"[{text}]:1").host
    assert is_loopback(text) == address.is_loopback
