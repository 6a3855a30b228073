"""Every text form of `proxy.config.grants` and `proxy.config.subjects`, a row each."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.x509 import NameOID
from hypothesis import given, strategies as st

from proxy.config import grants
from proxy.config.grants import RateConfig
from proxy.config.subjects import subject
from proxy.secret import Secret


DIGEST = "0123456789abcdef" * 4
KEY = f"kb_alice_{'Ab3' * 16}x"
ACCEPTED = [
    (grants.client_name, "a", "a"),
    (grants.client_name, "ci-2-", "ci-2-"),
    (grants.client_name, "a" * 63, "a" * 63),
    (grants.key_hash, f"sha256:{DIGEST}", bytes.fromhex(DIGEST)),
    (grants.key_hash, f"sha256:{DIGEST.upper()}", bytes.fromhex(DIGEST)),
    (grants.rate_or_none, "10/second", RateConfig(10, 1)),
    (grants.rate_or_none, "120/minute", RateConfig(120, 60)),
    (grants.rate_or_none, "1000/hour", RateConfig(1000, 3600)),
    (grants.rate_or_none, "5000/day", RateConfig(5000, 86400)),
    (grants.rate_or_none, "none", None),
    (grants.end_of_day, "2027-06-30", datetime(2027, 7, 1, tzinfo=UTC).timestamp()),
    (grants.end_of_day, "2028-02-29", datetime(2028, 3, 1, tzinfo=UTC).timestamp()),
    (grants.end_of_day, "9999-12-31", 253402300800.0),
    (grants.end_of_day, "none", None),
    (grants.client_route, "microreact", "microreact"),
    (grants.key_set_url, "https://x.org/jwks", "https://x.org/jwks"),
    (grants.key_set_url, "https://x.org:8443/a?b=c", "https://x.org:8443/a?b=c"),
    (grants.key_set_url, "https://x.org?b=c", "https://x.org?b=c"),
    (grants.key_set_url, "http://127.0.0.1:80/jwks", "http://127.0.0.1:80/jwks"),
    (grants.key_set_url, "http://[::1]/jwks", "http://[::1]/jwks"),
    (grants.count_store, "memory", "memory"),
    (grants.count_store, "redis://r:6379/0", Secret("redis://r:6379/0")),
    (grants.count_store, "rediss://u:p%40@r", Secret("rediss://u:p%40@r")),
    (grants.count_store, "redis://:p@x@[::1]:6379/0", Secret("redis://:p@x@[::1]:6379/0")),
    (grants.count_store, "rediss://u:p@r/0?a=b", Secret("rediss://u:p@r/0?a=b")),
    (grants.size_of_file, "4KiB", 4096),
    (subject, "CN=build01", "CN=build01"),
    (subject, "cn = build01 , o = Example Ltd ", "CN=build01,O=Example Ltd"),
    (subject, "CN=a+OU=b,O=c", "CN=a+OU=b,O=c"),
    (subject, "commonName=a,domainComponent=b", "CN=a,DC=b"),
    (subject, "2.5.4.3=a,2.5.4.99=b", "CN=a,2.5.4.99=b"),
    (subject, "emailAddress=a@x.org,CN=a", "1.2.840.113549.1.9.1=a@x.org,CN=a"),
    (subject, r"CN=a\,b\2Cc\C3\BC=d", r"CN=a\,b\,cü=d"),
    (subject, "CN=\\ a\\ ", "CN=\\ a\\ "),
    (subject, "CN=a\\\\ ", "CN=a\\\\"),
    (subject, r"CN=\#a#", r"CN=\#a#"),
]


@pytest.mark.parametrize(("read", "text", "expected"), ACCEPTED)
def test_a_text_is_read(read, text, expected):
    """A form that the documents name gives its value."""
    actual = read(text)

    assert expected == actual


REFUSED = [
    (grants.client_name, "Alice"),
    (grants.client_name, "1a"),
    (grants.client_name, "a_b"),
    (grants.client_name, "a" * 64),
    (grants.client_name, ""),
    (grants.key_hash, DIGEST),
    (grants.key_hash, f"sha256:{DIGEST}0"),
    (grants.key_hash, f"sha256:{DIGEST[1:]}g"),
    (grants.key_hash, f"md5:{DIGEST}"),
    (grants.key_hash, KEY),
    (grants.key_hash, f"Bearer {KEY}"),
    (grants.rate_or_none, "0/second"),
    (grants.rate_or_none, "1/s"),
    (grants.rate_or_none, "120"),
    (grants.rate_or_none, "1.5/second"),
    (grants.rate_or_none, "20 per 10 minutes"),
    (grants.end_of_day, "2027-02-29"),
    (grants.end_of_day, "2027-6-3"),
    (grants.end_of_day, "20270630"),
    (grants.end_of_day, "2027-W01-1"),
    (grants.end_of_day, "0000-01-01"),
    (grants.end_of_day, "30.6.2027"),
    (grants.client_route, "*"),
    (grants.client_route, "A"),
    (grants.key_set_url, "http://x.org/jwks"),
    (grants.key_set_url, "https://u:p@x.org/jwks"),
    (grants.key_set_url, "https://x.org/a#b"),
    (grants.key_set_url, "https://x.org/a b"),
    (grants.key_set_url, "https://x.org:0/a"),
    (grants.key_set_url, "file:///etc/passwd"),
    (grants.count_store, "none"),
    (grants.count_store, "redis://"),
    (grants.count_store, "redis://:secret@"),  # redis-py would go to localhost
    (grants.count_store, "redis://r:port/0"),
    (grants.count_store, "memcached://x"),
    (grants.count_store, "redis://x/€"),
    (grants.size_of_file, "4095"),
    (grants.size_of_file, "none"),
    (subject, ""),
    (subject, "build01"),
    (subject, "/CN=build01/O=Example"),
    (subject, "CN="),
    (subject, "CN=a,"),
    (subject, "CN=a;O=b"),
    (subject, "CN=#0401"),
    (subject, "CN=a\0"),
    (subject, r"CN=a\C3"),
    (subject, "planet=mars"),
]


@pytest.mark.parametrize(("read", "text"), REFUSED)
def test_a_text_is_refused(read, text):
    """What no document names is an error."""
    with pytest.raises(ValueError):
        read(text)


@pytest.mark.parametrize("read", dict.fromkeys(read for read, _ in REFUSED))
def test_an_error_does_not_quote_the_text(read):
    """For the text may be a key that was put into the wrong place."""
    with pytest.raises(ValueError) as caught:
        read(f"hunter2 {KEY} €\0")

    assert "hunter2" not in str(caught.value)
    assert KEY[:8] not in str(caught.value)


def test_a_key_in_the_place_of_its_hash_is_told_what_to_do():
    """Not how a hash looks, but how to come by one."""
    with pytest.raises(ValueError, match=r"is a key.*keybearer keys new"):
        grants.key_hash(KEY)


@pytest.mark.parametrize("text", ["10/second", "120/minute", "7/hour", "1/day"])
def test_a_rate_is_shown_as_it_is_written(text):
    """For people who look at `check`."""
    assert text == str(grants.rate_or_none(text))


@given(st.text())
def test_any_text_is_a_subject_or_refused(text):
    """Never another exception; and what is one stays as it is when it is read again."""
    try:
        once = subject(text)
    except ValueError:
        return

    assert once == subject(once)


TYPES = st.sampled_from(
    # A country is two letters, and cryptography warns about any other.
    [oid for name, oid in vars(NameOID).items() if name[0] != "_" and "COUNTRY" not in name]
)
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=16)


@given(st.lists(st.tuples(TYPES, VALUES), min_size=1))
def test_a_subject_is_spelled_as_cryptography_does(parts):
    """So that what a listener tells of a certificate is what the file says."""
    attributes = [x509.NameAttribute(kind, value, _validate=False) for kind, value in parts]
    text = x509.Name(attributes).rfc4514_string()

    assert text == subject(text)
