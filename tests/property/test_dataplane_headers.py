"""Laws of stripping and injecting: nothing forbidden passes, nothing else changes."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote_plus

from hypothesis import assume, given, strategies as st
from multidict import CIMultiDict

from proxy.characters import unseen
from proxy.credentials.fixed import FixedCredential
from proxy.dataplane import headers
from proxy.dataplane.headers import RequestRules, Stripping
from proxy.dataplane.headers_back import RESPONSE_REMOVED, ResponseRules
from proxy.dataplane.inject import Injection, Injector, Slot
from proxy.dataplane.model import Entrance, Head, Peer
from proxy.dataplane.outbound import assemble
from proxy.dataplane.rewrite import Base
from proxy.secret import Secret
from proxy.upstream.head import ResponseHead
from proxy.upstream.origin import Origin


UP = Origin("https", "up.example", 443)
BASE = Base(UP, b"/name", shared=True)
INJECTED = "X-Injected"
PARAMETER = "my-key"
RULES = RequestRules(
    UP,
    Stripping(
        injected_headers=frozenset({INJECTED}),
        injected_parameters=frozenset({PARAMETER}),
        keep=frozenset({INJECTED, PARAMETER}),
    ),
)
FORBIDDEN = (
    headers.HOP_BY_HOP
    | headers.CLIENT_CREDENTIALS
    | {"x-forwarded-for", "x-forwarded-x", "forwarded", "x-real-ip", "x-injected"}
)
FORBIDDEN_BACK = (headers.HOP_BY_HOP | RESPONSE_REMOVED) | {"access-control-allow-origin"}
PLAIN = ["accept", "x-one", "x-two", "user-agent", "x-tokens", "location", "a_b"]


@st.composite
def spelled(draw, names):
    """Draw a name in any case, with `_` for any `-`."""
    name = draw(st.sampled_from(sorted(names)))
    letters = [draw(st.sampled_from([c, c.upper(), "_" if c == "-" else c])) for c in name]
    return "".join(letters).encode()


VALUES = st.binary(max_size=8).map(lambda b: b.translate(None, b"\r\n\0").strip(b" \t"))
NAMING = st.lists(
    st.just(b"") | spelled([*PLAIN, "host", "content-length", "close"]), max_size=3
).map(b" , ".join)
CONNECTIONS = st.tuples(st.sampled_from([b"Connection", b"connection", b"CONNECTION"]), NAMING)


def fields_of(names):
    """Draw fields of any of the names, and such that name others."""
    return st.lists(st.tuples(spelled(names), VALUES) | CONNECTIONS, max_size=8)


def folded(name):
    """Return a name as servers see it."""
    return name.decode("latin-1").lower().replace("_", "-")


def named(fields):
    """Return what Connection names, folded."""
    values = [value for name, value in fields if name.lower() == b"connection"]
    return {folded(n.strip()) for value in values for n in value.split(b",")}


def request(fields, length):
    """Return what is sent of fields: a list without Host, and the names told."""
    texts = [(n.decode(), v.decode("latin-1")) for n, v in fields]
    head = Head("GET", "/", (1, 1), fields, CIMultiDict(texts), length, False, True)
    entrance = Entrance("shared", "http", "localhost")
    data, stripped, _ = RULES.fields(head, entrance, Peer("127.0.0.1"), ours=False)
    return split(data), stripped


def split(data):
    """Return lines as fields."""
    return [tuple(line.split(b": ", 1)) for line in data.split(b"\r\n")[:-1]]


def is_subsequence(part, whole):
    """Tell whether `part` is `whole` with some left out."""
    rest = iter(whole)
    return all(each in rest for each in part)


@given(fields_of(FORBIDDEN | {*PLAIN, "content-length", "host"}), st.none() | st.just(5))
def test_nothing_forbidden_goes_upstream_however_it_is_spelled(fields, length):
    """Case, `_` for `-`, doubled, named by Connection; Host and framing are ours, once."""
    sent, _ = request(fields, length)

    names = [folded(name) for name, _ in sent]
    gone = (FORBIDDEN | named(fields)) - {"host", "content-length"}
    assert not gone & set(names)
    assert (b"Host", b"up.example") == sent[0]
    assert (1, int(length is not None)) == (names.count("host"), names.count("content-length"))


@given(fields_of(FORBIDDEN | {*PLAIN}))
def test_stripping_keeps_order_and_is_done_once_and_for_all(fields):
    """What is left is a part of what came, in its order; stripping it again changes nothing."""
    sent, _ = request(fields, None)

    assert is_subsequence(sent[1:], fields)
    assert (sent, []) == request(sent, None)


@given(fields_of(PLAIN))
def test_what_is_not_forbidden_stays(fields):
    """Every byte of it."""
    expected = [field for field in fields if folded(field[0]) not in {*named(fields), "connection"}]

    assert (expected, []) == (request(fields, None)[0][1:], request(fields, None)[1])


@given(fields_of(FORBIDDEN_BACK | {*PLAIN}))
def test_nothing_forbidden_comes_back(fields):
    """The same for answers, whose names no server folds."""
    head = ResponseHead(
        200, b"200 OK", [(name, b"%b: %b" % (name, value)) for name, value in fields]
    )

    first, *relayed = ResponseRules().relayed(head, BASE).split(b"\r\n")
    assert not first
    back = split(b"".join(line + b"\r\n" for line in relayed))

    names = [name.lower().decode() for name, _ in back]
    assert not FORBIDDEN_BACK & set(names)
    assert not (named(fields) - {"host", "content-length"}) & set(
        map(folded, map(str.encode, names))
    )
    assert is_subsequence([name for name, _ in back], [name for name, _ in fields])
    untouched = [line for line in relayed if line[:8].lower() != b"location"]
    assert is_subsequence(untouched, [line for _, line in head.fields])


PAIRS = st.lists(
    st.sampled_from(
        [
            *(
                "access_token",
                "Api-Key",
                "apikey",
                "auth.token",
                "private+token",
                "client_secret[]",
            ),
            *("%61pi_key", "my_key", "MY%2Dkey[x]", "a", "b[]", "access", "tokens", "%zz", ""),
            *("access[token", "api%5Bkey", "access[token]", "+api_key", "%20my_key[", "my[key[x"),
        ]
    ).flatmap(lambda name: st.sampled_from([name, f"{name}=", f"{name}=v=w", f"{name}=%26"])),
    max_size=6,
)
PARAMETERS = headers.CLIENT_CREDENTIAL_PARAMETERS | {"my_key"}


def parameter(pair):
    """Return the name of a pair as lax servers see it: an own model of DESIGN 3."""
    name = unquote_plus(pair.split("=")[0], "latin-1").lstrip(" ").lower()
    start, bracket, rest = name.partition("[")
    readings = [start, name] if bracket and "]" not in rest else [start]
    readings = [re.sub(r"[-. \[]", "_", reading) for reading in readings]
    return next((reading for reading in readings if reading in PARAMETERS), readings[-1])


@given(PAIRS.map("&".join) | st.text(alphabet="a=&%[]+_-5fFpikey", max_size=30))
def test_queries_lose_their_credentials_and_nothing_else(query):
    """The rest byte for byte, in its order; an emptied query loses its mark."""
    kept, stripped = RULES.query(query)

    left = [pair for pair in query.split("&") if parameter(pair) not in PARAMETERS]
    assert (("&".join(left) if left else None) if stripped else query) == kept
    assert len(query.split("&")) == len(left) + len(stripped)
    assert (kept, []) == RULES.query(kept)


@given(
    fields_of(FORBIDDEN | {*PLAIN}),
    PAIRS.map("&".join),
    st.text(alphabet=st.characters(codec="utf-8"), min_size=1),
)
def test_the_credential_arrives_exactly_once(fields, query, text):
    """Whatever the client sends: one field of its name and one parameter, both ours."""
    assume(not unseen(text) and text == text.strip())
    secret = Secret(text)
    slots = (Slot("header", INJECTED.encode(), b"Bearer "), Slot("query", PARAMETER.encode()))
    injection = Injector(FixedCredential("c", (secret, secret)), slots).inject()
    lines = b"".join(b"%b: %b\r\n" % field for field in request(fields, None)[0])

    head = assemble("GET", "/", RULES.query(query)[0], lines, injection).head

    line, _, rest = head.partition(b"\r\n")
    target = line.decode("ascii").split(" ")[1]
    pairs = [pair for pair in target.partition("?")[2].split("&") if parameter(pair) == "my_key"]
    sent = [value for name, value in split(rest[:-2]) if folded(name) == "x-injected"]
    assert [b"Bearer " + secret.reveal()] == sent
    assert [(PARAMETER, text)] == parse_qsl(pairs[0], True)
    assert 1 == len(pairs)
    assert text not in repr(injection) or text in repr(Injection())
