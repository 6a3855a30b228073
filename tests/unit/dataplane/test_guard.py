"""Who may come in by TCP: hosts that are ours, and no foreign page."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import assume, given, strategies as st

from proxy.dataplane.browser import is_browser
from proxy.dataplane.cors import NO_CORS, Cors
from proxy.dataplane.errors import BadRequest, ForwardDenied, HostDenied, OriginDenied
from proxy.dataplane.guard import Guard, check_origin, check_shared_origin
from proxy.dataplane.target import Authority, parse_authority
from proxy.upstream.origin import parse_address


GUARD = Guard(
    ["up.localhost"],
    allowed=[
        "Proxy.Example", "dotted.example.", "*.Suffix.example", "*.x.org.", "*.",
        ip_network("192.0.2.7"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"),
    ],
)  # fmt: skip

OURS = {
    "localhost": "localhost",
    "localhost with a port": "localhost:9999",
    "localhost with a trailing dot": "localhost.",
    "localhost in capitals": "LOCALHOST",
    "an IPv4 literal": "127.0.0.1:8484",
    "another address of loopback": "127.9.8.7:1",
    "loopback, mapped": "[::ffff:127.0.0.1]:8484",
    "loopback, mapped, in hexadecimal": "[::ffff:7f00:1]",
    "loopback, written out": "[0:0:0:0:0:0:0:1]:8484",
    "an address with a trailing dot": "127.0.0.1.:8484",
    "an allowed address": "192.0.2.7:8484",
    "an allowed address, mapped": "[::ffff:192.0.2.7]",
    "an address of an allowed network": "10.1.2.3",
    "an IPv6 address of an allowed network": "[fd00::9]:8484",
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
    "another machine's address": "192.0.2.8:8484",
    "another machine's IPv6 address": "[2001:db8::1]",
    "loopback, compatible (RFC 4291 2.5.5.1)": "[::127.0.0.1]",
    "loopback by NAT64": "[64:ff9b::127.0.0.1]",
    "nothing but a dot": ".",
    "two trailing dots": "localhost..",
}


UNSPECIFIED = {
    "IPv4": "0.0.0.0",
    "with a port": "0.0.0.0:8484",
    "with a trailing dot": "0.0.0.0.:8484",
    "IPv6": "[::]:8484",
    "IPv6 written out": "[0:0:0:0:0:0:0:0]",
    "IPv6 with an IPv4 tail": "[::0.0.0.0]",
    "mapped": "[::ffff:0.0.0.0]:8484",
    "mapped, in hexadecimal": "[::FFFF:0:0]",
    "mapped, written out": "[0:0:0:0:0:ffff:0000:0000]",
}
NUMBERS = {
    "zero": "0",
    "zero in hexadecimal": "0x0",
    "nothing in hexadecimal": "0x",
    "zero in octal": "00000000000",
    "few parts": "0.0",
    "with a trailing dot": "0.",
    "four parts in octal": "000.000.000.000",
    "mixed": "0x0.0",
    "loopback with few parts": "127.1",
    "loopback as one number": "2130706433",
    "loopback in hexadecimal": "0X7F.1",
    "loopback in octal": "0177.0.0.1",
    "a name that ends in a number": "evil.com.1",
}


@pytest.mark.parametrize("any_name", [False, True])
@pytest.mark.parametrize(
    "allowed", [[], [ip_network("0.0.0.0/0"), ip_network("::/0")]], ids=["", "all"]
)
@pytest.mark.parametrize("text", UNSPECIFIED.values(), ids=UNSPECIFIED)
def test_unspecified_addresses_are_never_ours(text, allowed, any_name):
    """Browsers take them for loopback, and guard them less: whatever else is accepted."""
    guard = Guard([], allowed, any_name=any_name)
    local = str(parse_address(parse_authority(text).host))
    for at in ("", "127.0.0.1", local):
        with pytest.raises(HostDenied, match="unspecified"):
            guard.admit(text, guarded=True, local=at)
        with pytest.raises(ForwardDenied):
            guard.admit_absolute(text, None, scheme="http", local="")


@pytest.mark.parametrize("any_name", [False, True])
@pytest.mark.parametrize("text", NUMBERS.values(), ids=NUMBERS)
def test_no_other_spelling_of_an_address_is_a_name(text, any_name):
    """No name ends in a number (WHATWG URL 3.5), so nobody means one by it."""
    with pytest.raises(HostDenied):
        Guard([], any_name=any_name).admit(text, guarded=True)


@given(st.ip_addresses())
def test_an_address_is_ours_where_the_connection_came_in_on_it(address):
    """And on no other connection: what was accepted once is not remembered for those."""
    assume(not (address.is_loopback or address.is_unspecified))
    text = f"[{address}]:1" if address.version == 6 else f"{address}:1"
    local = str(parse_address(str(address)))
    assume(not parse_address(str(address)).is_loopback)
    assume(not parse_address(str(address)).is_unspecified)
    guard = Guard([])

    for _ in range(2):
        assert parse_authority(text) == guard.admit(text, guarded=True, local=local)
        assert guard.admit_absolute(text, None, scheme="http", local=local)
        for other in ("", "127.0.0.1", "192.0.2.99" if local != "192.0.2.99" else "192.0.2.98"):
            with pytest.raises(HostDenied):
                guard.admit(text, guarded=True, local=other)
            with pytest.raises(ForwardDenied):
                guard.admit_absolute(text, None, scheme="http", local=other)


@pytest.mark.parametrize("text", ["[127.0.0.1]", "[::1.]", "[1:2]", "[:]", "[fe80::1%25eth0]"])
def test_brackets_are_around_an_ipv6_address(text):
    """Whatever else they hold has no reading."""
    with pytest.raises(BadRequest):
        Guard([], any_name=True).admit(text, guarded=True)


def test_a_gateway_is_called_by_any_address():
    """A published port leads here from an address that no socket of ours has."""
    guard = Guard([], any_name=True)

    assert "192.0.2.7" == guard.admit("192.0.2.7:8484", guarded=True).host


@pytest.mark.parametrize("text", OURS.values(), ids=OURS)
def test_names_of_ours_are_admitted(text):
    """Loopback, localhost, hosts of routes and `allow_hosts`; ports and one dot do not count."""
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


@pytest.mark.parametrize("site", ["", "Cross-Site", "none, none", "same-origin "])
def test_a_site_that_browsers_do_not_know_is_foreign(make_head, site):
    """None of them is a word of Fetch Metadata."""
    with pytest.raises(OriginDenied):
        check_origin(make_head((b"Sec-Fetch-Site", site.encode())).named, US)


def test_two_sites_are_foreign(make_head):
    """Nobody can say which of them counts."""
    for sites in ((b"none", b"cross-site"), (b"none", b"none")):
        head = make_head(*((b"Sec-Fetch-Site", site) for site in sites))
        with pytest.raises(OriginDenied):
            check_origin(head.named, US)


BROWSERS = {
    "a mode of pages": (b"Sec-Fetch-Mode", b"navigate"),
    "another mode of pages": (b"Sec-Fetch-Mode", b"no-cors"),
    "a destination": (b"Sec-Fetch-Dest", b"empty"),
    "a user": (b"Sec-Fetch-User", b"?1"),
    "an upgrade": (b"upgrade-insecure-requests", b"1"),
    "HTML": (b"Accept", b"text/html"),
    "HTML before others": (b"Accept", b"text/html,application/xhtml+xml,*/*;q=0.8"),
    "HTML, as text browsers": (b"Accept", b"text/html, text/*;q=0.5, image/*"),
    "HTML in capitals": (b"Accept", b"Text/HTML;q=0.9, */*;q=0.1"),
    "HTML among very much": (b"Accept", b"text/html;q=0.1, a/b," * 1000),
    "HTML as much as JSON": (b"Accept", b"application/json, text/html"),
    "a browser's agent": (
        b"User-Agent",
        b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0",
    ),
    "a video on iOS": (b"User-Agent", b"AppleCoreMedia/1.0.0.8C148 (iPhone; U; CPU OS 4_2_1)"),
    "a video on Android": (b"User-Agent", b"stagefright/1.2 (Linux;Android 7.0)"),
    "an old Opera": (b"User-Agent", b"Opera/9.80 (X11; Linux x86_64) Presto/2.12.388"),
}
TOOLS = {
    "nothing": (),
    "curl": ((b"User-Agent", b"curl/8.14.1"), (b"Accept", b"*/*")),
    "requests": ((b"User-Agent", b"python-requests/2.32"), (b"Accept", b"*/*")),
    "git": ((b"User-Agent", b"git/2.47.0"), (b"Accept", b"*/*")),
    "R": (
        (b"User-Agent", b"libcurl/8.5.0 r-curl/6.0 httr/1.4.7"),
        (b"Accept", b"application/json"),
    ),
    "axios": ((b"Accept", b"application/json, text/plain, */*"), (b"User-Agent", b"axios/1.7")),
    "Node's fetch": (
        (b"accept", b"*/*"),
        (b"accept-language", b"*"),
        (b"sec-fetch-mode", b"cors"),
        (b"user-agent", b"node"),
    ),
    "Node's WebSocket": ((b"sec-fetch-mode", b"websocket"),),
    "pip": (
        (b"User-Agent", b"pip/25.0"),
        (
            b"Accept",
            (
                b"application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, "
                b"text/html; q=0.01"
            ),
        ),
    ),
    "an older pip": ((b"User-Agent", b'pip/22.0.2 {"ci":null}'), (b"Accept", b"text/html")),
    "Java": (
        (b"User-Agent", b"Java/17.0.15"),
        (b"Accept", b"text/html, image/gif, image/jpeg, */*; q=0.2"),
    ),
    "Java 8": ((b"Accept", b"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"),),
    "no HTML at all": ((b"Accept", b"text/html;q=0"),),
}


@pytest.mark.parametrize("sign", BROWSERS.values(), ids=BROWSERS)
def test_a_browser_that_does_not_say_its_site_is_foreign(make_head, sign):
    """To plain http beyond loopback browsers send no Sec-Fetch-*, whatever page has asked."""
    head = make_head(sign)

    assert is_browser(head.named)
    with pytest.raises(OriginDenied, match="Sec-Fetch-Site: none") as caught:
        check_origin(head.named, US)
    assert "`tls:`" in caught.value.cause


@pytest.mark.parametrize("fields", TOOLS.values(), ids=TOOLS)
def test_tools_are_no_browsers(make_head, fields):
    """They have no page that could drive them."""
    head = make_head(*fields)

    assert NO_CORS.nobody == check_origin(head.named, US)
    assert not check_shared_origin(head.named)


@pytest.mark.parametrize("site", [b"none", b"same-origin"])
@pytest.mark.parametrize("sign", BROWSERS.values(), ids=BROWSERS)
def test_a_browser_that_says_its_site_may_come_in(make_head, sign, site):
    """A typed address, and pages of ours."""
    named = make_head(sign, (b"Sec-Fetch-Site", site)).named

    assert NO_CORS.nobody == check_origin(named, US)


REFERERS_OURS = ["http://localhost:8484/", "https://LOCALHOST:8484/a?b=c", "http://localhost:8484"]
REFERERS_FOREIGN = [
    "http://evil.com/",
    "http://localhost/",
    "http://localhost:8485/",
    "http://localhost:8484@evil.com/",
    "http://localhost:8484.evil.com/",
    "http://evil.com/?http://localhost:8484/",
    "http://evil.com#http://localhost:8484/",
    "http://a.localhost:8484/",
    "//localhost:8484/",
    "localhost:8484",
    "about:blank",
    "javascript://localhost:8484/%0aalert(1)",
    "http://localhost:8484\\.evil.com/",
    "",
]
AGENT = (b"User-Agent", b"Mozilla/5.0")


@pytest.mark.parametrize("referer", REFERERS_OURS)
def test_a_browser_on_a_page_of_ours_may_come_in(make_head, referer):
    """Host and port of the Referer are compared as those of an Origin; it is not rewritten."""
    head = make_head(AGENT, (b"Referer", referer.encode()))

    assert NO_CORS.nobody == check_origin(head.named, US)


@pytest.mark.parametrize("referer", REFERERS_FOREIGN)
def test_a_browser_on_another_page_is_foreign(make_head, referer):
    with pytest.raises(OriginDenied):
        check_origin(make_head(AGENT, (b"Referer", referer.encode())).named, US)


def test_a_browser_on_a_page_of_ours_at_an_ipv6_address_may_come_in(make_head):
    """However the address is spelled."""
    us = parse_authority("[fd00:0:0::7]:8484")

    head = make_head(AGENT, (b"Referer", b"http://[fd00::7]:8484/x"))
    assert NO_CORS.nobody == check_origin(head.named, us)
    with pytest.raises(OriginDenied):
        check_origin(make_head(AGENT, (b"Referer", b"http://[fd00::8]:8484/x")).named, us)


def test_two_referers_are_foreign(make_head):
    """Nobody can say which of them counts."""
    fields = [(b"Referer", b"http://localhost:8484/")] * 2
    with pytest.raises(OriginDenied):
        check_origin(make_head(AGENT, *fields).named, US)


def test_a_referer_of_ours_does_not_outweigh_a_foreign_site(make_head):
    """A foreign page may have redirected; the browser knows."""
    fields = [(b"Referer", b"http://localhost:8484/"), (b"Sec-Fetch-Site", b"cross-site")]
    with pytest.raises(OriginDenied):
        check_origin(make_head(AGENT, *fields).named, US)


CAUSES = {
    "an origin": ([(b"Origin", b"https://evil.example")], "https://evil.example"),
    "an origin in capitals": ([(b"Origin", b"HTTPS://Evil.Example:443")], "https://evil.example"),
    "null": ([(b"Origin", b"null")], "Origin null"),
    "no origin": ([(b"Origin", b"http://u:hunter2@evil.example")], "(malformed)"),
    "control bytes": ([(b"Origin", b"http://a\x1b[31m.example")], "(malformed)"),
    "two": ([(b"Origin", b"http://a.example"), (b"Origin", b"http://b.example")], "more than once"),
    "a long one": ([(b"Origin", b"x://" + b"a" * 9000)], "Origin x://aaa"),
    "a site": (
        [(b"Sec-Fetch-Site", b"cross-site"), (b"Referer", b"https://wiki.example/p?t=hunter2")],
        "Sec-Fetch-Site cross-site, Referer https://wiki.example;",
    ),
    "a site that is none": ([(b"Sec-Fetch-Site", b"hunter2")], "Sec-Fetch-Site unknown;"),
}


@pytest.mark.parametrize(("fields", "told"), CAUSES.values(), ids=CAUSES)
def test_the_log_names_the_origin_and_what_to_do(make_head, fields, told):
    """Bounded, printable, no path and nothing that is no origin; the client reads none of it."""
    with pytest.raises(OriginDenied) as caught:
        check_origin(make_head(*fields).named, US)

    assert told in caught.value.cause
    assert "cors.allow_origins" in caught.value.cause
    assert "hunter2" not in caught.value.cause
    assert caught.value.cause.isprintable()
    assert 500 > len(caught.value.cause)
    assert "example" not in caught.value.detail


@pytest.mark.parametrize(
    "destination", ["document", "iframe", "frame", "object", "embed", "fencedframe"]
)
def test_pages_of_a_shared_origin_are_sandboxed(make_head, destination):
    """A page of one route would otherwise drive the others."""
    head = make_head((b"Sec-Fetch-Dest", destination.encode()))

    assert check_shared_origin(head.named) is True


@pytest.mark.parametrize("sign", [each for name, each in BROWSERS.items() if "dest" not in name])
def test_what_a_browser_may_show_is_sandboxed(make_head, sign):
    """Without Sec-Fetch-Dest nobody knows what becomes of the answer."""
    assert check_shared_origin(make_head(sign).named) is True


@pytest.mark.parametrize("destination", [None, "empty", "script", "image", "worker"])
def test_other_answers_of_a_shared_origin_are_not(make_head, destination):
    """They have no origin of their own, whoever asks."""
    fields = () if destination is None else (AGENT, (b"Sec-Fetch-Dest", destination.encode()))

    assert check_shared_origin(make_head(*fields).named) is False


def test_service_workers_of_a_shared_origin_are_refused(make_head):
    """One would stay and see the requests of every route."""
    with pytest.raises(OriginDenied, match="virtual host"):
        check_shared_origin(make_head((b"service-worker", b"script")).named)
