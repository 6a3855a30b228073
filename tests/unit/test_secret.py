"""The masked value: whatever shows values does not show it."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import pickle
import pprint
import traceback
from dataclasses import asdict

import orjson
import pytest
from hypothesis import given, strategies as st

from proxy.credentials.fixed import FixedCredential
from proxy.observe.log import Log
from proxy.secret import Secret, SecretError


CANARY = "canary-4d1c9b"

ACCEPTED = {
    "a line": ("s3cret", b"s3cret"),
    "a line with its end": ("s3cret\n", b"s3cret"),
    "a line with an end of DOS": ("s3cret\r\n", b"s3cret"),
    "several ends of line": ("s3cret\n\r\n", b"s3cret"),
    "an end of line of old Macs": ("s3cret\r", b"s3cret"),
    "blanks around it": (" \ts3cret \t", b"s3cret"),
    "a byte order mark in front": ("\ufeffs3cret\n", b"s3cret"),
    "a blank within": ("s3 cret", b"s3 cret"),
    "latin-1 is sent as UTF-8": ("caf\xe9\xff", "caf\xe9\xff".encode()),
    "any script": ("\u043f\u20ac\U0001f511", "\u043f\u20ac\U0001f511".encode()),
}
REFUSED = {
    "nothing": "",
    "an empty line": "\n",
    "an empty line of DOS": "\r\n",
    "two lines": f"{CANARY}\n{CANARY}",
    "nothing but blanks": " \t \n",
    "nothing but a byte order mark": "\ufeff",
    "a carriage return within": f"{CANARY}\r{CANARY}",
    "a NUL": f"{CANARY}\0",
    "a tab within": f"{CANARY}\t{CANARY}",
    "an escape sequence": f"\x1b[0m{CANARY}",
    "half of a pair": f"{CANARY}\ud800",
    "what an environment holds that is not UTF-8": f"{CANARY}\udcff",
}


@pytest.mark.parametrize(("text", "value"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_secret_is_one_line(text, value):
    """One end of line is dropped, for files end with one."""
    assert value == Secret(text).reveal()


def test_its_length_is_told():
    """The guard against echoes needs no more to know that a secret is too short for it."""
    assert 6 == len(Secret("s3cret\n"))


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_without_being_told(text):
    """Neither by the exception nor by those behind it."""
    with pytest.raises(SecretError) as caught:
        Secret(text)

    assert caught.value.__cause__ is caught.value.__context__ is None
    assert CANARY not in "".join(traceback.format_exception(caught.value))


UNSEEN = {
    "\0": "U+0000 NULL",
    "\t": "U+0009 TAB",
    "\x1b": "U+001B ESCAPE",
    "\x7f": "U+007F DELETE",
    "\x85": "U+0085 NEXT LINE",
    "\x9b": "U+009B",
    "\xa0": "U+00A0 NO-BREAK SPACE",
    "\xad": "U+00AD SOFT HYPHEN",
    "\u200b": "U+200B ZERO WIDTH SPACE",
    "\u200e": "U+200E LEFT-TO-RIGHT MARK",
    "\u202e": "U+202E RIGHT-TO-LEFT OVERRIDE",
    "\u2028": "U+2028 LINE SEPARATOR",
    "\u2066": "U+2066 LEFT-TO-RIGHT ISOLATE",
    "\u3000": "U+3000 IDEOGRAPHIC SPACE",
    "\u3164": "U+3164 HANGUL FILLER",
    "\ufe0f": "U+FE0F VARIATION SELECTOR-16",
    "\ufeff": "U+FEFF ZERO WIDTH NO-BREAK SPACE",
    "\U000e0041": "U+E0041 TAG LATIN CAPITAL LETTER A",
}


@pytest.mark.parametrize(("character", "name"), UNSEEN.items(), ids=UNSEEN.values())
def test_a_character_that_nobody_sees_is_named(character, name):
    """Or it would be looked for in vain; where it stands among the others is not told."""
    with pytest.raises(SecretError) as caught:
        Secret(f"{CANARY}{character}{CANARY}")

    assert f"the control or invisible character {name}; remove it" in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("character", ["\xa0", "\u200b", "\x7f"])
def test_only_blanks_are_dropped_at_the_edges(character):
    """What an editor shows as one is named there, too."""
    for text in (character + CANARY, CANARY + character):
        with pytest.raises(SecretError, match="invisible character U"):
            Secret(text)


@given(st.binary(max_size=40))
def test_bytes_are_utf_8_or_refused(data):
    """Whatever a file or an environment holds: sent as it is but for its edges, or not at all."""
    with contextlib.suppress(SecretError):
        sent = Secret.of_bytes(data).reveal()
        assert sent in data
        assert sent.decode()


def fail_about(value):
    """Raise an exception that holds a value."""
    raise ValueError(value)


def raised(value):
    """Return the traceback of an exception about a value, with the variables of its frames."""
    with pytest.raises(ValueError) as caught:
        fail_about(value)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    return "".join(traceback.format_exception(caught.value)) + "".join(shown.format())


def logged(value):
    """Return a line of the standard library's logging."""
    stream = io.StringIO()
    record = logging.LogRecord("n", logging.INFO, "p", 1, "%s %r", (value, value), None)
    logging.StreamHandler(stream).emit(record)
    return stream.getvalue()


def told(form, value):
    """Return lines of our own log."""
    stream = io.BytesIO()
    log = Log(form=form, stream=stream)
    log.events.info("event", value=value, nested=[{"value": value}])
    log.flush()
    return stream.getvalue().decode()


SHOWING = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": "{}".format,
    "an f-string with all conversions": lambda v: f"{v} {v!r} {v!s} {v!a}",
    "the percent sign": lambda v: "%s %r" % (v, v),  # noqa: UP031 -- it is what is tried
    "a list": lambda v: str([v]),
    "a dictionary": lambda v: str({"v": v}),
    "pprint": pprint.pformat,
    "a frozen dataclass that holds it": lambda v: repr(FixedCredential("n", (v,))),
    "json with repr": lambda v: json.dumps({"v": v}, default=repr),
    "json with str": lambda v: json.dumps({"v": v}, default=str),
    "orjson with repr": lambda v: orjson.dumps({"v": v}, default=repr).decode(),
    "a traceback": raised,
    "logging": logged,
    "our log as JSON": lambda v: told("json", v),
    "our log on a console": lambda v: told("console", v),
}


@pytest.mark.parametrize("show", SHOWING.values(), ids=SHOWING)
def test_nothing_that_shows_values_shows_a_secret(show):
    """A plain text is shown by the same means, so the test could fail."""
    assert CANARY in show(CANARY)
    assert CANARY not in show(Secret(CANARY))
    assert "Secret(********)" in show(Secret(CANARY))


REFUSING = {
    "json": json.dumps,
    "orjson": orjson.dumps,
    "pickle": pickle.dumps,
    "pickle, the oldest way": lambda v: pickle.dumps(v, protocol=0),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "asdict of a dataclass that holds it": lambda v: asdict(FixedCredential("n", (v,))),
    "hash": hash,
    "bytes": bytes,
    "vars": vars,
    "iteration": iter,
    "a format specification": lambda v: format(v, ">40"),
    "joining": "".join,
}


@pytest.mark.parametrize("use", REFUSING.values(), ids=REFUSING)
def test_what_would_copy_a_secret_is_refused(use):
    """With an error that does not tell it either."""
    with pytest.raises(TypeError) as caught:
        use(Secret(CANARY))

    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_pickle_and_json_do_show_a_plain_text():
    """The control of the test above."""
    assert CANARY.encode() in pickle.dumps(CANARY)
    assert CANARY in json.dumps(CANARY)


def test_secrets_are_compared_by_value():
    """That is how rotation is seen; a text is never equal to a secret."""
    assert Secret("a") == Secret("a\n")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
