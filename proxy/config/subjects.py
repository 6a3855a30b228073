"""Subjects of certificates (RFC 4514) in one spelling, so that they can be compared as texts."""

from __future__ import annotations

import re
from typing import Final


# Short names as RFC 4514 3 has them; what has none there is its number, in capitals or not.
_TYPES: Final = {
    "COMMONNAME": "CN",
    "LOCALITYNAME": "L",
    "STATEORPROVINCENAME": "ST",
    "ORGANIZATIONNAME": "O",
    "ORGANIZATIONALUNITNAME": "OU",
    "COUNTRYNAME": "C",
    "STREETADDRESS": "STREET",
    "DOMAINCOMPONENT": "DC",
    "USERID": "UID",
    "EMAILADDRESS": "1.2.840.113549.1.9.1",
    "SERIALNUMBER": "2.5.4.5",
    "SURNAME": "2.5.4.4",
    "SN": "2.5.4.4",
    "GIVENNAME": "2.5.4.42",
    "GN": "2.5.4.42",
    "TITLE": "2.5.4.12",
    "2.5.4.3": "CN",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.9": "STREET",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}
_SHORT: Final = frozenset({"CN", "L", "ST", "O", "OU", "C", "STREET", "DC", "UID"})
_PART: Final = re.compile(
    r" *(?P<type>[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+) *= *(?!#)"
    r'(?P<value>(?:\\[0-9A-Fa-f]{2}|\\[ "#+,;<=>\\]|[^\0-\x1f\x7f"+,;<>\\])+)(?P<end>[,+]|\Z)'
)
_ESCAPE: Final = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)
_SPECIAL: Final = re.compile(r'[\\"+,;<>]')
_ADVICE: Final = (
    "must be the subject as `openssl x509 -noout -subject -nameopt RFC2253` prints it, such as "
    "CN=build01,O=Example"
)


def subject(text: str) -> str:
    """Return a subject in the spelling that `cryptography` gives it, last part first.

    Raises:
        ValueError: it is none; the text is not quoted.
    """
    parts: list[str] = []
    position = 0
    end = ","
    while end:
        match = _PART.match(text, position)
        if match is None:
            raise ValueError(_ADVICE)
        end = match["end"]
        parts.append(f"{_type(match['type'])}={_escaped(_value(match['value']))}{end}")
        position = match.end()
    return "".join(parts)


def _type(text: str) -> str:
    name = text.upper()
    if name in _SHORT or name in _TYPES:
        return _TYPES.get(name, name)
    if name[0].isdigit():
        return name
    raise ValueError("has a part other than CN, O, OU, L, ST, C, STREET, DC and UID; write its OID")


def _value(text: str) -> str:
    """Return the text behind the escapes; spaces at its end count only if escaped."""
    bare = text.rstrip(" ")
    backslashes = len(bare) - len(bare.rstrip("\\"))
    if backslashes % 2:
        bare += " "
    try:
        return _ESCAPE.sub(_unescaped, bare)
    except UnicodeDecodeError:
        raise ValueError(_ADVICE) from None


def _unescaped(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[2]
    return bytes.fromhex(match[1].replace("\\", "")).decode("utf-8")


def _escaped(value: str) -> str:
    # RFC 4514 2.4
    text = _SPECIAL.sub(lambda match: f"\\{match[0]}", value).replace("\0", "\\00")
    if text.startswith(("#", " ")):
        text = f"\\{text}"
    return f"{text[:-1]}\\ " if text.endswith(" ") and len(value) > 1 else text
