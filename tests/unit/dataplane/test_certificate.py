"""The subject of a certificate, from what OpenSSL says of it."""

from __future__ import annotations

import datetime as dt
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proxy.dataplane.certificate import has_expired, rfc4514, subject_of


CASES = {
    "two parts": (
        ((("organizationName", "Example"),), (("commonName", "build01"),)),
        "CN=build01,O=Example",
    ),
    "a part of two": (
        ((("commonName", "a"), ("userId", "b")), (("countryName", "DE"),)),
        "C=DE,CN=a+UID=b",
    ),
    "escapes": ((((("commonName"), ' #a,b+c"d\\e<f>g;h=i '),),), ""),
    "a number sign": (((("commonName", "#1"),),), "CN=\\#1"),
    "NUL": (((("commonName", "good\0evil"),),), "CN=good\\00evil"),
    "e-mail": (((("emailAddress", "a@b"),),), "1.2.840.113549.1.9.1=a@b"),
    "a type without a name": (((("1.3.6.1.4.1.99999.7", "x"),),), "1.3.6.1.4.1.99999.7=x"),
}
CASES["escapes"] = (
    ((("commonName", ' #a,b+c"d\\e<f>g;h=i '),),),
    'CN=\\ #a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h=i\\ ',
)


@pytest.mark.parametrize(("subject", "text"), CASES.values(), ids=CASES)
def test_a_subject_is_written_as_rfc_4514_has_it(subject, text):
    """The last part first."""
    assert text == rfc4514(subject)


@pytest.mark.parametrize("certificate", [None, {}, {"subject": ()}])
def test_without_a_subject_there_is_none(certificate):
    """An empty text would be one that somebody could name."""
    assert subject_of(certificate) is None


def read_by_openssl(name, tmp_path):
    """Return what `getpeercert()` says of a certificate with a subject."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trustme.Blob(made.public_bytes(serialization())).write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    [read] = context.get_ca_certs()
    return read


def serialization():
    """Return how a file holds it."""
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 -- short

    return Encoding.PEM


NAMED = [
    oid
    for name, oid in sorted(vars(NameOID).items())
    if isinstance(oid, x509.ObjectIdentifier)
    # Its values are no texts.
    and oid != NameOID.X500_UNIQUE_IDENTIFIER
]


@pytest.mark.parametrize("oid", NAMED, ids=[oid.dotted_string for oid in NAMED])
def test_every_type_is_called_as_cryptography_calls_it(oid, tmp_path):
    """Through OpenSSL's own reading of a certificate."""
    value = "DE" if "ountry" in oid._name else "Example, Inc."
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "first"), x509.NameAttribute(oid, value)]
    )

    assert name.rfc4514_string() == subject_of(read_by_openssl(name, tmp_path))


def test_a_certificate_expires():
    """At the second that it names."""
    certificate = {"notAfter": "Jan  5 09:34:43 2018 GMT"}

    assert [False, True] == [has_expired(certificate, now) for now in (1515144883, 1515144884)]
    assert not has_expired({}, 0)
