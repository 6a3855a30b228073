"""Texts of the file to values: durations, sizes, switches, names, headers, patterns.

Every function takes the text, returns the value and raises ValueError with what is expected; the
text is never quoted, for it may be a secret.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.characters import named, unseen
from proxy.dataplane.names import fold


# RFC 9110 5.6.2
FIELD_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
SUBPROTOCOL: Final = r"[A-Za-z0-9!#$%&'+.^_`|~-]+\*?"
ROUTE_NAME: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
CREDENTIAL_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}"
ENV_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
DURATION: Final = r"[0-9]{1,9}(?:\.[0-9]{1,6})?(?:ms|s|m|h|d)"
SMALLEST_HEAD: Final = 1024
SIZE: Final = r"[0-9]{1,15}(?:B|kB|MB|GB|KiB|MiB|GiB)?"
MODE: Final = r"(?:0o?)?[0-7]{3}"
UPGRADE: Final = "[Ww][Ee][Bb][Ss][Oo][Cc][Kk][Ee][Tt]"
PATH: Final = r"(?:/[A-Za-z0-9._~!$&'()*+,=:@-]+)+"

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {
    "": 1,
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_QUANTITY: Final = re.compile(r"([0-9.]+)([A-Za-z]*)")
_CONTROLS: Final = re.compile("[\0-\x1f\x7f]")
_SWITCH: Final = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}

# Framing and hop-by-hop fields belong to the connection, not to a configuration (RFC 9110 7.6.1).
_CONNECTION_FIELDS: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate"}
    | {"te", "trailer", "upgrade", "http2-settings", "transfer-encoding", "content-length", "host"}
    | {"expect"}
)


def switch(text: str) -> bool:
    """Return what `true`, `on`, `yes`, `false`, `off` or `no` says, in any case."""
    value = _SWITCH.get(text.lower())
    if value is None:
        raise ValueError("must be true or false")
    return value


def echo_guard(text: str) -> bool:
    """Return what a switch says."""
    if text == "strict":
        raise ValueError("strict is not supported yet; write on or off")
    return switch(text)


def duration(text: str) -> float:
    """Return seconds for `250ms`, `5s`, `2m`, `1h`, `1d`."""
    if re.fullmatch(DURATION, text) is None:
        raise ValueError("must be a duration such as 250ms, 5s, 2m or 1h")
    number, unit = _split(text)
    return float(number) * _SECONDS[unit]


def duration_or_none(text: str) -> float | None:
    """Return seconds, or None for `none`."""
    if text == "none":
        return None
    try:
        return duration(text)
    except ValueError:
        raise ValueError("must be a duration such as 250ms, 5s or 2m, or none") from None


def timeout(text: str) -> float | None:
    """Return seconds above 0, or None for `none`: a limit of 0 would stop every request."""
    value = duration_or_none(text)
    if value == 0:
        raise ValueError("must be longer than 0; write none for no limit")
    return value


def size(text: str) -> int:
    """Return bytes for `512`, `64KiB`, `10MB` (1 MB is 1,000,000)."""
    if re.fullmatch(SIZE, text) is None:
        raise ValueError("must be a size such as 64KiB, 10MiB or 512")
    number, unit = _split(text)
    return int(number) * _BYTES[unit]


def count(text: str) -> int:
    """Return a number from 1 up."""
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) == 0:
        raise ValueError("must be a number from 1 up")
    return int(text)


def count_or_none(text: str) -> int | None:
    """Return a number from 1 up, or None for `none`."""
    if text == "none":
        return None
    try:
        return count(text)
    except ValueError:
        raise ValueError("must be a number from 1 up, or none") from None


def size_of_head(text: str) -> int:
    """Return bytes, enough of them for an ordinary request."""
    value = size(text)
    if value < SMALLEST_HEAD:
        raise ValueError(f"must be at least {SMALLEST_HEAD} bytes: ordinary requests have so many")
    return value


def size_or_none(text: str) -> int | None:
    """Return bytes, or None for `none`."""
    if text == "none":
        return None
    try:
        return size(text)
    except ValueError:
        raise ValueError("must be a size such as 64KiB, 10MiB or 512, or none") from None


def _split(text: str) -> tuple[str, str]:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise AssertionError
    return match[1], match[2]


def mode(text: str) -> int:
    """Return the permission bits of a socket for octal `0600`."""
    if re.fullmatch(MODE, text) is None:
        raise ValueError('must be octal permission bits such as "0600" or "0660"')
    return int(text[-3:], 8)


def route_name(text: str) -> str:
    """Return a name that can be a host label (RFC 1123 2.1) and a path segment."""
    if re.fullmatch(ROUTE_NAME, text) is None:
        raise ValueError(
            "a route's name is a host label: 1 to 63 lower-case letters, digits and -, "
            "no - at either end"
        )
    return text


def credential_name(text: str) -> str:
    """Return the name of an entry of `credentials:`."""
    if text == "none" or re.fullmatch(CREDENTIAL_NAME, text) is None:
        raise ValueError("a credential's name is letters, digits, _, . and -, and not none")
    return text


def env_name(text: str) -> str:
    """Return the name of an environment variable."""
    if re.fullmatch(ENV_NAME, text) is None:
        raise ValueError("must be the name of an environment variable, not its value")
    return text


def text(text: str) -> str:
    """Return a text of at least one character and no control characters."""
    if not text or _CONTROLS.search(text):
        raise ValueError("must be a text without control characters")
    return text


def user_name(text: str) -> str:
    """Return the user of Basic authentication (RFC 7617 2: no colon, no controls)."""
    if ":" in text:
        raise ValueError("must not hold a colon (RFC 7617)")
    return header_value(text)


def header_name(text: str) -> str:
    """Return a field name (RFC 9110 5.1)."""
    if re.fullmatch(FIELD_NAME, text) is None:
        raise ValueError("must be a header name: letters, digits and - (RFC 9110)")
    return text


def subprotocol(text: str) -> str:
    """Return a WebSocket subprotocol (RFC 6455 11.3.4), or how some begin and `*`."""
    if re.fullmatch(SUBPROTOCOL, text) is None:
        raise ValueError("must be the name of a subprotocol, or how some begin and *: `prefix.*`")
    return text


def settable_header(text: str) -> str:
    """Return a field name that a configuration may set."""
    if fold(header_name(text)) == "host":
        raise ValueError("cannot be set here; say `upstream_host:` on the route")
    if fold(header_name(text)) in _CONNECTION_FIELDS:
        raise ValueError("belongs to the connection and cannot be set; choose another header")
    return text


def header_value(text: str) -> str:
    """Return a field value (RFC 9110 5.5), to be sent as UTF-8: one line, no controls but tab."""
    stray = unseen(text.replace("\t", " "))
    if stray is not None:
        raise ValueError(f"must be one line of UTF-8 that can be seen; it holds {named(stray[0])}")
    if text != text.strip():
        raise ValueError("must not begin or end with a space; receivers drop it (RFC 9110 5.5)")
    return text


def header_format(text: str) -> str:
    """Return a field value with the place of the secret in it."""
    if text.count("{secret}") != 1:
        raise ValueError('must hold {secret} exactly once, as in "token {secret}"')
    return header_value(text)


def query_name(text: str) -> str:
    """Return a query parameter's name that needs no escape (RFC 3986 2.3)."""
    if re.fullmatch(r"[A-Za-z0-9_.~-]+", text) is None:
        raise ValueError("must be a parameter's name: letters, digits, _, ., ~ and -")
    return text


def method(text: str) -> str:
    """Return a method that a route can allow (RFC 9110 9.1: a token, case counts)."""
    if re.fullmatch(FIELD_NAME, text) is None or text != text.upper():
        raise ValueError("must be a method such as GET or POST, in capitals")
    if text in {"TRACE", "CONNECT"}:
        raise ValueError("TRACE and CONNECT never pass a route; leave them out")
    return text


def upgrade(text: str) -> str:
    """Return the name of a protocol that can be tunnelled, in lower case."""
    if re.fullmatch(UPGRADE, text) is None:
        raise ValueError("must be websocket; no other protocol is supported yet")
    return text.lower()


def mount_path(text: str) -> str | None:
    """Return a route's path prefix, None for `false`."""
    if _SWITCH.get(text.lower()) is False:
        return None
    if re.fullmatch(PATH, text) is None:
        raise ValueError(
            "must begin with / and be plain segments such as /api, with no / at the end, "
            "no %, ; or spaces; or false for no path"
        )
    if any(segment in {".", ".."} for segment in text.split("/")):
        raise ValueError("must not hold . or .. segments")
    if text.lower() == "/_keybearer" or text.lower().startswith("/_keybearer/"):
        raise ValueError("/_keybearer is the proxy's own; choose another path")
    return text


def path_pattern(text: str) -> str:
    """Return a rule's path: `*` stands for one segment, `**` for any number."""
    if not text.startswith("/"):
        raise ValueError("must begin with /")
    if _CONTROLS.search(text) or any(char in "%?#;\\" for char in text):
        raise ValueError("must be a decoded path: no %, ?, #, ; or \\, for none is compared")
    segments = text.split("/")
    if any("*" in segment and segment not in {"*", "**"} for segment in segments):
        raise ValueError("* and ** stand for whole segments, as in /api/*/files or /api/**")
    if any(segment in {".", ".."} for segment in segments):
        raise ValueError("must not hold . or .. segments")
    return text
