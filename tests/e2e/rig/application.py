"""A WSGI application that tells each request on stderr as a line of JSON."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final


if TYPE_CHECKING:
    from collections.abc import Callable


FOR_EVER: Final = 3600


def application(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """Answer `ok`; `/unread` leaves the body where it is, `/hang` never answers."""
    fields = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    line = f"{environ['REQUEST_METHOD']} {environ['RAW_URI']}"
    told = {"line": line, "authorization": fields.pop("HTTP_AUTHORIZATION", ""), "fields": fields}
    print(json.dumps(told, default=str), file=sys.stderr, flush=True)  # noqa: T201 -- the log
    if environ["RAW_URI"].startswith("/hang"):
        time.sleep(FOR_EVER)
    if not environ["RAW_URI"].startswith("/unread"):
        environ["wsgi.input"].read()
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]
