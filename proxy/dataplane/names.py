"""Names of fields that every request is asked for.

`istr` is text whose folded form is at hand: looking it up costs half of what plain text costs.
"""

from __future__ import annotations

from typing import Final

from multidict import istr


CONTENT_LENGTH: Final = istr("Content-Length")
HOST: Final = istr("Host")
ORIGIN: Final = istr("Origin")
SEC_FETCH_DEST: Final = istr("Sec-Fetch-Dest")
SEC_FETCH_SITE: Final = istr("Sec-Fetch-Site")
SERVICE_WORKER: Final = istr("Service-Worker")
TRANSFER_ENCODING: Final = istr("Transfer-Encoding")
