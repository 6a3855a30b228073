"""An origin: scheme, host and port, and nothing else."""

from __future__ import annotations

import pytest

from proxy.upstream.origin import Origin


GOOD = {
    "https": ("https://api.example.org", ("https", "api.example.org", 443), "api.example.org"),
    "http": ("http://api.example.org", ("http", "api.example.org", 80), "api.example.org"),
    "a port": ("http://h:8080", ("http", "h", 8080), "h:8080"),
    "a default port": ("https://h:443", ("https", "h", 443), "h"),
    "the other default port": ("http://h:443", ("http", "h", 443), "h:443"),
    "capitals": ("HTTPS://API.Example.ORG", ("https", "api.example.org", 443), "api.example.org"),
    "a trailing dot": ("https://h.example.", ("https", "h.example", 443), "h.example"),
    "a trailing slash": ("https://h/", ("https", "h", 443), "h"),
    "spaces around": (" https://h ", ("https", "h", 443), "h"),
    "an address": ("http://127.0.0.1:1", ("http", "127.0.0.1", 1), "127.0.0.1:1"),
    "an IPv6 address": ("http://[0:0::1]:81", ("http", "::1", 81), "[::1]:81"),
    "a mapped address": ("http://[::ffff:127.0.0.1]:1", ("http", "127.0.0.1", 1), "127.0.0.1:1"),
    "a mapped address in hex": ("http://[::FFFF:7f00:1]", ("http", "127.0.0.1", 80), "127.0.0.1"),
    "a zone": ("http://[FE80::1%Eth0]:81", ("http", "fe80::1%Eth0", 81), "[fe80::1]:81"),
    "a zone as URLs have it": ("http://[fe80::1%25en1]", ("http", "fe80::1%en1", 80), "[fe80::1]"),
    "an underscore": ("http://my_service", ("http", "my_service", 80), "my_service"),
}
BAD = {
    "nothing": "",
    "no scheme": "h.example",
    "no slashes": "https:h",
    "another scheme": "ftp://h",
    "no host": "https://",
    "a path": "https://h/api",
    "a query": "https://h?a=b",
    "a fragment": "https://h#a",
    "a user": "https://s3cret@h",
    "a user and password": "https://u:s3cret@h",
    "a port that is no number": "https://h:s3cret",
    "a port of 0": "https://h:0",
    "a port too large": "https://h:65536",
    "digits that are not ASCII": "https://h:\u0661",
    "an empty port": "https://h:",
    "a space in the host": "https://a b",
    "a line break in the host": "https://a\nb",
    "an empty label": "https://a..b",
    "a host beyond ASCII": "https://\xfc.example",
    "a host too long": "https://" + "a." * 127 + "b",
    "brackets around a name": "https://[h]",
    "brackets around an IPv4 address": "https://[127.0.0.1]",
    "a percent sign": "https://a%2eb",
    "an IPv4 address of two numbers": "http://127.1",
    "an IPv4 address of one number": "http://2130706433",
    "an IPv4 address in hex": "http://0x7f.0.0.0x1",
    "an IPv4 address in octal": "http://0177.0.0.1",
    "a number at the end": "http://host.1",
}


@pytest.mark.parametrize(("text", "parts", "authority"), GOOD.values(), ids=GOOD)
def test_origins_are_read(text, parts, authority):
    """The port is filled in, and left out of `Host` where it is the default."""
    origin = Origin.parse(text)

    assert parts == (origin.scheme, origin.host, origin.port)
    assert (authority, f"{parts[0]}://{authority}") == (origin.authority, str(origin))


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_more_or_less_than_an_origin_is_refused(text):
    """The message does not quote the text, which may hold a password."""
    with pytest.raises(ValueError, match=r"^(must|has) ") as caught:
        Origin.parse(text)

    assert "s3cret" not in str(caught.value)


def test_a_path_is_told_where_it_belongs():
    """The most likely mistake."""
    with pytest.raises(ValueError, match="client's base URL"):
        Origin.parse("https://zenodo.org/api")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("localhost.example", False),
        ("notlocalhost", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback_is_told(host, loopback):
    """Only there nothing leaves this machine (RFC 6761 6.3)."""
    assert loopback is Origin.parse(f"http://{host}").is_loopback
