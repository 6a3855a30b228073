"""A request's body on its way to the upstream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.dataplane.errors import BodyTooLarge


if TYPE_CHECKING:
    from proxy.dataplane.ends import Body
    from proxy.dataplane.errors import Refusal
    from proxy.dataplane.model import Head


class Upload:
    """Frames the body's pieces as the head says, counts them, keeps the first for a repetition.

    A body that has come whole is sent with the head in one write; otherwise `carry` brings the
    pieces while the answer is already awaited, for an upstream may answer at any time.

    Args:
        body: where it comes from; None: there is none.
        chunked: how it is framed.
        limit: bytes of body that the route takes, or None.
        keep: bytes of body to keep for a repetition (`replay_buffer`).
    """

    __slots__ = ("_chunked", "_keep", "_kept", "_limit", "body", "complete", "size")

    def __init__(
        self, body: Body | None, *, chunked: bool = False, limit: int | None = None, keep: int = 0
    ) -> None:
        self.body = body
        self._chunked = chunked
        self._limit = limit
        self._keep = keep
        self._kept: list[bytes] | None = []
        self.size = 0
        """Bytes of body that have come."""
        self.complete = body is None
        """The whole body has been handed to the connection."""

    @property
    def repeatable(self) -> bool:
        """Whether the body can be sent again: it has come whole and was kept."""
        return self.complete and self._kept is not None

    def behind(self, head: bytes) -> bytes:
        """Return the head with what can be sent at once: what has come, or what was kept.

        Raises:
            BodyTooLarge: more has come than the route takes.
        """
        if self.body is None:
            return head
        if self.complete:
            return head + b"".join(self._kept or ())
        return head + self.framed(self.body.take(), ended=self.body.ended)

    def framed(self, piece: bytes, *, ended: bool) -> bytes:
        """Return a piece of body as it is written, and count it.

        Raises:
            BodyTooLarge: more has come than the route takes.
        """
        self.size += len(piece)
        if self._limit is not None and self.size > self._limit:
            raise _too_large(self._limit)
        self.complete = ended
        data = piece
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
            if ended:
                data += b"0\r\n\r\n"
        self._remember(data)
        return data

    def _remember(self, data: bytes) -> None:
        if self._kept is not None:
            if self.size > self._keep:
                self._kept = None
            elif data:
                self._kept.append(data)


NOTHING: Final = Upload(None)


def upload_of(head: Head, body: Body, *, limit: int | None, keep: int) -> Upload:
    """Return the upload of a request that has a body; for the others there is `NOTHING`.

    Raises:
        BodyTooLarge: the head announces more than the route takes.
    """
    if head.length is not None and limit is not None and head.length > limit:
        raise _too_large(limit)
    return Upload(body, chunked=head.chunked, limit=limit, keep=keep)


def _too_large(limit: int) -> Refusal:
    return BodyTooLarge(f"This route takes bodies of up to {limit} bytes.")
