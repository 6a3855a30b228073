"""Which pages of other origins may come in, and what their browsers are told."""

from __future__ import annotations

import pytest

from proxy.dataplane.cors import NO_CORS, Cors, Page, fold_origin, is_preflight, preflight_answer
from proxy.dataplane.errors import BadRequest


APP = "https://app.example"
CORS = Cors([APP, "http://localhost:3000"])
LINES = (
    b"\r\nAccess-Control-Allow-Origin: https://app.example\r\nVary: Origin"
    b"\r\nAccess-Control-Expose-Headers: *"
)
PAGE = Page(LINES, foreign=True)
ASKED = (b"Access-Control-Request-Method", b"PUT")


FOLDED = {
    "as browsers send it": (APP, APP),
    "capitals": ("HTTPS://App.Example", APP),
    "the default port of https": ("https://app.example:443", APP),
    "the default port of http": ("http://localhost:80", "http://localhost"),
    "the default port of the other scheme": ("http://localhost:443", "http://localhost:443"),
    "a port with zeros": ("http://localhost:03000", "http://localhost:3000"),
    "an IPv6 address": ("http://[0::1]:3000", "http://[::1]:3000"),
    "an extension": ("chrome-extension://ABC", "chrome-extension://abc"),
    "an application": ("tauri://localhost", "tauri://localhost"),
    "null": ("null", None),
    "nothing": ("", None),
    "a wildcard": ("*", None),
    "a wildcard below a name": ("https://*.example", None),
    "no scheme": ("app.example", None),
    "no host": ("https://", None),
    "a file": ("file:///", None),
    "a path": ("https://app.example/", None),
    "a query": ("https://app.example?", None),
    "a user": ("https://app.example@evil.example", None),
    "two": ("https://app.example https://evil.example", None),
    "a list": ("https://app.example,https://evil.example", None),
    "a blank before": (" https://app.example", None),
    "a line break behind": ("https://app.example\n", None),
    "port 0": ("http://localhost:0", None),
    "an impossible port": ("http://localhost:99999", None),
    "digits of another script": ("http://localhost:\u0663", None),
    "brackets around a name": ("http://[localhost]", None),
    "a letter that folds to ASCII": ("https://\u212aelvin.example", None),
    "a name in Unicode": ("https://b\xfccher.example", None),
}


@pytest.mark.parametrize(("text", "folded"), FOLDED.values(), ids=FOLDED)
def test_origins_are_folded_as_browsers_write_them(text, folded):
    """Or they are none."""
    assert folded == fold_origin(text)


@pytest.mark.parametrize("text", [APP, "https://APP.example:443", "http://localhost:3000"])
def test_an_allowed_origin_is_found_however_it_is_spelled(text):
    """What is answered is the spelling of the configuration, not that of the request."""
    page = CORS.foreign(text)

    assert page is not None
    assert (True, False) == (page.foreign, page.ours)
    assert f"\r\nAccess-Control-Allow-Origin: {fold_origin(text)}\r\n".encode() in page.lines


OTHERS = [
    *("http://app.example", "https://app.example:444", "https://x.app.example", "null", ""),
    *("https://app.example.evil", "https://evil-app.example", "http://localhost", "https://app"),
]


@pytest.mark.parametrize("text", OTHERS)
def test_any_other_origin_is_not_found(text):
    """Scheme, host and port count, all of each."""
    assert [None, None] == [CORS.foreign(text), NO_CORS.foreign(text)]


def test_an_answer_to_an_allowed_page_bears_its_origin():
    """Never `*`, and never credentials."""
    assert PAGE == CORS.foreign(APP)


def test_other_answers_vary_by_origin_where_some_origin_is_allowed():
    """Else a browser would show an answer that it has kept to a page that may not read it."""
    assert [b"\r\nVary: Origin"] * 2 == [CORS.nobody.lines, CORS.ours.lines]
    assert [b"", b""] == [NO_CORS.nobody.lines, NO_CORS.ours.lines]


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        ("OPTIONS", [ASKED], True),
        ("OPTIONS", [(b"access-control-request-method", b"")], True),
        ("OPTIONS", [], False),
        ("GET", [ASKED], False),
        ("options", [ASKED], False),
    ],
)
def test_a_preflight_is_told_by_method_and_field(make_head, method, fields, expected):
    """Any other OPTIONS is an ordinary request."""
    assert expected is is_preflight(make_head(*fields, method=method))


def test_a_preflight_is_granted_what_it_asks_for(make_head):
    """Byte for byte."""
    named = make_head(
        ASKED,
        (b"Access-Control-Request-Headers", b"content-type,x-a"),
        (b"Access-Control-Request-Private-Network", b"true"),
    ).named

    assert (
        b"HTTP/1.1 204 No Content" + LINES + b"\r\n"
        b"Vary: Access-Control-Request-Method, Access-Control-Request-Headers, "
        b"Access-Control-Request-Private-Network\r\n"
        b"Access-Control-Allow-Methods: PUT\r\n"
        b"Access-Control-Allow-Headers: content-type, x-a\r\n"
        b"Access-Control-Max-Age: 600\r\n"
        b"Access-Control-Allow-Private-Network: true\r\n"
        b"\r\n"
    ) == preflight_answer(named, PAGE, close=False)


@pytest.mark.parametrize("headers", [None, b"", b" , ,"])
@pytest.mark.parametrize("network", [None, b"false", b"True"])
def test_a_preflight_is_granted_nothing_else(make_head, headers, network):
    """No fields, no private network."""
    more = [
        (name, value)
        for name, value in (
            (b"Access-Control-Request-Headers", headers),
            (b"Access-Control-Request-Private-Network", network),
        )
        if value is not None
    ]
    answer = preflight_answer(make_head(ASKED, *more).named, PAGE, close=True)

    assert b"Allow-Headers" not in answer
    assert b"Allow-Private-Network" not in answer
    assert answer.endswith(b"\r\nAccess-Control-Max-Age: 600\r\nConnection: close\r\n\r\n")


BAD = {
    "no method": [(b"Access-Control-Request-Method", b"")],
    "two methods": [ASKED, ASKED],
    "a list of methods": [(b"Access-Control-Request-Method", b"PUT, GET")],
    "a method with a blank": [(b"Access-Control-Request-Method", b"PU T")],
    "a method with a quote": [(b"Access-Control-Request-Method", b'"PUT"')],
    "a method beyond ASCII": [(b"Access-Control-Request-Method", b"P\xdcT")],
    "a name with a blank": [ASKED, (b"Access-Control-Request-Headers", b"x-a, x b")],
    "a name with a colon": [ASKED, (b"Access-Control-Request-Headers", b"x:")],
    "a name with a control byte": [ASKED, (b"Access-Control-Request-Headers", b"x\x0b")],
    "a name beyond ASCII": [ASKED, (b"Access-Control-Request-Headers", b"\xe9")],
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD)
def test_what_is_no_name_is_never_sent_back(make_head, fields):
    """400; the sentence quotes nothing."""
    with pytest.raises(BadRequest, match=r"^Access-Control-Request-(Method|Headers) is not"):
        preflight_answer(make_head(*fields).named, PAGE, close=False)
