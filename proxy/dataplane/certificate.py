"""The subject of a client's certificate as one text, by which a client of the file is found."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Subject = Iterable[Iterable[tuple[str, str]]]

# OpenSSL's long names. RFC 4514 2.3: the short name where section 3 has one, else the number, for
# other short names mean other things to other programs.
_TYPES: Final = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
    "emailAddress": "1.2.840.113549.1.9.1",
    "unstructuredName": "1.2.840.113549.1.9.2",
    "surname": "2.5.4.4",
    "serialNumber": "2.5.4.5",
    "title": "2.5.4.12",
    "description": "2.5.4.13",
    "businessCategory": "2.5.4.15",
    "postalAddress": "2.5.4.16",
    "postalCode": "2.5.4.17",
    "telephoneNumber": "2.5.4.20",
    "name": "2.5.4.41",
    "givenName": "2.5.4.42",
    "initials": "2.5.4.43",
    "generationQualifier": "2.5.4.44",
    "x500UniqueIdentifier": "2.5.4.45",
    "dnQualifier": "2.5.4.46",
    "pseudonym": "2.5.4.65",
    "organizationIdentifier": "2.5.4.97",
    "INN": "1.2.643.3.131.1.1",
    "OGRN": "1.2.643.100.1",
    "SNILS": "1.2.643.100.3",
    "jurisdictionLocalityName": "1.3.6.1.4.1.311.60.2.1.1",
    "jurisdictionStateOrProvinceName": "1.3.6.1.4.1.311.60.2.1.2",
    "jurisdictionCountryName": "1.3.6.1.4.1.311.60.2.1.3",
}
_ESCAPED: Final = str.maketrans({each: f"\\{each}" for each in '\\"+,;<>'} | {"\0": "\\00"})


def rfc4514(subject: Subject) -> str:
    """Return a subject as RFC 4514 writes it: the last part first, `CN=build01,O=Example`.

    Args:
        subject: as `getpeercert()` has it: parts, each of one or more pairs of type and value.
    """
    parts = ["+".join(_pair(name, value) for name, value in part) for part in subject]
    return ",".join(reversed(parts))


def _pair(name: str, value: str) -> str:
    # A type that OpenSSL has no name for comes as its number.
    return f"{_TYPES.get(name, name)}={_escaped(value)}"


def _escaped(value: str) -> str:
    """Return a value that a reader takes apart again in one way only (RFC 4514 2.4)."""
    text = value.translate(_ESCAPED)
    if text.startswith("#") or (text.startswith(" ") and len(text) > 1):
        text = f"\\{text}"
    return f"{text[:-1]}\\ " if text.endswith(" ") else text


def subject_of(certificate: Mapping[str, Any] | None) -> str | None:
    """Return the subject of a certificate that was verified; None without one, or if it is empty.

    Args:
        certificate: what `getpeercert()` returns.
    """
    subject: Sequence[Any] = () if certificate is None else certificate.get("subject", ())
    return rfc4514(subject) or None


def has_expired(certificate: Mapping[str, Any], now: float) -> bool:
    """Tell whether a certificate is no longer valid; `now` in seconds since 1970.

    OpenSSL looks at the dates when it verifies, which it does not when a session is resumed.
    """
    end = certificate.get("notAfter")
    return end is not None and ssl.cert_time_to_seconds(end) < now
