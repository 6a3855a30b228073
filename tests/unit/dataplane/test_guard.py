"""Who may come in by TCP: hosts that are ours, and no foreign page."""

from __future__ import annotations

import pytest

from proxy.dataplane.cors import NO_CORS, Cors
from proxy.dataplane.errors import BadRequest, ForwardDenied, HostDenied, OriginDenied
from proxy.dataplane.guard import Guard, check_origin, check_shared_origin
from proxy.dataplane.target import Authority, parse_authority


GUARD = Guard(
    ["up.localhost"],
    allowed=["Proxy.Example", "dotted.example.", "*.Suffix.example", "*.x.org.", "*."],
)

OURS = {
    "localhost": "localhost",
    "localhost with a port": "localhost:9999",
    "localhost with a trailing dot": "localhost.",
    "localhost in capitals": "LOCALHOST",
    "an IPv4 literal": "127.0.0.1:8484",
    "an IPv4 literal of another machine": "192.0.2.7",
    "an IPv6 literal": "[::1]:8484",
    "a route's host": "up.localhost",
    "a route's host in capitals": "Up.LocalHost:1",
    "an allowed name": "proxy.example",
    "an allowed name that was written with a dot": "dotted.example",
    "a name below an allowed suffix": "a.suffix.example",
    "a name below a suffix that was written with a dot": "a.x.org",
    "a name far below an allowed suffix": "a.b.suffix.example.",
}

FOREIGN = {
    "any other name": "evil.com",
    "a name that begins like ours": "localhost.evil.com",
    "a name that looks like an address": "127a0b0c1",
    "an address with too few parts": "127.1",
    "an address as one number": "2130706433",
    "an address with hexadecimal parts": "0x7f.0.0.1",
    "an address with leading zeros": "127.0.0.01",
    "an address below a name": "127.0.0.1.evil.com",
    "the bare suffix": "suffix.example",
    "a name that only ends like the suffix": "asuffix.example",
    "a name below an exact one": "a.proxy.example",
    "nothing but a dot": ".",
    "two trailing dots": "localhost..",
}


@pytest.mark.parametrize("text", OURS.values(), ids=OURS)
def test_names_of_ours_are_admitted(text):
    """IP literals, localhost, hosts of routes and `allow_hosts`; ports and one dot do not count."""
    authority = parse_authority(text)

    # Twice: the second answer comes from memory.
    assert [authority, authority] == [GUARD.admit(text, guarded=True) for _ in range(2)]


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_foreign_names_are_misdirected(text):
    """421 names the key that would help, and the log names the host; the client is not quoted."""
    for _ in range(2):
        with pytest.raises(HostDenied, match="`allow_hosts`") as caught:
            GUARD.admit(text, guarded=True)

        assert 421 == caught.value.status
        assert f"Host {parse_authority(text).host}" == caught.value.cause
        assert text not in caught.value.detail or text == "."


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_unix_sockets_are_not_guarded(text):
    """A web page cannot reach a unix socket, so any name will do; it is not remembered as ours."""
    guard = Guard([])

    assert parse_authority(text) == guard.admit(text, guarded=False)
    with pytest.raises(HostDenied):
        guard.admit(text, guarded=True)


def test_any_name_is_admitted_where_a_key_is_asked_for():
    """A page that has rebound its name has no key, and a browser adds none by itself."""
    guard = Guard([], any_name=True)

    assert parse_authority("evil.example") == guard.admit("evil.example", guarded=True)


def test_a_malformed_host_is_refused_even_unguarded():
    """What is no authority has no reading at all."""
    with pytest.raises(BadRequest):
        GUARD.admit("a b", guarded=False)


def test_only_so_many_spellings_are_remembered():
    """A client that counts through addresses does not fill the memory."""
    guard = Guard([])
    for number in range(1000):
        guard.admit(f"127.0.0.1:{number}", guarded=True)

    assert 1000 > len(guard._admitted)


ABSOLUTE_OURS = {
    "the same as Host": ("localhost:8484", "localhost:8484", "http"),
    "the same but for case and dot": ("LOCALHOST.:8484", "localhost:8484", "http"),
    "a default port written out": ("localhost:80", "localhost", "http"),
    "a default port of https": ("localhost", "localhost:443", "https"),
    "without Host": ("localhost", None, "http"),
}
ABSOLUTE_DENIED = {
    "another server": ("evil.com", "evil.com", "http", ForwardDenied),
    "another server without Host": ("evil.com", None, "http", ForwardDenied),
    "another host than Host": ("localhost", "evil.com", "http", BadRequest),
    "another port than Host": ("localhost:1", "localhost:2", "http", BadRequest),
    "the default port of the other scheme": ("localhost", "localhost:443", "http", BadRequest),
    "no authority": ("a b", None, "http", BadRequest),
    "a Host that is none": ("localhost", "a b", "http", BadRequest),
}


@pytest.mark.parametrize(("text", "host", "scheme"), ABSOLUTE_OURS.values(), ids=ABSOLUTE_OURS)
def test_absolute_form_to_us_is_origin_form(text, host, scheme):
    """RFC 9112 3.2.2: to a name that the Host rule accepts it is the same as origin form."""
    assert parse_authority(text) == GUARD.admit_absolute(text, host, scheme=scheme)


@pytest.mark.parametrize(
    ("text", "host", "scheme", "refusal"), ABSOLUTE_DENIED.values(), ids=ABSOLUTE_DENIED
)
def test_absolute_form_elsewhere_is_denied(text, host, scheme, refusal):
    """This is no open proxy; and two different destinations are one too many."""
    with pytest.raises(refusal) as caught:
        GUARD.admit_absolute(text, host, scheme=scheme)

    assert (403 if refusal is ForwardDenied else 400) == caught.value.status


def test_absolute_form_elsewhere_is_denied_also_where_any_name_may_be_ours():
    """A gateway's names are not known, but `http_proxy` would send it what is meant for others."""
    guard = Guard(["api.localhost"], any_name=True)

    assert guard.admit("gateway.example", guarded=True).host == "gateway.example"
    assert guard.admit_absolute("api.localhost", None, scheme="http").host == "api.localhost"
    with pytest.raises(ForwardDenied):
        guard.admit_absolute("other.example", "other.example", scheme="http")


US = Authority("localhost", 8484)
ORIGINS_OURS = {
    "the same host and port": ("http://localhost:8484", US),
    "another scheme": ("https://localhost:8484", US),
    "other case": ("HTTP://LocalHost:8484", US),
    "a default port that Host left out": ("http://localhost", Authority("localhost", None)),
    "a default port that Host names": ("http://localhost", Authority("localhost", 80)),
    "a default port of Origin's own scheme": ("https://localhost", Authority("localhost", 443)),
    "an IPv6 address": ("http://[::1]:8484", Authority("::1", 8484)),
}
ORIGINS_FOREIGN = {
    "another host": ("http://evil.com:8484", US),
    "another port": ("http://localhost:3000", US),
    "no port where ours is not the default": ("http://localhost", US),
    "the default port of the other scheme": ("http://localhost", Authority("localhost", 443)),
    "another name of ours": ("http://127.0.0.1:8484", US),
    "a name below ours": ("http://a.localhost:8484", US),
    "null": ("null", US),
    "nothing": ("", US),
    "no scheme": ("localhost:8484", US),
    "an extension": ("chrome-extension://localhost:8484", US),
    "a path behind": ("http://localhost:8484/", US),
    "a user before": ("http://localhost:8484@evil.com", US),
    "two origins": ("http://localhost:8484 http://evil.com", US),
    "an impossible port": ("http://localhost:99999", US),
    "a scheme with a long s": ("http\u017f://localhost:8484", US),
    "a request without Host": ("http://localhost:8484", None),
}


@pytest.mark.parametrize(("origin", "authority"), ORIGINS_OURS.values(), ids=ORIGINS_OURS)
def test_our_own_pages_may_come_in(make_head, origin, authority):
    """Host and port equal those of the request; the scheme is not compared."""
    head = make_head((b"origin", origin.encode()), (b"Sec-Fetch-Site", b"cross-site"))

    assert NO_CORS.ours == check_origin(head.named, authority)
    assert NO_CORS.ours.ours


@pytest.mark.parametrize(("origin", "authority"), ORIGINS_FOREIGN.values(), ids=ORIGINS_FOREIGN)
def test_foreign_pages_may_not(make_head, origin, authority):
    """Anything else is 403, also `null`, which any page can make itself."""
    head = make_head((b"Origin", origin.encode()), (b"Sec-Fetch-Site", b"same-origin"))

    with pytest.raises(OriginDenied) as caught:
        check_origin(head.named, authority)

    assert (403, "origin-denied") == (caught.value.status, caught.value.code)


def test_two_origins_are_refused_although_one_is_ours(make_head):
    """Nobody can say which of them counts."""
    fields = [(b"Origin", b"http://localhost:8484")] * 2

    with pytest.raises(OriginDenied):
        check_origin(make_head(*fields).named, US)


APP = "https://app.example"


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
def test_pages_of_allowed_origins_may_come_in(make_head, site):
    """Whatever else the browser tells about the site."""
    fetch = () if site is None else ((b"Sec-Fetch-Site", site.encode()),)
    page = check_origin(make_head((b"Origin", APP.encode()), *fetch).named, US, Cors([APP]))

    assert (True, False) == (page.foreign, page.ours)


def test_our_own_origin_is_ours_although_it_is_allowed(make_head):
    """It may be in the list for another listener's sake."""
    head = make_head((b"Origin", b"http://localhost:8484"))

    assert check_origin(head.named, US, Cors(["http://localhost:8484"])).ours


def test_two_allowed_origins_are_refused(make_head):
    """Nobody can say which of them to answer to."""
    with pytest.raises(OriginDenied):
        check_origin(make_head(*[(b"Origin", APP.encode())] * 2).named, US, Cors([APP]))


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("mode", ["navigate", "no-cors", "cors"])
def test_foreign_sites_are_refused_without_an_origin(make_head, site, mode):
    """Images, scripts and navigations of foreign pages bear no Origin, but this."""
    head = make_head((b"Sec-Fetch-Site", site.encode()), (b"Sec-Fetch-Mode", mode.encode()))

    with pytest.raises(OriginDenied):
        check_origin(head.named, US)


@pytest.mark.parametrize("site", [None, "same-origin", "none"])
def test_tools_and_typed_addresses_may_come_in(make_head, site):
    """They bear no Origin, so there is none to rewrite."""
    fields = () if site is None else ((b"Sec-Fetch-Site", site.encode()),)

    assert NO_CORS.nobody == check_origin(make_head(*fields).named, US)
    assert not NO_CORS.nobody.ours


@pytest.mark.parametrize("destination", ["document", "iframe", "frame", "object", "embed"])
def test_pages_of_a_shared_origin_are_sandboxed(make_head, destination):
    """A page of one route would otherwise drive the others."""
    head = make_head((b"Sec-Fetch-Dest", destination.encode()))

    assert check_shared_origin(head.named) is True


@pytest.mark.parametrize("destination", [None, "empty", "script", "image", "worker"])
def test_other_answers_of_a_shared_origin_are_not(make_head, destination):
    """They have no origin of their own."""
    fields = () if destination is None else ((b"Sec-Fetch-Dest", destination.encode()),)

    assert check_shared_origin(make_head(*fields).named) is False


def test_service_workers_of_a_shared_origin_are_refused(make_head):
    """One would stay and see the requests of every route."""
    with pytest.raises(OriginDenied, match="virtual host"):
        check_shared_origin(make_head((b"service-worker", b"script")).named)
