"""References in a request that must lead to the upstream, and to nothing but this route's."""

from __future__ import annotations

import pytest

from proxy.dataplane.destination import Named, Way, lead_back
from proxy.dataplane.errors import BadTarget, PolicyDenied
from proxy.dataplane.headers import RequestRules, Stripping
from proxy.dataplane.model import Entrance, Peer
from proxy.dataplane.rewrite import Base
from proxy.dataplane.target import Authority
from proxy.upstream.origin import Origin


UP = Origin.parse("https://up.example")
HERE = (Authority("proxy.test", 8484),)
PREFIXED = Base(UP, b"/name", shared=True, others=(b"/name/deep", b"/other", b"/_keybearer"))
ROOTED = Base(UP, b"", shared=False)
ENTRANCE = Entrance("shared", "http", "proxy.test:8484")
ELSE = Entrance("shared", "http", "other.test:1")
PEER = Peer("127.0.0.1")
STRIP = RequestRules(UP, Stripping()).query


def way(base=PREFIXED, names=HERE):
    """Return where references lead."""
    return Way(base, names, "https://up.example", STRIP, [])


def led(name, value, base=PREFIXED, names=HERE):
    """Return the value that goes on, and the paths that are to be judged."""
    named: list[Named] = []
    return lead_back(name, value, way(base, names), named), [each.path for each in named]


# A Destination, what goes on, and the upstream's path.
OURS = {
    "our origin": (b"http://proxy.test:8484/name/a", b"https://up.example/a", "/a"),
    "by https": (b"https://proxy.test:8484/name/a", b"https://up.example/a", "/a"),
    "in capitals": (b"HTTP://PROXY.Test:8484/name/a", b"https://up.example/a", "/a"),
    "with a dot": (b"http://proxy.test.:8484/name/a", b"https://up.example/a", "/a"),
    "a path": (b"/name/a", b"/a", "/a"),
    "the prefix": (b"/name", b"/", "/"),
    "the prefix and a slash": (b"http://proxy.test:8484/name/", b"https://up.example/", "/"),
    "every byte": (b"/name//a%2Fb;c/%7e/", b"//a%2Fb;c/%7e/", "//a%2Fb;c/%7e/"),
    "a query": (b"/name/a?rev=1&x", b"/a?rev=1&x", "/a"),
    "a credential in the query": (b"/name/a?access_token=x&rev=1", b"/a?rev=1", "/a"),
    "a path that is nobody's here": (b"/names/a", b"/names/a", "/names/a"),
    "the root's path": (b"/", b"/", "/"),
    "the upstream's own": (b"https://UP.example:443/a", b"https://up.example/a", "/a"),
}


@pytest.mark.parametrize(("value", "goes_on", "path"), OURS.values(), ids=OURS)
def test_a_destination_of_ours_becomes_the_upstreams(value, goes_on, path):
    """Below a prefix, byte for byte behind it."""
    assert (goes_on, [path]) == led("destination", value)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (b"https://dav.example/a", (Authority("dav.example", None),)),
        (b"https://dav.example:443/a", (Authority("dav.example", None),)),
        (b"https://dav.example/a", (Authority("dav.example", 443),)),
        (b"http://dav.example:80/a", (Authority("dav.example", None),)),
        (b"http://[::ffff:127.0.0.1]:1/a", (Authority("127.0.0.1", 1),)),
        (b"http://127.0.0.1:1/a", (Authority("::ffff:127.0.0.1", 1),)),
        (b"http://[0:0::1]:1/a", (Authority("::1", 1),)),
        (
            b"https://public.example/a",
            (Authority("inner", 8484), Authority("public.example", None)),
        ),
    ],
)
def test_a_name_of_ours_has_many_spellings(value, names):
    """Default ports, addresses, and what a trusted proxy says it was called."""
    assert (b"https://up.example/a", ["/a"]) == led("destination", value, ROOTED, names)


ELSEWHERE = {
    "another host": b"http://evil.test/name/a",
    "another port": b"http://proxy.test:8485/name/a",
    "the other default port": b"https://proxy.test/name/a",
    "another route": b"http://proxy.test:8484/other/a",
    "a name that begins alike": b"http://proxy.test:8484/names/a",
    "outside of the prefix": b"http://proxy.test:8484/",
    "another route's path": b"/other/a",
    "the proxy's own path": b"/_keybearer/readyz",
    "a deeper route": b"/name/deep/a",
    "a deeper route itself": b"http://proxy.test:8484/name/deep",
    "the prefix in capitals": b"http://proxy.test:8484/NAME/a",
    "the upstream by another port": b"https://up.example:8443/a",
}


@pytest.mark.parametrize("name", ["destination", "if", "upload-concat"])
@pytest.mark.parametrize("reference", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_reference_to_another_host_or_route_is_denied(name, reference):
    """Passed on, an upstream that looks at its path alone would take it for its own."""
    value = {"if": b"<%b> (<urn:x>)", "upload-concat": b"final;%b"}.get(name, b"%b") % reference

    with pytest.raises(PolicyDenied):
        led(name, value)


AMBIGUOUS = {
    "dots": b"http://proxy.test:8484/name/a/../b",
    "encoded dots": b"/name/%2e%2e/b",
    "dots and an encoded slash": b"/name/..%2fb",
    "dots at its end": b"/name/..",
    "dots with parameters": b"/name/..;x/b",
    "NUL": b"/name/a%00",
    "a backslash": b"/name\\a",
    "a backslash at its beginning": b"\\name\\a",
    "a fragment": b"/name/a#b",
    "a space": b"/name/a b",
    "a tab": b"/name/a\tb",
    "a user": b"http://me@proxy.test:8484/name/a",
    "a user and a password": b"http://me:x@proxy.test:8484/name/a",
    "two slashes": b"//proxy.test:8484/name/a",
    "no host": b"http:///name/a",
    "one slash": b"http:/name/a",
    "no slash": b"http:name/a",
    "another scheme": b"ftp://proxy.test:8484/name/a",
    "an impossible port": b"http://proxy.test:99999/name/a",
    "an encoded host": b"http://proxy%2etest:8484/name/a",
}


def test_a_prefix_that_the_upstream_is_sent_is_judged_away_as_well():
    """Such an upstream may cut it off, and what is left must pass the rules, too."""
    announced = PREFIXED._replace(announced=b"/name")

    assert (b"/name/a", ["/name/a", "/a"]) == led("destination", b"/name/name/a", announced)
    assert (b"/names/a", ["/names/a"]) == led("destination", b"/name/names/a", announced)


def test_where_a_route_is_at_the_root_every_path_is_somebodys():
    """The longest prefix that fits decides, as for a target."""
    beside_root = PREFIXED._replace(others=(b"", b"/name/deep"))
    root = ROOTED._replace(others=(b"/name", b"/name/deep"))

    assert (b"/a", ["/a"]) == led("destination", b"/name/a", beside_root)
    assert (b"/a", ["/a"]) == led("destination", b"/a", root)
    for base, path in ((beside_root, b"/a"), (beside_root, b"/name/deep"), (root, b"/name/a")):
        with pytest.raises(PolicyDenied):
            led("destination", path, base)


@pytest.mark.parametrize("name", ["destination", "if", "upload-concat"])
@pytest.mark.parametrize("reference", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_reference_with_two_readings_is_refused(name, reference):
    """By the target's grammar, for servers read it as they read a target."""
    if name == "upload-concat" and set(reference) & set(b" \t"):
        return  # there it stands between two references
    value = {"if": b"<%b> (<urn:x>)", "upload-concat": b"final;%b"}.get(name, b"%b") % reference

    with pytest.raises(BadTarget):
        led(name, value)


@pytest.mark.parametrize("value", [b"other", b"user:jan?rev=1", b"a/b", b"../a", b""])
def test_a_relative_destination_is_unchanged_and_judged_by_no_path(value):
    """CouchDB's names a document, Swift's a container: what it is below, only they know."""
    assert (value, [None]) == led("destination", value)


@pytest.mark.parametrize(
    ("value", "goes_on", "paths"),
    [
        (b"(<urn:uuid:1>)", b"(<urn:uuid:1>)", []),
        (b'(Not <urn:1> ["a)<b>"]) (["c"])', b'(Not <urn:1> ["a)<b>"]) (["c"])', []),
        (b"</name/a> (<urn:1>)", b"</a> (<urn:1>)", ["/a"]),
        (
            (
                b"<http://proxy.test:8484/name/a> (<http://proxy.test:8484/name/lock>)\t"
                b'(Not <DAV:no-lock>) </name/b?c> ([W/"x"])'
            ),
            (
                b"<https://up.example/a> (<http://proxy.test:8484/name/lock>)\t"
                b'(Not <DAV:no-lock>) </b?c> ([W/"x"])'
            ),
            ["/a", "/b"],
        ),
        (b"<a> (<urn:1>)", b"<a> (<urn:1>)", [None]),
        (b"", b"", []),
    ],
)
def test_the_tags_of_if_are_led_back_and_its_tokens_are_not(value, goes_on, paths):
    """Inside parentheses `<>` holds a lock's token, which is the upstream's own text."""
    assert (goes_on, paths) == led("if", value)


@pytest.mark.parametrize(
    "value",
    [b"</name/a (<urn:1>)", b"</name/a> (<urn:1>", b"<a>)", b'</name/a> (["x])', b"<<a>", b"a>"],
)
def test_an_if_that_does_not_match_is_refused(value):
    """Where a tag begins would be a guess."""
    with pytest.raises(BadTarget):
        led("if", value)


@pytest.mark.parametrize(
    ("value", "goes_on", "paths"),
    [
        (b"partial", b"partial", []),
        (
            b"final;/name/a http://proxy.test:8484/name/b",
            b"final;/a https://up.example/b",
            ["/a", "/b"],
        ),
        (b"FINAL; /name/a", b"FINAL;/a", ["/a"]),
    ],
)
def test_the_parts_of_an_upload_are_led_back(value, goes_on, paths):
    """tus, 1.0: the client has their URLs from Location."""
    assert (goes_on, paths) == led("upload-concat", value)


@pytest.mark.parametrize(
    ("value", "goes_on"),
    [
        (b"http://proxy.test:8484/name/a?b#c", b"https://up.example/a?b"),
        (b"https://proxy.test:8484/name/", b"https://up.example/"),
        (b"http://proxy.test:8484/name/a?api_key=x&b=1", b"https://up.example/a?b=1"),
        (b"http://proxy.test:8484/other/secret", None),
        (b"http://proxy.test:8484/name/deep/secret", None),
        (b"http://proxy.test:8484/", b"http://proxy.test:8484/"),
        (b"https://elsewhere.example/name/a", b"https://elsewhere.example/name/a"),
        (b"https://up.example/a", b"https://up.example/a"),
        (b"about:blank", b"about:blank"),
        (b"/name/a", b"/name/a"),
        (b"http://proxy.test:8484/name/../a", b"http://proxy.test:8484/name/../a"),
        (b"caf\xe9", b"caf\xe9"),
    ],
)
def test_a_referer_of_ours_becomes_the_upstreams(value, goes_on):
    """Servers compare it with Host; of other routes' pages they learn nothing."""
    assert (goes_on, []) == led("referer", value)


@pytest.mark.parametrize(
    ("name", "value", "goes_on"),
    [
        ("content-location", b"http://proxy.test:8484/name/a", b"https://up.example/a"),
        ("content-location", b"/name/a", b"/a"),
        ("content-location", b"/other/a", b"/other/a"),
        ("content-location", b"a", b"a"),
        ("content-location", b"/name/../a", b"/name/../a"),
        (
            "link",
            b'</name/a>; rel="acl", <http://www.w3.org/ns/ldp#Resource>; rel=type, <b>',
            b'</a>; rel="acl", <http://www.w3.org/ns/ldp#Resource>; rel=type, <b>',
        ),
    ],
)
def test_what_only_says_something_is_led_back_where_it_is_ours(name, value, goes_on):
    """And left as it is elsewhere: the upstream acts on none of it."""
    assert (goes_on, []) == led(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("if", b"</name/a>" * 257),
        ("upload-concat", b"final;" + b"/name/a " * 257),
    ],
)
def test_one_request_names_a_bounded_number_of_resources(name, value):
    """Each is judged, and nobody else is served meanwhile."""
    with pytest.raises(BadTarget):
        led(name, value)


@pytest.mark.parametrize(
    "fields",
    [
        [(b"Destination", b"/name/" + b"a" * 16_384)],
        [(b"If", b"</name/" + b"a" * 6_000 + b"> (<urn:1>)")] * 3,
        [(b"If", b"(<urn:1>)" * 2_000)],
    ],
)
def test_the_fields_that_name_resources_have_a_bounded_length(make_head, fields):
    """All together, for a head has room for four times a target's."""
    named: list[Named] = []
    rules = RequestRules(UP, Stripping())
    rules.fields(make_head(*fields), ENTRANCE, PEER, ours=False, base=PREFIXED, named=named)

    assert isinstance(named[-1].refusal, BadTarget)


def test_the_log_names_what_was_taken_off_a_reference(make_head):
    """As for the target's query."""
    head = make_head((b"Destination", b"/name/a?api_key=x"), (b"Referer", b"/name/b"))
    rules = RequestRules(UP, Stripping())

    _, stripped, _ = rules.fields(head, ENTRANCE, PEER, ours=False, base=PREFIXED)

    assert ["?api_key"] == stripped


def test_fields_that_name_a_resource_in_their_own_way_are_to_be_judged(make_head):
    """Unless `strip.keep` says that they may pass whatever the rules say."""
    named: list[Named] = []
    fields = ((b"X-Amz-Copy-Source", b"/b/secret"), (b"x_copy_from", b"c/o"))
    rules = RequestRules(UP, Stripping(keep=frozenset({"X-Copy-From"})))

    lines = rules.fields(
        make_head(*fields), ENTRANCE, PEER, ours=False, base=PREFIXED, named=named
    )[0]

    assert b"X-Amz-Copy-Source: /b/secret\r\nx_copy_from: c/o\r\n" in lines
    assert [Named("x-amz-copy-source", None)] == named


def test_two_destinations_are_refused(make_head):
    """One server takes the first, another the last."""
    head = make_head((b"Destination", b"/name/a"), (b"DESTINATION", b"/name/a"))

    named: list[Named] = []
    rules = RequestRules(UP, Stripping())
    rules.fields(head, ENTRANCE, PEER, ours=False, base=PREFIXED, named=named)

    assert isinstance(named[-1].refusal, BadTarget)


def test_a_referer_that_comes_again_is_read_by_what_it_came_with(make_head):
    """The same text leads elsewhere by another name, by another prefix, or in another field."""
    rules = RequestRules(UP, Stripping())
    page = b"http://proxy.test:8484/name/a"
    named: list[Named] = []

    def lines(name, base=PREFIXED, entrance=ENTRANCE, peer=PEER):
        head = make_head((name, page), (b"X-Forwarded-Host", b"other.test:1"))
        return rules.fields(head, entrance, peer, ours=False, base=base, named=named)[0]

    for _ in range(2):
        assert b"Referer: https://up.example/a\r\n" in lines(b"Referer")
        assert b"Referer: https://up.example/name/a\r\n" in lines(b"Referer", ROOTED)
        assert b"Referer: " + page in lines(b"Referer", entrance=ELSE)
        assert b"Referer: https://up.example/a" in lines(b"Referer", peer=Peer("1.1.1.1", proxy=""))
        lines(b"Destination", entrance=ELSE)
        assert isinstance(named.pop().refusal, PolicyDenied)
