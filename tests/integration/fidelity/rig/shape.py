"""The form of the tables: one request, as a client sends it to the proxy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Shape:
    """A request, and the little that has to be said about its answer.

    Attributes:
        line: method and target, without the route's prefix.
        status: of the answer; it says that the shape does what it is for.
        fields: lines, in this order; Host and the framing are added.
        body: with its length.
        chunks: instead, a body in chunks.
        rewritten: names and values of answer fields that must lead back to the proxy.
        forwarded: the target, as it reaches the server; None: as it is sent.
        version: of HTTP.
        whole: the answer is complete.
        why: what is special about it, where line and fields do not say it.
    """

    line: str
    status: int
    fields: tuple[str, ...] = ()
    body: bytes | None = None
    chunks: tuple[bytes, ...] | None = None
    rewritten: Mapping[str, str] = field(default_factory=dict)
    forwarded: str | None = None
    version: str = "1.1"
    whole: bool = True
    why: str = ""

    @property
    def method(self) -> str:
        """The first word."""
        return self.line.partition(" ")[0]

    @property
    def target(self) -> str:
        """The second word."""
        return self.line.partition(" ")[2]

    @property
    def name(self) -> str:
        """What it is called in a test's name."""
        told = [self.why or self.line, *(() if self.why else self.fields)]
        return "; ".join(told)[:100].encode("ascii", "backslashreplace").decode()

    @property
    def expects(self) -> bool:
        """The body waits for `100 Continue`."""
        return any(each.lower().startswith("expect:") for each in self.fields)

    @property
    def framing(self) -> tuple[str, ...]:
        """The line that frames the body."""
        if self.chunks is not None:
            return ("Transfer-Encoding: chunked",)
        return () if self.body is None else (f"Content-Length: {len(self.body)}",)

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        if self.chunks is None:
            return self.body or b""
        return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in (*self.chunks, b""))


def names(shapes: Iterable[Shape]) -> list[str]:
    """Return the names of a table; two alike would hide each other."""
    told = [shape.name for shape in shapes]
    assert len(set(told)) == len(told), sorted(each for each in told if told.count(each) > 1)
    return told
