"""Laws of the log: one line a request, and no value of the client's in it."""

from __future__ import annotations

import io
import json
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from proxy.dataplane.errors import (
    BadRequest,
    BadTarget,
    ForwardDenied,
    HostDenied,
    OriginDenied,
)
from proxy.dataplane.guard import Guard, check_origin
from proxy.dataplane.headers import CLIENT_CREDENTIALS, RequestRules, Stripping
from proxy.dataplane.model import Entrance, Head, Peer
from proxy.dataplane.problem import problem
from proxy.dataplane.record import Record
from proxy.dataplane.target import Authority, parse_authority, parse_target
from proxy.observe.log import Log
from proxy.upstream.origin import Origin


CANARY = "canary6b2f"
RULES = RequestRules(Origin("https", "up.example", 443), Stripping())
PEER = Peer("127.0.0.1")
ENTRANCE = Entrance("shared", "http", "localhost")
US = Authority("localhost", 8484)

FIELDS = st.lists(
    st.tuples(
        st.sampled_from([*sorted(CLIENT_CREDENTIALS), "X-Else", "Origin", "Connection"]),
        st.sampled_from([CANARY, f"Bearer {CANARY}", f"{CANARY}\xff"]),
    ),
    max_size=5,
)
QUERIES = st.lists(
    st.sampled_from(["access_token", "a", "apikey[]", CANARY, "%61pi_key"]).map(
        lambda name: f"{name}={CANARY}"
    ),
    max_size=4,
).map("&".join)


def line_of(head, form, **told):
    """Return the line of a request."""
    stream = io.BytesIO()
    record = Record("id", head, Peer("127.0.0.1"))
    for name, value in told.items():
        setattr(record, name, value)
    record.tell(Log(form=form, stream=stream))
    return stream.getvalue().decode()


@given(FIELDS, QUERIES, st.sampled_from(["json", "console"]))
def test_no_value_of_a_request_is_logged(fields, query, form):
    """Names and sizes: the path without its query, the names of what was stripped."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    head = Head("GET", f"/a?{query}", (1, 1), raw, CIMultiDict(fields), None, False, True)
    _, headers, _ = RULES.fields(head, ENTRANCE, Peer("127.0.0.1"), ours=False)
    stripped = headers + RULES.query(query)[1]

    line = line_of(head, form, stripped=stripped)

    assert CANARY not in line
    assert 1 == line.count("\n") == len(line.splitlines())
    assert "/a" in line
    if form == "json":
        assert stripped == json.loads(line)["stripped"]


def test_a_canary_in_the_path_is_logged():
    """The control: the path itself is told, so a canary there is found."""
    head = Head("GET", f"/{CANARY}", (1, 1), [], CIMultiDict(), None, False, True)

    assert CANARY in line_of(head, "json")
    assert CANARY in line_of(head, "console")


TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)


@given(TEXTS, TEXTS, TEXTS, st.lists(TEXTS, max_size=3), st.integers(0, 999), st.booleans())
def test_whatever_is_told_comes_back_from_the_line(method, error, name, stripped, count, echoed):
    """The line is spelled out by hand: it is JSON with any text in any place."""
    head = Head(method, "/a", (1, 1), [], CIMultiDict(), None, False, True)
    told = {"status": count, "error": error, "bytes_out": count, "stripped": stripped}
    echo = {"echo_masked": count} if echoed and count else {}
    line = json.loads(line_of(head, "json", cause=name, **told, **echo))

    assert {"method": method, "cause": name, **told, **echo}.items() <= line.items()
    assert (method, None, None) == (line["method"], line["route"], line["upstream_ms"])
    assert ("echo_masked" in line) == bool(echo)


@given(st.binary(max_size=20).filter(lambda path: not set(b"?#\r\n") & set(path)))
def test_a_path_of_any_bytes_is_logged_percent_encoded(path):
    """The line is JSON in ASCII, and the path can be read back from it."""
    target = b"/" + path.translate(None, b"%_")
    text = target.decode("utf-8", "surrogateescape")
    head = Head("GET", text, (1, 1), [], CIMultiDict(), None, False, True)
    line = line_of(head, "json")

    assert line.isascii()
    assert target == unquote_to_bytes(json.loads(line)["path"])


@given(st.floats(0, 1e6))
def test_milliseconds_are_cut_off_after_two_places(seconds):
    """Never rounded up: a wait that was within its limit is not told as one beyond."""
    record = Record("id", Head("GET", "/", (1, 1), [], CIMultiDict(), None, False, True), PEER)
    record.sent_at, record.answered_at = 0.0, seconds
    stream = io.BytesIO()
    record.tell(Log(stream=stream))
    told = json.loads(stream.getvalue())["upstream_ms"]

    assert (int(seconds * 100_000) / 100 if seconds else None) == told


HOSTILE = {
    "a user": (f"http://user:{CANARY}@h/x", "/x"),
    "a user without a path": (f"http://user:{CANARY}@h", "/"),
    "a user before a query": (f"http://{CANARY}@h?a", "/"),
    "a user behind a backslash": (f"http://user:{CANARY}\\@h/x", "/x"),
    "a user of another scheme": (f"FTP://{CANARY}@h/x", "/x"),
    "a user and no slashes": (f"http:user:{CANARY}@h/x", "h/x"),
    "a user to tunnel to": (f"{CANARY}@h:443", "h:443"),
    "an authority": (f"http://{CANARY}/x", "/x"),
    "a fragment": (f"/x#access_token={CANARY}", "/x"),
    "a fragment in absolute form": (f"http://h/x#{CANARY}", "/x"),
    "a fragment with a question mark": (f"/x#{CANARY}?{CANARY}", "/x"),
    "a fragment behind a query": (f"/x?a#{CANARY}", "/x"),
    "nothing but a fragment": (f"#{CANARY}", ""),
}


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(("text", "path"), HOSTILE.values(), ids=HOSTILE)
def test_no_user_information_and_no_fragment_is_logged(text, path, form):
    """Although such a target is refused: its line is written all the same."""
    head = Head("GET", text, (1, 1), [], CIMultiDict(), None, False, True)

    line = line_of(head, form)

    assert CANARY not in line
    if form == "json":
        assert path == json.loads(line)["path"]


@pytest.mark.parametrize(
    "text", ["*", "/", "/a//b;c@d:e%23", "/a\\b", "/http://u@h/x", "h:443", "http:/h/a"]
)
def test_other_paths_are_logged_as_they_came(text):
    """Whoever reads the log has to see what was sent."""
    head = Head("GET", f"{text}?q", (1, 1), [], CIMultiDict(), None, False, True)

    assert text == json.loads(line_of(head, "json"))["path"]


def target(text):
    """Be refused for a target."""
    parse_target("GET", text)


def host(text):
    """Be refused for a Host."""
    parse_authority(text)


def page(text):
    """Be refused for an Origin."""
    check_origin(CIMultiDict({"Origin": text}), US)


REFUSING = {
    "a user in the target": (target, f"http://user:{CANARY}@h/", BadTarget),
    "a fragment": (target, f"/a#access_token={CANARY}", BadTarget),
    "a target that is none": (target, CANARY, BadTarget),
    "dots and a query": (target, f"/../a?api_key={CANARY}", BadTarget),
    "a Host that is none": (host, f"{CANARY}@h", BadRequest),
    "a page that is none": (page, f"http://u:{CANARY}@h", OriginDenied),
}


@pytest.mark.parametrize(("refused", "text", "kind"), REFUSING.values(), ids=REFUSING)
def test_a_refusal_holds_nothing_of_what_it_refuses(refused, text, kind):
    """Neither for the client nor for the log."""
    with pytest.raises(kind) as caught:
        refused(text)

    shown(caught.value, "")


def foreign(text):
    """Be refused for another host."""
    Guard([]).admit(text, guarded=True)


def absolute(text):
    """Be refused for another server."""
    Guard([]).admit_absolute(text, None, scheme="http")


def foreign_page(text):
    """Be refused for another origin."""
    page(f"https://{text}")


@pytest.mark.parametrize(
    ("refused", "kind"),
    [(foreign, HostDenied), (absolute, ForwardDenied), (foreign_page, OriginDenied)],
)
def test_a_foreign_host_is_told_to_the_log_alone(refused, kind):
    """The operator has to know which name to add; the client knows what it asked for."""
    with pytest.raises(kind) as caught:
        refused(f"{CANARY}.example")

    shown(caught.value, f"{CANARY}.example")


def shown(refusal, told):
    """Check that the canary is in nothing but the cause, and there only in what is told."""
    document = problem(refusal, "id", to_head=False, close=True)

    assert CANARY.encode() not in document
    assert CANARY not in str(refusal)
    assert told in refusal.cause
    assert CANARY not in (refusal.cause.replace(told, "") if told else refusal.cause)
