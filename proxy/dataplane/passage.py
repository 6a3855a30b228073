"""A final answer on its way back to the client, as the bytes that are written there."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from proxy.dataplane.answer import framed, head_bytes
from proxy.dataplane.echo import readable


if TYPE_CHECKING:
    from proxy.dataplane.ends import Client
    from proxy.dataplane.exchange import Exchange
    from proxy.dataplane.model import Head
    from proxy.dataplane.record import Record
    from proxy.dataplane.router import Mount


_FIRST_FINAL: Final = 200
_PROXY_AUTHENTICATION_REQUIRED: Final = 407


def pass_whole(
    exchange: Exchange, client: Client, head: Head, mount: Mount, record: Record
) -> bool:
    """Write a final answer that has come whole; False: it has not, and nothing has been written.

    Args:
        exchange: whose answer has begun.
        client: to write to.
        head: the client's.
        mount: the route and where references lead.
        record: see `relay`.
    """
    status = exchange.head.status
    whole = exchange.response.complete and status >= _FIRST_FINAL
    if not whole or status == _PROXY_AUTHENTICATION_REQUIRED:
        return False
    record.answered_at = perf_counter()
    passage = Passage(exchange, head, mount, record)
    try:
        client.write(passage.begin())
    except Exception:
        client.abort(reset=passage.unmeasured)
        raise
    return True


class Passage:
    """The head, and the body in the pieces it comes in.

    Args:
        exchange: whose answer has come, up to its final head.
        head: the client's.
        mount: the route and where references lead.
        record: is told the status and the sizes; see `relay`.

    Attributes:
        ended: the last byte has been returned.
        unmeasured: only the end of the connection tells the client the end of the body.
    """

    __slots__ = ("_chunked", "_echo", "_exchange", "_head", "_record", "ended", "unmeasured")

    def __init__(self, exchange: Exchange, head: Head, mount: Mount, record: Record) -> None:
        answer = exchange.head
        self._exchange = exchange
        self._echo = exchange.echo
        self._record = record
        self.ended = False
        untold = not answer.bodiless and answer.length is None
        self.unmeasured = untold and head.http10
        self._chunked = untold and not self.unmeasured
        # Where the request is still coming in, what is left of it stands before the next one.
        record.close = record.close or self.unmeasured or not exchange.sent
        self._head = head_bytes(
            answer,
            mount,
            chunked=self._chunked,
            close=record.close,
            extra=record.extra,
            foreign=record.foreign,
        )
        record.status = answer.status  # from here on there can be no other answer

    def begin(self) -> bytes:
        """Return the head, and in the same write what has come of the body."""
        head, echo, response = self._head, self._echo, self._exchange.response
        if echo is not None and not response.complete and not readable(self._exchange.head):
            head, self._echo = echo.mask(head, self._record), None
        self._head = b""
        return self._written(head, response.take())

    def next(self, piece: bytes) -> bytes:
        """Return what is written for a piece of body; an empty one ends it."""
        return self._written(b"", piece)

    def _written(self, head: bytes, piece: bytes) -> bytes:
        record, echo = self._record, self._echo
        self.ended = ended = self._exchange.response.taken
        record.bytes_out += len(piece)
        data = head + framed(piece, chunked=self._chunked, ended=ended)
        if echo is not None and echo.suspects(data):
            return echo.mask_answer(self._exchange.head, data, len(head), record)
        return data
