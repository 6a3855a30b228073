"""Rows 56 and 57: clients that stop in the middle."""

from __future__ import annotations

from typing import Final

from tests.integration.rig.upstream import OK
from tests.integration.wire.case import (
    CL5,
    CLOSED,
    CUT,
    END,
    GET,
    KEY,
    POST,
    TE,
    UP_GET,
    UP_POST,
    Case,
    OneOf,
    Ours,
    Until,
)


SHORT: Final = {"timeouts": dict.fromkeys(("head", "body", "write", "keepalive"), "300ms")}
LATE: Final = Ours(408, "head-timeout")
QUIETLY: Final = OneOf((LATE, ()))
STALLED: Final = OneOf((Ours(408, None), ()))

CASES: Final = [
    Case("connected and silent: closed, with or without a word, as HAProxy and nginx do", 56, (), answer=QUIETLY, after=CLOSED, behind=b"", config=SHORT),
    Case("an empty line and silence", 56, b"\r\n", answer=QUIETLY, after=CLOSED, behind=b"", config=SHORT),
    Case("half a request line", 56, b"GET /api/SPOOR", answer=LATE, behind=b"", config=SHORT),
    Case("half a head", 56, GET, answer=LATE, behind=b"", config=SHORT),
    Case("half a head in two segments", 56, (GET, b"X-A: SPOOR"), answer=LATE, behind=b"", config=SHORT),
    Case("half a second head", 56, (GET + END, Until(b"ok"), GET), UP_GET + KEY, (OK, LATE), behind=b"", config=SHORT),
    Case("half a second head behind a request", 56, GET + END + GET, UP_GET + KEY, (OK, LATE), behind=b"", config=SHORT),
    Case("idle behind an answer: closed without a word, as everybody does", 56, GET + END, UP_GET + KEY, OK, behind=b"", config=SHORT),
    Case("a body of a length that stops", 57, POST + CL5 + b"\r\nhel", UP_POST + CL5 + KEY + b"hel", STALLED, CUT, behind=b"", config=SHORT),
    Case("a body of a length that never begins", 57, POST + CL5 + END, UP_POST + CL5 + KEY, STALLED, CUT, behind=b"", config=SHORT),
    Case("a body in chunks that stops", 57, POST + TE + b"\r\n5\r\nhel", UP_POST + TE + KEY + b"3\r\nhel\r\n", STALLED, CUT, behind=b"", config=SHORT),
    Case("a body in chunks that stops before its end", 57, POST + TE + b"\r\n5\r\nhello\r\n", UP_POST + TE + KEY + b"5\r\nhello\r\n", STALLED, CUT, behind=b"", config=SHORT),
]  # fmt: skip
