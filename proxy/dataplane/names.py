"""Names of fields: how they compare, and those that every request is asked for.

`istr` is text whose folded form is at hand: looking it up costs half of what plain text costs.
"""

from __future__ import annotations

from typing import Final

from multidict import istr


ACCEPT: Final = istr("Accept")
CONTENT_LENGTH: Final = istr("Content-Length")
HOST: Final = istr("Host")
ORIGIN: Final = istr("Origin")
REFERER: Final = istr("Referer")
SEC_FETCH_DEST: Final = istr("Sec-Fetch-Dest")
SEC_FETCH_MODE: Final = istr("Sec-Fetch-Mode")
SEC_FETCH_SITE: Final = istr("Sec-Fetch-Site")
SEC_FETCH_USER: Final = istr("Sec-Fetch-User")
SERVICE_WORKER: Final = istr("Service-Worker")
TRANSFER_ENCODING: Final = istr("Transfer-Encoding")
UPGRADE_INSECURE_REQUESTS: Final = istr("Upgrade-Insecure-Requests")
USER_AGENT: Final = istr("User-Agent")


def fold(name: str) -> str:
    """Return a field's name as servers that make variables of fields compare it.

    CGI and WSGI take `_` for `-`, lighttpd's CGI all that is no letter and no digit.
    """
    return name.lower().translate(_TO_DASHES)


_TO_DASHES: Final = dict.fromkeys(map(ord, "!#$%&'*+._^`|~"), "-")
