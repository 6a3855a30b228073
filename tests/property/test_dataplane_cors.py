"""Laws of CORS: only what is configured comes in, and nothing of a request is sent back unread."""

from __future__ import annotations

import re

from hypothesis import example, given, strategies as st
from multidict import CIMultiDict

from proxy.dataplane.browser import is_marked
from proxy.dataplane.cors import Cors, Page, fold_origin, preflight_answer
from proxy.dataplane.errors import BadRequest, OriginDenied
from proxy.dataplane.guard import check_origin, check_shared_origin
from proxy.dataplane.target import Authority


ALLOWED = "https://app.example"
CORS = Cors([ALLOWED])
US = Authority("localhost", 8484)
ORIGINS = st.text() | st.lists(
    st.sampled_from(
        [
            *(
                "https",
                "http",
                "://",
                "app.example",
                "APP.example",
                ":443",
                ":80",
                "/",
                "@",
                "null",
            ),
            *("localhost", ":8484", ".", "*", " ", "evil", "\u212a", "\u017f", "[", "]", "\udcff"),
        ]
    ),
    max_size=6,
).map("".join)
PIECES = st.sampled_from(["GET", "x-a", ",", " ", "\t", "\r\n", ":", "\x00", "\xe9", "\udcff", "*"])
VALUES = st.text(max_size=20) | st.lists(PIECES, max_size=5).map("".join)
# RFC 9110 5.1, 5.5: a name, and printable ASCII that begins and ends without a blank.
LINE = re.compile(rb"(Access-Control-[A-Za-z-]+|Vary): [!-~]+( [!-~]+)*")


MARKS = st.fixed_dictionaries(
    {},
    optional={
        "User-Agent": st.sampled_from(
            ["Mozilla/5.0", "mozilla/5.0", "curl/8.14.1", "pip/22.0", ""]
        ),
        "Accept": st.sampled_from(
            ["text/html", "TEXT/HTML, */*;q=0.8", "*/*", "text/html;q=0", ""]
        ),
        "Origin": st.sampled_from(["null", ALLOWED, ""]),
        "Referer": st.sampled_from(["https://evil.example/", "http://localhost:8484/x"]),
        "Sec-Fetch-Site": st.sampled_from(["cross-site", "none", ""]),
        "Sec-Fetch-Mode": st.sampled_from(["navigate", "cors", ""]),
        "Sec-Fetch-Dest": st.sampled_from(["document", "empty", ""]),
        "Sec-Fetch-User": st.sampled_from(["?1", ""]),
        "Service-Worker": st.sampled_from(["script", ""]),
        "Upgrade-Insecure-Requests": st.sampled_from(["1", ""]),
    },
)


@given(MARKS)
@example({"Service-Worker": ""})
@example({"Sec-Fetch-Site": ""})
@example({"Sec-Fetch-User": "?1"})
@example({"Sec-Fetch-Dest": "empty"})
@example({"User-Agent": "Mozilla/5.0"})
@example({"Accept": "text/html"})
def test_a_request_without_a_mark_would_pass_every_check(fields):
    """So a tool's is spared them."""
    named = CIMultiDict(fields)
    if not is_marked(named):
        assert CORS.nobody == check_origin(named, US, CORS)
        assert not check_shared_origin(named)


@given(ORIGINS)
def test_no_origin_comes_in_but_ours_and_the_allowed_one(text):
    """And never another error than the refusal."""
    try:
        page = check_origin(CIMultiDict({"Origin": text}), US, CORS)
    except OriginDenied:
        assert text not in {ALLOWED, "http://localhost:8484"}
        return

    assert text.isascii()
    if page.foreign:
        assert re.fullmatch(r"https://app\.example(:0*443)?", text.lower())
    else:
        assert page.ours
        assert re.fullmatch(r"https?://localhost\.?:0*8484", text.lower())


@given(ORIGINS)
def test_folding_is_done_once(text):
    """What is folded stays as it is, and is one word of ASCII."""
    folded = fold_origin(text)
    if folded is not None:
        assert folded == fold_origin(folded)
        assert re.fullmatch("[!-~]+", folded)


@given(
    st.lists(VALUES, min_size=1, max_size=2), st.lists(VALUES, max_size=2), VALUES, st.booleans()
)
def test_a_preflight_answer_has_no_line_but_its_own(methods, names, network, close):
    """Whatever is asked for is a token, or it is refused."""
    named = CIMultiDict(
        [
            *(("Access-Control-Request-Method", value) for value in methods),
            *(("Access-Control-Request-Headers", value) for value in names),
            ("Access-Control-Request-Private-Network", network),
        ]
    )
    try:
        answer = preflight_answer(named, Page(b"\r\nVary: Origin"), close=close)
    except BadRequest as refusal:
        assert refusal.detail.isascii()  # noqa: PT017 -- not every text is refused
        return
    status, *lines, end, nothing = answer.split(b"\r\n")

    assert (b"HTTP/1.1 204 No Content", b"", b"") == (status, end, nothing)
    assert close is (lines[-1] == b"Connection: close")
    assert all(LINE.fullmatch(line) for line in lines[: len(lines) - close])
    assert 600 == int(*(l[24:] for l in lines if l.startswith(b"Access-Control-Max-Age: ")))  # noqa: E741
