"""Subjects of certificates: as `cryptography` writes them, and taken apart in one way only."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given, strategies as st

from proxy.config.subjects import subject as normalised
from proxy.dataplane.certificate import rfc4514


# As OpenSSL calls them.
NAMES = {
    "commonName": NameOID.COMMON_NAME,
    "localityName": NameOID.LOCALITY_NAME,
    "stateOrProvinceName": NameOID.STATE_OR_PROVINCE_NAME,
    "organizationName": NameOID.ORGANIZATION_NAME,
    "organizationalUnitName": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "streetAddress": NameOID.STREET_ADDRESS,
    "domainComponent": NameOID.DOMAIN_COMPONENT,
    "userId": NameOID.USER_ID,
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "surname": NameOID.SURNAME,
    "givenName": NameOID.GIVEN_NAME,
    "title": NameOID.TITLE,
    "pseudonym": NameOID.PSEUDONYM,
    "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
    "businessCategory": NameOID.BUSINESS_CATEGORY,
    "postalCode": NameOID.POSTAL_CODE,
    "1.3.6.1.4.1.99999.7": x509.ObjectIdentifier("1.3.6.1.4.1.99999.7"),
}
VALUES = st.text(
    st.one_of(
        st.sampled_from(' \\"+,;<>=#\0'),
        st.characters(exclude_categories=["Cs"]),
    ),
    min_size=1,
    max_size=12,
)
PAIRS = st.tuples(st.sampled_from(sorted(NAMES)), VALUES)
PARTS = st.lists(PAIRS, min_size=1, max_size=3, unique_by=lambda pair: pair[0])
SUBJECTS = st.lists(PARTS, max_size=5)


def foreign(subject):
    """Return a subject as `cryptography` has it."""
    return x509.Name(
        [
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(NAMES[name], value) for name, value in part]
            )
            for part in subject
        ]
    )


@given(SUBJECTS)
def test_it_is_what_cryptography_writes(subject):
    """Byte for byte."""
    assert foreign(subject).rfc4514_string() == rfc4514(subject)


@given(SUBJECTS, SUBJECTS)
def test_two_subjects_are_never_one_text(one, two):
    """Else one client could be taken for another."""
    assert (one == two) == (rfc4514(one) == rfc4514(two))


PRINTABLE = st.text(
    st.one_of(st.sampled_from(' \\"+,;<>=#'), st.characters(exclude_categories=["Cs", "Cc"])),
    min_size=1,
    max_size=12,
)


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(sorted(NAMES)), PRINTABLE),
            min_size=1,
            max_size=2,
            unique_by=lambda pair: pair[0],
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_configuration_spells_it_alike(subject):
    """What is written in the file is compared with it as a text."""
    assert rfc4514(subject) == normalised(rfc4514(subject))
