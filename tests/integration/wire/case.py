"""What a case of the wire table says, and the bytes that most cases are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from tests.integration.rig.proxy import BEARER
from tests.integration.rig.upstream import OK


if TYPE_CHECKING:
    from collections.abc import Mapping


class Do(Enum):
    """What an end does beside sending bytes."""

    FIN = "close, when all is sent"
    HALF = "send FIN, and go on reading"
    RST = "reset"
    PAUSE = "let the proxy read what has been sent"


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until this end has received these bytes."""

    part: bytes


@dataclass(frozen=True, slots=True)
class Arrived:
    """Wait, as the client, until an upstream has received these bytes."""

    part: bytes


Step = bytes | Do | Until | Arrived
Steps = tuple[Step, ...]


class After(Enum):
    """What becomes of the client's connection, and so of the canary behind the request."""

    KEEP = "the canary is answered"
    CLOSED = "FIN behind the answer; the canary is never taken for a request"
    EITHER = "CLOSED if the answer says `Connection: close`, else KEEP"
    CUT = "broken off: FIN or RST behind what is not a whole answer"
    RESET = "RST, for FIN would be the end of the answer"
    LEFT = "the client has left: the upstream sees it"
    TUNNEL = "it is no HTTP any more; FIN goes through"


@dataclass(frozen=True, slots=True)
class Ours:
    """An answer of the proxy's own.

    Attributes:
        status: the code.
        code: the problem's; None: any; "": it is no problem.
        fields: further lines that its head holds.
    """

    status: int
    code: str | None
    fields: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of several answers; `()` is none."""

    choice: tuple[Ours | tuple[()], ...]


@dataclass(frozen=True, slots=True)
class AnyOrder:
    """A message whose head has these lines, in any order and case."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Each:
    """What an upstream says to the first request, to the second, …."""

    scripts: tuple[bytes | Steps, ...]


Answer = bytes | AnyOrder | Ours | OneOf


@dataclass(frozen=True, slots=True)
class Case:
    """One exchange, byte for byte.

    Attributes:
        name: what it is; in it stands who is followed where neither contract nor table decides.
        row: of the table of faults and bad input.
        sent: by the client; of several steps, each of bytes is a segment of its own.
        upstream: the requests that a recording upstream gets, exactly, the canary not counted.
        answer: what the client gets, exactly; a tuple for several.
        after: what becomes of the connection.
        says: what the upstream answers to each request but the canary.
        behind: what stands in the same segment as the end of `sent`; None: the canary.
        apart: the canary is sent when everything else is over.
        early: the upstream answers when it has the head.
        to_head: the answer is one to HEAD.
        route: keys of the route.
        config: keys of the configuration.
        listener: 0 for the shared one, "api" for the route's own.
    """

    name: str
    row: int
    sent: bytes | Steps
    upstream: bytes | AnyOrder | tuple[bytes | AnyOrder, ...] = ()
    answer: Answer | tuple[Answer, ...] = ()
    after: After = After.CLOSED
    says: bytes | Steps | Each = OK
    behind: bytes | None = None
    apart: bool = False
    early: bool = False
    to_head: bool = False
    route: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    listener: int | str = 0


# The ends of a connection.

FIN, HALF, RST, PAUSE = Do.FIN, Do.HALF, Do.RST, Do.PAUSE
KEEP, CLOSED, EITHER, CUT = After.KEEP, After.CLOSED, After.EITHER, After.CUT
RESET, LEFT, TUNNEL = After.RESET, After.LEFT, After.TUNNEL

# What clients send. The mark is in all of it, and never in an answer of our own.

MARK: Final = b"SPOOR"
THEIRS: Final = b"A-KEY-OF-THE-CLIENTS-OWN"
FIELDS: Final = b"Host: localhost\r\nX-Mark: SPOOR\r\n"
GET: Final = b"GET /api/x HTTP/1.1\r\n" + FIELDS
HEAD: Final = b"HEAD /api/x HTTP/1.1\r\n" + FIELDS
POST: Final = b"POST /api/x HTTP/1.1\r\n" + FIELDS
OLD: Final = b"GET /api/x HTTP/1.0\r\n" + FIELDS
END: Final = b"\r\n"
CL5: Final = b"Content-Length: 5\r\n"
CL6: Final = b"Content-Length: 6\r\n"
TE: Final = b"Transfer-Encoding: chunked\r\n"
HELLO: Final = b"\r\nhello"
CHUNKS: Final = b"\r\n5\r\nhello\r\n0\r\n\r\n"
CLOSE: Final = b"Connection: close\r\n"

# What an upstream gets: its own authority is written `upstream`.

UP_FIELDS: Final = b"Host: upstream\r\nX-Mark: SPOOR\r\n"
UP_GET: Final = b"GET /x HTTP/1.1\r\n" + UP_FIELDS
UP_HEAD: Final = b"HEAD /x HTTP/1.1\r\n" + UP_FIELDS
UP_POST: Final = b"POST /x HTTP/1.1\r\n" + UP_FIELDS
KEY: Final = b"Authorization: " + BEARER + b"\r\n\r\n"

# What clients get.

OK_CLOSE: Final = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
BAD: Final = Ours(400, "bad-request")
TARGET: Final = Ours(400, "bad-target")
NO_ROUTE: Final = Ours(404, "no-route")
CODING: Final = Ours(501, "unsupported-coding")
METHOD: Final = Ours(501, "unsupported-method")
VERSION: Final = Ours(505, "bad-version")
BROKEN: Final = Ours(502, "upstream-protocol-error")
SLOW: Final = Ours(504, "upstream-timeout")
BAD_OR_CODING: Final = OneOf((BAD, CODING))
BAD_OR_VERSION: Final = OneOf((BAD, VERSION))
BAD_OR_METHOD: Final = OneOf((BAD, METHOD))
UNREADABLE: Final = OneOf((BAD, VERSION, METHOD))
