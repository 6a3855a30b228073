"""What is told of one request: gathered on its way, logged once."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from proxy.observe.log import now


if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.dataplane.model import Head, Peer, Route
    from proxy.dataplane.upload import Upload
    from proxy.observe.log import Log


class Record:
    """The fields of a request's log line. Names and sizes, never values of fields or queries.

    Args:
        request_id: for the log and for problem documents.
        head: the client's.
        peer: who sent it.
    """

    # Defaults on the class, not __slots__: a request sets few of them.

    sent_at = 0.0
    """When the upstream's time begins."""
    answered_at = 0.0
    """When it ends: its head has come."""
    route: Route | None = None
    status = 0
    error: str | None = None
    cause: str | None = None
    bytes_in = 0
    """Of a tunnel. Those of a body are its upload's to count."""
    upload: Upload | None = None
    bytes_out = 0
    stripped: Sequence[str] = ()
    echo_masked = 0
    """How often the answer showed what was injected."""
    close = False
    """The connection ends behind the answer."""
    extra = b""
    """Field lines that every answer bears, each behind a CRLF, for the page that asks."""
    foreign = False
    """That page has another origin, one of `cors.allow_origins`."""
    quiet = False
    """No line: whoever watches over the process asks every few seconds."""

    def __init__(self, request_id: str, head: Head, peer: Peer) -> None:
        self.request_id = request_id
        self._head = head
        self.peer = peer
        self._started_at = perf_counter()

    def tell(self, log: Log) -> None:
        """Write the line."""
        if self.quiet:
            return
        route = self.route
        credential = None if route is None else route.injector.credential
        head = self._head
        path = head.target.partition("?")[0]
        if not path.startswith("/") or "#" in path:
            path = _bare_path(path)
        log.request(
            {
                "ts": now(),
                "level": "info",
                "event": "request",
                "request_id": self.request_id,
                "client": self.peer.address,
                "route": None if route is None else route.name,
                "method": head.method,
                "path": path if path.isascii() else ascii(path)[1:-1],
                "status": self.status,
                "error": self.error,
                "cause": self.cause,
                "bytes_in": self.bytes_in if self.upload is None else self.upload.size,
                "bytes_out": self.bytes_out,
                # Cut off after two places without round(), which works on decimal digits.
                "ms": int((perf_counter() - self._started_at) * 100_000) / 100,
                "upstream_ms": int((self.answered_at - self.sent_at) * 100_000) / 100
                if self.answered_at
                else None,
                "credential": None if credential is None else credential.name,
                "credential_state": None if credential is None else credential.state,
                "stripped": self.stripped,
                **({"echo_masked": self.echo_masked} if self.echo_masked else {}),
            }
        )


def _bare_path(target: str) -> str:
    """Return the path of a target that will be refused or is in absolute form (RFC 9112 3.2.2).

    User information and fragments hold credentials (a token of OAuth's implicit grant).
    """
    text = target.partition("#")[0]
    if text.startswith("/"):
        return text
    _, separator, rest = text.partition("://")
    if separator:
        return "/" + rest.partition("/")[2]
    return text.rpartition("@")[2]
