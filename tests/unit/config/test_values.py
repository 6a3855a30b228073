"""Every text form of `proxy.config.values` and `proxy.config.addresses`, a row each."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from proxy.config import addresses, values
from proxy.config.addresses import TcpAddress, UnixAddress


ACCEPTED = [
    (values.switch, "true", True),
    (values.switch, "On", True),
    (values.switch, "yes", True),
    (values.switch, "off", False),
    (values.switch, "NO", False),
    (values.duration, "250ms", 0.25),
    (values.duration, "5s", 5.0),
    (values.duration, "1.5m", 90.0),
    (values.duration, "2h", 7200.0),
    (values.duration, "1d", 86400.0),
    (values.duration_or_none, "none", None),
    (values.duration_or_none, "0s", 0.0),
    (values.timeout, "none", None),
    (values.size, "512", 512),
    (values.size, "512B", 512),
    (values.size, "64KiB", 65536),
    (values.size, "10MB", 10_000_000),
    (values.size_or_none, "none", None),
    (values.mode, "0600", 0o600),
    (values.mode, "660", 0o660),
    (values.mode, "0o640", 0o640),
    (values.route_name, "microreact-2", "microreact-2"),
    (values.env_name, "_TOKEN2", "_TOKEN2"),
    (values.header_value, "a\tb \xe9", "a\tb \xe9"),
    (values.header_value, "€ пароль 🔑", "€ пароль 🔑"),
    (values.user_name, "пользователь", "пользователь"),
    (values.header_format, "token {secret}", "token {secret}"),
    (values.method, "PROPFIND", "PROPFIND"),
    (values.mount_path, "/api/v2", "/api/v2"),
    (values.mount_path, "false", None),
    (values.mount_path, "/_keybearers", "/_keybearers"),
    (values.path_pattern, "/api/*/files/**", "/api/*/files/**"),
    (values.user_name, "", ""),
    (addresses.host_name, "API.Example.org.", "api.example.org"),
    (addresses.allowed_host, "*.example.org", "*.example.org"),
    (addresses.allowed_host, "KB.lan.", "kb.lan"),
    (addresses.allowed_host, "192.0.2.7", ip_network("192.0.2.7/32")),
    (addresses.allowed_host, "10.0.0.0/8", ip_network("10.0.0.0/8")),
    (addresses.allowed_host, "fd00::/8", ip_network("fd00::/8")),
    (addresses.allowed_host, "[fd00::7]", ip_network("fd00::7/128")),
    (addresses.allowed_host, "::ffff:192.0.2.7", ip_network("192.0.2.7/32")),
    (addresses.allowed_host, "0.0.0.0/0", ip_network("0.0.0.0/0")),
    (addresses.web_origin, "HTTPS://App.Example.org:443/", "https://app.example.org"),
    (addresses.web_origin, "http://[0:0::1]:3000", "http://[::1]:3000"),
    (addresses.web_origin, "http://localhost:80", "http://localhost"),
    (addresses.web_origin, "chrome-extension://abcdef", "chrome-extension://abcdef"),
    (addresses.network, "10.0.0.0/8", ip_network("10.0.0.0/8")),
    (addresses.network, "::1", ip_network("::1/128")),
    (addresses.network, "::ffff:10.0.0.0/104", ip_network("10.0.0.0/8")),
    (addresses.network, "::ffff:192.0.2.1", ip_network("192.0.2.1/32")),
    (addresses.network, "::/0", ip_network("::/0")),
    (addresses.trusted_proxy, "::ffff:0:0/96", ip_network("0.0.0.0/0")),
    (addresses.trusted_proxy, "unix", "unix"),
    (addresses.upstream_host, "client", "client"),
    (addresses.upstream_host, "Up.example:8443", "Up.example:8443"),
    (addresses.upstream_host, "[::1]:81", "[::1]:81"),
]


@pytest.mark.parametrize(("read", "text", "expected"), ACCEPTED)
def test_a_text_is_read(read, text, expected):
    """A form that the documents name gives its value."""
    actual = read(text)

    assert expected == actual


REFUSED = [
    (addresses.web_origin, "*"),
    (addresses.web_origin, "null"),
    (addresses.web_origin, "https://*.example.org"),
    (addresses.web_origin, "app.example.org"),
    (addresses.web_origin, "https://app.example.org/x"),
    (addresses.web_origin, "https://app.example.org//"),
    (addresses.web_origin, "https://app.example.org?"),
    (addresses.web_origin, "https://user@app.example.org"),
    (addresses.web_origin, "https://app.example.org:0"),
    (addresses.web_origin, "https://a.example, https://b.example"),
    (addresses.web_origin, "https://b\xfccher.example"),
    (addresses.web_origin, "file:///"),
    (addresses.web_origin, ""),
    (values.switch, "1"),
    (values.switch, ""),
    (values.duration, "5"),
    (values.duration, "none"),
    (values.duration, "-5s"),
    (values.duration, "5 s"),
    (values.duration, "1h30m"),
    (values.duration, "\u0665s"),
    (values.timeout, "0s"),
    (values.size, "64kib"),
    (values.size, "1.5MiB"),
    (values.size, "-1"),
    (values.mode, "0800"),
    (values.mode, "4755"),
    (values.route_name, "Microreact"),
    (values.route_name, "-a"),
    (values.route_name, "a.b"),
    (values.route_name, "a" * 64),
    (values.credential_name, "none"),
    (values.credential_name, "a b"),
    (values.env_name, "eyJhbGciOi.J9"),
    (values.text, ""),
    (values.text, "a\nb"),
    (values.user_name, "a:b"),
    (values.header_name, "X Key"),
    (values.header_name, ""),
    (values.settable_header, "Host"),
    (values.settable_header, "content_length"),
    (values.settable_header, "Transfer-Encoding"),
    (values.settable_header, "Connection"),
    (values.header_value, "a\r\nX: b"),
    (values.header_value, "a\0"),
    (values.header_value, "a\u200bb"),
    (values.header_value, "\xa0"),
    (values.header_value, "not UTF-8: \udcff"),
    (values.user_name, "m\xadller"),
    (values.header_value, " a"),
    (values.header_format, "token"),
    (values.header_format, "{secret}{secret}"),
    (values.query_name, "a&b"),
    (values.method, "get"),
    (values.method, "G T"),
    (values.method, "TRACE"),
    (values.method, "CONNECT"),
    (values.mount_path, "/"),
    (values.mount_path, "api"),
    (values.mount_path, "/api/"),
    (values.mount_path, "/a//b"),
    (values.mount_path, "/a/../b"),
    (values.mount_path, "/a%2fb"),
    (values.mount_path, "/a;b"),
    (values.mount_path, "/_keybearer"),
    (values.mount_path, "/_KeyBearer/x"),
    (values.path_pattern, "api"),
    (values.path_pattern, "/api*"),
    (values.path_pattern, "/a%20b"),
    (values.path_pattern, "/a?b"),
    (values.path_pattern, "/a/./b"),
    (addresses.host_name, "example.org:80"),
    (addresses.host_name, "127.0.0.1"),
    (addresses.host_name, "bücher.example"),
    (addresses.host_name, ""),
    (addresses.route_host, "localhost"),
    (addresses.allowed_host, "a.*.org"),
    (addresses.allowed_host, "*"),
    (addresses.allowed_host, "0.0.0.0"),
    (addresses.allowed_host, "0.0.0.0/32"),
    (addresses.allowed_host, "::"),
    (addresses.allowed_host, "[::]"),
    (addresses.allowed_host, "::ffff:0.0.0.0"),
    (addresses.allowed_host, "10.0.0.1/8"),
    (addresses.allowed_host, "127.1"),
    (addresses.allowed_host, "2130706433"),
    (addresses.allowed_host, "0x7f.1"),
    (addresses.allowed_host, "0x7f000001"),
    (addresses.allowed_host, "192.0.2.7:8484"),
    (addresses.allowed_host, "[fd00::7]:8484"),
    (addresses.allowed_host, "kb.lan:8484"),
    (addresses.allowed_host, "fe80::1%eth0"),
    (addresses.allowed_host, "*.0.0.1"),
    (addresses.network, "10.0.0.1/8"),
    (addresses.network, "example.org"),
]


@pytest.mark.parametrize(("read", "text"), REFUSED)
def test_a_text_is_refused(read, text):
    """What no document names is an error."""
    with pytest.raises(ValueError):
        read(text)


@pytest.mark.parametrize("read", dict.fromkeys(read for read, _ in REFUSED))
def test_an_error_does_not_quote_the_text(read):
    """For the text may be a secret that was put into the wrong place."""
    with pytest.raises(ValueError) as caught:
        read("hunter2 ${x} €\0")

    assert "hunter2" not in str(caught.value)


def listen(text, base):
    """Return an address, of which a test knows the kind."""
    address: Any = addresses.listen_address(text, base)
    return address


LISTEN = [
    ("127.0.0.1:8484", TcpAddress("127.0.0.1", 8484), True),
    ("[::1]:0", TcpAddress("::1", 0), True),
    ("[0:0::1]:80", TcpAddress("::1", 80), True),
    ("[::ffff:127.0.0.1]:80", TcpAddress("127.0.0.1", 80), True),
    ("LocalHost:8484", TcpAddress("localhost", 8484), True),
    ("0.0.0.0:8484", TcpAddress("0.0.0.0", 8484), False),
    ("[::]:8484", TcpAddress("::", 8484), False),
    ("192.0.2.1:65535", TcpAddress("192.0.2.1", 65535), False),
]


@pytest.mark.parametrize(("text", "expected", "loopback"), LISTEN)
def test_a_tcp_address_is_read(text, expected, loopback):
    """Addresses keep their meaning, and know whether others can reach them."""
    actual = listen(text, Path("/base"))

    assert (expected, loopback) == (actual, actual.is_loopback)


@pytest.mark.parametrize(
    ("text", "expected"), [("unix:kb.sock", "/base/kb.sock"), ("unix:/run/kb.sock", "/run/kb.sock")]
)
def test_a_socket_path_is_made_absolute(text, expected):
    """A relative socket lies beside the configuration file."""
    actual = listen(text, Path("/base"))

    assert UnixAddress(Path(expected)) == actual


@pytest.mark.parametrize(
    "text",
    [
        *("8484", ":8484", "example.org:80", "127.0.0.1", "127.0.0.1:65536", "127.1:80", "::1:80"),
        *("[127.0.0.1]:80", "unix:", "unix:@kb", "unix:~/kb", f"unix:/{'a' * 120}", "unix:a\0b"),
        "",
    ],
)
def test_an_address_is_refused(text):
    """Whatever cannot be listened on exactly as written is an error."""
    with pytest.raises(ValueError):
        listen(text, Path("/base"))


OVERLAPS = [
    ("127.0.0.1:80", "127.0.0.1:80", True),
    ("127.0.0.1:80", "127.0.0.1:81", False),
    ("localhost:80", "[::1]:80", True),
    ("0.0.0.0:80", "127.0.0.1:80", True),
    ("0.0.0.0:80", "localhost:80", True),
    ("0.0.0.0:80", "[::]:80", False),
    ("[::]:80", "127.0.0.1:80", False),
    ("127.0.0.1:0", "127.0.0.1:0", False),
]


@pytest.mark.parametrize(("one", "two", "expected"), OVERLAPS)
def test_addresses_that_cannot_both_be_listened_on_overlap(one, two, expected):
    """Both orders agree; a port of 0 is never the same port."""
    first, second = (listen(text, Path("/")) for text in (one, two))

    assert (expected, expected) == (first.overlaps(second), second.overlaps(first))


SERVES = [
    ("localhost:80", "127.0.0.1", True),
    ("127.0.0.1:80", "x.localhost", True),
    ("0.0.0.0:80", "127.0.0.1", True),
    ("0.0.0.0:80", "0.0.0.0", True),
    ("0.0.0.0:80", "10.0.0.9", False),
    ("0.0.0.0:80", "example.org", False),
    ("10.0.0.9:80", "10.0.0.9", True),
    ("[::1]:80", "127.0.0.1", False),
]


@pytest.mark.parametrize(("text", "host", "expected"), SERVES)
def test_an_upstream_that_is_ourselves_is_known(text, host, expected):
    """Loopback names and wildcards count, another machine's equal port does not."""
    actual = addresses.serves(listen(text, Path("/")), host, 80)

    assert expected == actual


def test_home_is_not_guessed():
    """`~` in a path is an error that says what to write."""
    with pytest.raises(ValueError, match="HOME"):
        addresses.file_path("~/token", Path("/base"))
