"""Echo guard: every form of what was injected, and nothing else."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest
from multidict import CIMultiDict

from proxy.credentials.fixed import FixedCredential
from proxy.dataplane.echo import SHORTEST, Echo, readable
from proxy.dataplane.inject import Injector, Slot
from proxy.dataplane.model import Head, Peer
from proxy.dataplane.outbound import assemble
from proxy.dataplane.record import Record
from proxy.secret import Secret
from proxy.upstream.head import ResponseHead


TOKEN = "canary-7f3a.b52c_08d1"
AWKWARD = 'canary/7f+3a="b\\52%c \xe9='

FORMS = {
    "as it is": (TOKEN, b"canary-7f3a.b52c_08d1"),
    "awkward, as it is": (AWKWARD, b'canary/7f+3a="b\\52%c \xe9='),
    "awkward, as UTF-8": (AWKWARD, b'canary/7f+3a="b\\52%c \xc3\xa9='),
    "JSON": (AWKWARD, b'canary/7f+3a=\\"b\\\\52%c \xc3\xa9='),
    "JSON in ASCII": (AWKWARD, b'canary/7f+3a=\\"b\\\\52%c \\u00e9='),
    "JSON of PHP": (AWKWARD, b'canary\\/7f+3a=\\"b\\\\52%c \\u00e9='),
    "JSON of .NET": (AWKWARD, b"canary/7f\\u002B3a=\\u0022b\\\\52%c \\u00E9="),
    "JSON that hides all it can": (
        AWKWARD,
        b"canary\\u002f7f\\u002b3a\\u003d\\u0022b\\u005c52\\u0025c\\u0020\\u00e9\\u003d",
    ),
    "a path": (AWKWARD, b"canary/7f%2B3a%3D%22b%5C52%25c%20%C3%A9%3D"),
    "a parameter": (AWKWARD, b"canary%2F7f%2B3a%3D%22b%5C52%25c%20%E9%3D"),
    "a parameter in lower case": (AWKWARD, b"canary%2f7f%2b3a%3d%22b%5c52%25c%20%e9%3d"),
    "a form": (AWKWARD, b"canary%2F7f%2B3a%3D%22b%5C52%25c+%E9%3D"),
    "a path in PHP's JSON": (AWKWARD, b"canary\\/7f%2B3a%3D%22b%5C52%25c%20%E9%3D"),
    "without its padding": (AWKWARD, b'canary/7f+3a="b\\52%c \xe9'),
}


def echo_of(*secrets, slot=None, echo_guard=True):
    """Return the guard that comes with the injection of secrets."""
    slots = [slot or Slot("header", b"X-%d" % each) for each, _ in enumerate(secrets)]
    credential = FixedCredential("c", tuple(map(Secret, secrets)))
    return Injector(credential, slots, echo_guard=echo_guard).inject().echo


def record_of():
    """Return the record of a request."""
    head = Head("GET", "/", (1, 1), (), CIMultiDict(), None, False, True)
    return Record("id", head, Peer("127.0.0.1"))


def masked(echo, data):
    """Return the data masked, and the count."""
    record = record_of()
    return echo.mask(data, record), record.echo_masked


def head_of(fields, status=200):
    """Return a head with fields."""
    return ResponseHead(
        status, b"%d " % status, [(each.partition(b":")[0], each) for each in fields]
    )


@pytest.mark.parametrize(("secret", "form"), FORMS.values(), ids=FORMS)
def test_each_form_is_masked(secret, form):
    """Twice in one text, with as many stars."""
    echo = echo_of(secret)
    text = b'{"a":"' + form + b'","b":"' + form + b'"}'

    assert echo.suspects(text)
    stars = b"*" * len(form)
    assert (b'{"a":"' + stars + b'","b":"' + stars + b'"}', 2) == masked(echo, text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"canary-7f3a",
        b"canary-7f3aXb52c_08d1",
        b"canary-7f3a.b52c_08d",
        b"CANARY-7F3A.B52C_08D1",
        b"canary-7f3a.b52c\r\n_08d1",
        b"canary%2D7f3a",
    ],
)
def test_what_is_not_the_secret_stays(text):
    """Parts of it, and what looks like it."""
    echo = echo_of(TOKEN)

    assert not echo.suspects(text)
    assert (text, 0) == masked(echo, text)


@pytest.mark.parametrize("password", [TOKEN, AWKWARD, "0123456789abcdef", "0123456789abcdefg"])
def test_basic_is_masked_with_the_password_within(password):
    """As it was sent, in a URL, in JSON, and without the padding."""
    echo = echo_of(password, slot=Slot("basic", b"Authorization", b"me?:"))
    raw = password.encode()
    sent = b64encode(b"me?:" + raw)
    encoded = sent.replace(b"+", b"%2B").replace(b"/", b"%2F").replace(b"=", b"%3D")

    for form in (sent, encoded, sent.replace(b"/", b"\\/"), sent.rstrip(b"="), raw):
        assert echo.suspects(b"<" + form + b">")
        assert (b"<" + b"*" * len(form) + b">", 1) == masked(echo, b"<" + form + b">")


def test_the_format_around_a_secret_stays():
    """`token …` is no secret; what stands behind it is none either."""
    echo = echo_of(TOKEN, slot=Slot("header", b"X", b"token ", b";v=1"))

    assert (b"token " + b"*" * len(TOKEN) + b";v=1", 1) == masked(
        echo, f"token {TOKEN};v=1".encode()
    )


def test_each_of_several_secrets_is_masked():
    """Also where one begins with another."""
    echo = echo_of(TOKEN, TOKEN + "-and-more", "other-0123456789")
    text = f"{TOKEN}-and-more {TOKEN} other-0123456789".encode()

    assert echo.suspects(b"other-0123456789")
    assert (re.sub(rb"[^ ]", b"*", text), 3) == masked(echo, text)


@pytest.mark.parametrize("secret", ["!" * 16, '"\\' * 8, "%" * 16, "=" * 17])
def test_a_secret_without_a_plain_character_is_found(secret):
    """Nothing tells it at once, so every text is searched."""
    echo = echo_of(secret)

    assert echo.suspects(b"anything")
    assert (b"a" + b"*" * len(secret) + b"b", 1) == masked(echo, f"a{secret}b".encode())


def test_no_answer_makes_the_search_slow():
    """A secret of signs that are escaped, against texts that are nearly its forms."""
    echo = echo_of('\\"' * 200 + "x")
    texts = [b'\\\\"' * 200, b"\\" * 400, b"\\u005c" * 400, b'%5C"' * 200]

    assert [(text * 3, 0) for text in texts] == [masked(echo, text * 3) for text in texts]


def test_a_short_secret_is_not_looked_for():
    """It may stand in any text by chance; beside a long one too."""
    assert None is echo_of("x" * (SHORTEST - 1))
    assert None is echo_of("x" * (SHORTEST - 1), slot=Slot("basic", b"A", b"user:"))
    assert b"x" * 15 == masked(echo_of("x" * 15, TOKEN), b"x" * 15)[0]
    assert echo_of("x" * SHORTEST).suspects(b"x" * SHORTEST)


def test_the_guard_can_be_off():
    """`echo_guard: off`, and where nothing is injected."""
    assert None is echo_of(TOKEN, echo_guard=False)
    assert None is Injector(None, ()).inject().echo


def test_a_request_carries_the_guard_of_what_it_shows():
    """The credential may have another value when the answer comes."""
    injection = Injector(FixedCredential("c", (Secret(TOKEN),)), (Slot("query", b"k"),)).inject()

    assert assemble("GET", "/", None, b"", injection).echo is injection.echo is not None


READABLE = [
    [b"Content-Type: text/html"],
    [b"content-type:text/event-stream;charset=utf-8"],
    [b"CONTENT-TYPE: \t Application/JSON"],
    [b"Content-Type: application/json ; charset=utf-8", b"X: y"],
    [b"Content-Type: application/problem+json"],
    [b"Content-Type: application/vnd.api+json;v=1"],
    [b"Content-Type: application/xml"],
    [b"Content-Type: image/svg+xml"],
    [b"Content-Type: application/javascript"],
    [b"Content-Type: application/x-www-form-urlencoded"],
    [b"Content-Type: text/plain", b"Content-Encoding: identity"],
    [b"Content-Type: text/plain", b"Content-Encoding: "],
]
OTHER: list[list[bytes]] = [
    [],
    [b"Content-Type:"],
    [b"Content-Type: application/octet-stream"],
    [b"Content-Type: image/png"],
    [b"Content-Type: application/jsonish"],
    [b"Content-Type: x/text/plain"],
    [b"Content-Type: application/zip; of=text/plain+json"],
    [b"X-Content-Type: text/plain"],
    [b"X: y, Content-Type: text/plain"],
    [b"Content-Type: text/plain", b"Content-Encoding: gzip"],
    [b"content-encoding:br", b"Content-Type: application/json"],
    [b"Content-Type: text/plain", b"Content-Encoding: identity, gzip"],
]


@pytest.mark.parametrize(
    ("fields", "is_readable"),
    [*((fields, True) for fields in READABLE), *((fields, False) for fields in OTHER)],
)
def test_text_is_told_from_other_bodies(fields, is_readable):
    """By type and coding; a part of a text is none."""
    assert is_readable is readable(head_of(fields))
    assert not readable(head_of(fields, status=206))


def test_a_body_of_another_type_stays_behind_a_masked_head():
    """The head is text whatever follows it."""
    echo, record = echo_of(TOKEN), record_of()
    secret = TOKEN.encode()
    head = b"HTTP/1.1 200 OK\r\nX: " + secret + b"\r\n\r\n"
    binary, text = head_of([b"Content-Type: image/png"]), head_of([b"Content-Type: text/plain"])

    kept = echo.mask_answer(binary, head + secret, len(head), record)
    gone = echo.mask_answer(text, head + secret, len(head), record)

    stars = b"*" * len(secret)
    assert b"HTTP/1.1 200 OK\r\nX: " + stars + b"\r\n\r\n" + secret == kept
    assert b"HTTP/1.1 200 OK\r\nX: " + stars + b"\r\n\r\n" + stars == gone
    assert 3 == record.echo_masked


def test_the_guard_does_not_show_what_it_looks_for():
    """Nor does what holds it."""
    assert "Echo(…)" == repr(Echo([TOKEN.encode()]))
