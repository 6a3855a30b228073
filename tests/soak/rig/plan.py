"""What is to happen to one exchange, drawn from a seed: what is sent, and who breaks off where."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final, Literal, TypeVar


if TYPE_CHECKING:
    from collections.abc import Sequence


Framing = Literal["length", "chunked", "closing"]
Leaving = Literal["close", "reset", "finish", "stall"]
AtClient = Literal["nowhere", "before", "head", "body", "waiting", "streaming"]
AtUpstream = Literal[
    "nowhere",
    "head",
    "upload",
    "request",
    "early",
    "answer-head",
    "answer-body",
    "after",
    "surplus",
]

_Place = TypeVar("_Place", AtClient, AtUpstream)

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_METHODS: Final = ("GET", "GET", "GET", "HEAD", "DELETE", "POST", "POST", "PUT", "PUT")
_AT_CLIENT: Final[tuple[AtClient, ...]] = ("body", "before", "head", "waiting", "streaming")
_AT_UPSTREAM: Final[tuple[AtUpstream, ...]] = (
    "upload", "head", "request", "early", "answer-head", "answer-body", "after", "surplus"
)  # fmt: skip
"""The first of each is for requests with a body alone."""
_UNHARMED: Final = 0.55
"""The part of exchanges that each of both sides lets be."""
_LARGE: Final = 0.03
_LARGEST: Final = 600_000
"""More than the proxy holds of one body: the other side is made to wait."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One exchange.

    Attributes:
        number: marks every piece of it, in both directions.
        upload: the request's body.
        upload_framing: how its end is told; None: there is no body.
        download: the answer's body.
        framing: how its end is told.
        pieces: how many writes a body takes.
        at_client: where the client breaks off.
        client_leaves: how.
        at_upstream: where the upstream does.
        upstream_leaves: how.
        part: how much of what is broken off goes out before, 0..1.
        keeps: the client uses its connection again.
        patient: the client waits for its request to arrive before it leaves.
    """

    number: int
    method: str
    upload: bytes
    upload_framing: Framing | None
    download: bytes
    framing: Framing
    pieces: int
    at_client: AtClient
    client_leaves: Leaving
    at_upstream: AtUpstream
    upstream_leaves: Leaving
    part: float
    keeps: bool
    patient: bool

    @property
    def innocent(self) -> bool:
        """Neither side breaks it off."""
        spared = self.at_upstream in {"nowhere", "surplus", "early"} or self.closes_behind
        return self.at_client == "nowhere" and spared

    @property
    def closes_behind(self) -> bool:
        """The upstream closes in order behind the answer, and does not say so before."""
        return self.at_upstream == "after" and self.upstream_leaves != "reset"

    @property
    def broken(self) -> bool:
        """The upstream lets its answer be none, or a part."""
        return self.at_upstream in {"head", "upload", "request", "answer-head", "answer-body"}

    @property
    def seems_whole(self) -> bool:
        """What the upstream has broken off cannot be told from what it has ended."""
        closed = self.framing == "closing" and self.upstream_leaves == "close"
        return self.at_upstream == "answer-body" and (closed or self.bodiless or not self.download)

    @property
    def bodiless(self) -> bool:
        """The answer has no body."""
        return self.method == "HEAD"


def marked(number: int, size: int) -> bytes:
    """Return bytes every few of which say whose they are."""
    mark = b"[%d]" % number
    return (mark * (size // len(mark) + 1))[:size]


def cut(data: bytes, pieces: int) -> list[bytes]:
    """Return data in about so many pieces."""
    size = len(data) // pieces + 1
    return [data[at : at + size] for at in range(0, len(data), size)]


def plan(seed: int, number: int) -> Plan:
    """Return the plan of one exchange; the same whenever it is asked for."""
    dice = Random(f"{seed}/{number}")
    method = dice.choice(_METHODS)
    has_body = method in {"POST", "PUT"}
    return Plan(
        number=number,
        method=method,
        upload=marked(number, _size(dice)) if has_body else b"",
        upload_framing=dice.choice(("length", "chunked")) if has_body else None,
        download=marked(number, _size(dice)),
        framing=dice.choice(("length", "length", "chunked", "chunked", "closing")),
        pieces=dice.randint(1, 4),
        at_client=_place(dice, _AT_CLIENT if has_body else _AT_CLIENT[1:]),
        client_leaves=dice.choice(("close", "reset", "finish")),
        at_upstream=_place(dice, _AT_UPSTREAM if has_body else _AT_UPSTREAM[1:]),
        upstream_leaves=dice.choice(("close", "reset", "close", "reset", "stall")),
        part=dice.random(),
        keeps=dice.random() < 0.8,
        patient=dice.random() < 0.5,
    )


def _place(dice: Random, places: Sequence[_Place]) -> _Place:
    return "nowhere" if dice.random() < _UNHARMED else dice.choice(places)


def _size(dice: Random) -> int:
    if dice.random() < _LARGE:
        return dice.randint(100_000, _LARGEST)
    return dice.choice((0, dice.randint(1, 200), dice.randint(200, 20_000)))
