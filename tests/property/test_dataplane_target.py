"""Laws of the target: one reading or none, and what is forwarded is the client's own bytes."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote

from hypothesis import assume, given, strategies as st

from proxy.dataplane.errors import BadRequest, BadTarget, MethodDenied, NoRoute
from proxy.dataplane.headers import RequestRules, Stripping
from proxy.dataplane.inject import Injection
from proxy.dataplane.model import Entrance
from proxy.dataplane.outbound import assemble
from proxy.dataplane.route import Route
from proxy.dataplane.router import Router
from proxy.dataplane.target import Target, parse_authority, parse_target
from proxy.upstream.origin import Origin
from proxy.upstream.pool import Endpoint


METHODS = st.sampled_from(["GET", "POST", "OPTIONS", "TRACE", "CONNECT", "PURGE", ""])
TOKENS = st.sampled_from(
    [
        *("/", "//", ".", "..", "%2e", "%2E", "%252e", "%2%65", "%2f", "%2F", "%252f", "%5c"),
        *(";", "%3b", "?", "&", "=", "a", "api", "v2", "http://", "h", "@", ":", "#", "\\"),
        *(
            "%",
            "%00",
            "%c0%ae",
            "~",
            "*",
            "\t",
            " ",
            "\xe9",
            "\udcff",
            "%u002e",
            "%u",
            "\udcc0\udcae",
        ),
    ]
)
SOUP = st.lists(TOKENS, max_size=12).map("".join)
HARMLESS = st.lists(
    st.sampled_from(
        ["/", "//", "%2f", ";x", "%7e", "a", "api", ".a", "?", "&b=", "%E9", "~", "[", "\xe9"]
    ),
    max_size=12,
).map("".join)


def route(name, path):
    """Return a route of which only the entrance matters."""
    origin = Origin("http", "up", 80)
    pool = SimpleNamespace(endpoint=Endpoint(origin))
    unused = cast("Any", None)
    request = RequestRules(origin, Stripping())  # a real one: the compiled build looks at its class
    return Route(name, cast("Any", pool), path, (), unused, request, unused, unused, None, 0)


ROUTER = Router([route("a", "/a"), route("api", "/api"), route("deep", "/api/v2")])
SHARED = Entrance("shared", "http", "localhost")


def matched(path):
    """Return where a path leads, or None."""
    try:
        return ROUTER.match(SHARED, "localhost", path)
    except NoRoute:
        return None


def parsed(method, raw):
    """Return the target, or None where it is refused in one of the ways there are."""
    try:
        return parse_target(method, raw)
    except (BadTarget, MethodDenied, BadRequest):
        return None


@given(METHODS, st.text() | SOUP | SOUP.map("/".__add__) | SOUP.map("http://".__add__))
def test_every_target_is_read_or_refused(method, raw):
    """Never another exception."""
    target = parsed(method, raw)

    assert target is None or isinstance(target, Target)


@given(SOUP.map("/".__add__))
def test_what_is_read_is_what_was_sent(raw):
    """Path and query are the client's bytes, and nothing is lost between them."""
    target = parsed("GET", raw)
    assume(target is not None)

    assert raw == target.path + ("" if target.query is None else f"?{target.query}")
    assert (None, "") == (target.authority, target.scheme)


@given(SOUP.map("/".__add__))
def test_what_is_read_never_climbs(raw):
    """However often a server decodes, and whatever it takes for a separator."""
    target = parsed("GET", raw)
    assume(target is not None)

    path = target.path
    for _ in range(3):
        segments = re.split(r"[/\\]", path)
        assert not {".", ".."} & {segment.partition(";")[0] for segment in segments}
        path = unquote(path, "latin-1")


def lax(data):
    """Return the characters that a decoder reads which believes the length in the first byte."""
    found, at = [], 0
    while at < len(data):
        size = next((n for n, bits in LENGTHS if data[at] >= bits), 1)
        rest = data[at + 1 : at + size]
        if len(rest) < size - 1 or any(byte & 0xC0 != 0x80 for byte in rest):
            size, rest = 1, b""
        code = data[at] & (0x7F >> size if size > 1 else 0x7F)
        for byte in rest:
            code = code << 6 | byte & 0x3F
        found.append((data[at : at + size], code))
        at += size
    return found


LENGTHS = [(6, 0xFC), (5, 0xF8), (4, 0xF0), (3, 0xE0), (2, 0xC0)]
LEADS = st.integers(0x21, 0xFF) | st.sampled_from([0xC0, 0xC1, 0xE0, 0xED, 0xF0, 0xF4, 0xF8, 0xFC])
BYTES = st.lists(LEADS | st.integers(0x80, 0xBF), max_size=8).map(bytes)


@given(BYTES, st.data())
def test_what_is_read_is_utf_8_to_every_decoder(data, drawn):
    """Raw or percent-encoded, once or twice: no character is written as UTF-8 never writes it."""
    ways = [lambda b: bytes([b]), lambda b: b"%%%02x" % b, lambda b: b"%%25%02X" % b]
    written = b"".join(drawn.draw(st.sampled_from(ways))(byte) for byte in data)
    target = parsed("GET", "/" + written.decode("utf-8", "surrogateescape"))
    assume(target is not None)

    for seen, code in lax(data):
        if len(seen) > 1:
            assert seen == chr(code).encode("utf-8", "surrogatepass")
            assert not 0xD800 <= code < 0xE000


@given(SOUP.map("/".__add__))
def test_raw_bytes_are_judged_like_their_percent_encoding(raw):
    """A target is refused if and only if it is with every byte outside ASCII encoded."""
    text = raw.encode("utf-8", "surrogateescape")
    encoded = re.sub(rb"[\x80-\xff]", lambda found: b"%%%02X" % found[0][0], text).decode("ascii")

    assert (parsed("GET", raw) is None) is (parsed("GET", encoded) is None)


@given(st.sampled_from(["/a", "/api", "/api/v2", "/api/v", "/"]), HARMLESS)
def test_the_forwarded_target_is_the_clients_with_the_prefix_cut_off(start, tail):
    """Byte for byte, from the first line of the request to the first line upstream."""
    raw = start + tail
    target = parsed("GET", raw)
    assert target is not None
    mount = matched(target.path)
    if mount is None:
        return
    path = target.path[len(mount.prefix) :] or "/"

    line = assemble("GET", path, target.query, b"", Injection()).head.split(b"\r\n")[0]

    _, sent, _ = line.decode("utf-8", "surrogateescape").split(" ")
    rest = raw.removeprefix(mount.prefix)
    assert (rest if rest.startswith("/") else f"/{rest}") == sent
    assert raw[: len(mount.prefix)] == mount.route.path
    assert rest[:1] in {"", "/", "?"}


@given(st.text() | SOUP)
def test_every_authority_is_read_or_refused(text):
    """And what is read is folded: reading it again changes nothing."""
    try:
        authority = parse_authority(text)
    except BadRequest:
        return

    host = f"[{authority.host}]" if ":" in authority.host else authority.host
    assume(host not in ("", "."))
    assume(not host.endswith("."))  # the second dot of two
    port = "" if authority.port is None else f":{authority.port}"
    assert authority == parse_authority(host + port)
