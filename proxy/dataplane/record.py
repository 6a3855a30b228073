"""What is told of one request: gathered on its way, logged once."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from proxy.dataplane.audit import audit_line
from proxy.dataplane.errors import AuditUnavailable, CredentialUnavailable
from proxy.dataplane.keymask import masked
from proxy.dataplane.target import percent_encoded
from proxy.judged import Judged
from proxy.observe.log import quoted


if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.dataplane.audit import Decision
    from proxy.dataplane.caller import Caller
    from proxy.dataplane.inject import Injector
    from proxy.dataplane.model import Audit, Credential, Head, Peer
    from proxy.dataplane.outbound import Outbound
    from proxy.dataplane.route import Route
    from proxy.dataplane.upload import Upload
    from proxy.observe.log import Log


CLIENT_CLOSED_REQUEST: Final = 499
"""nginx's status for a client that left; it is logged, never sent."""


class Record:
    """The fields of a request's log line. Names and sizes, never values of fields or queries.

    Args:
        request_id: for the log and for problem documents.
        head: the client's.
        peer: who sent it.
        close: the connection ends behind the answer.
    """

    # Defaults on the class, not __slots__: a request sets few of them.

    _ended_at = 0.0
    outbound: Outbound | None = None
    """What is to be sent; None until it may be."""
    sent_at = 0.0
    """When the upstream's time begins."""
    answered_at = 0.0
    """When it ends: its head has come."""
    route: Route | None = None
    caller: Caller | None = None
    rule = ""
    """What in the configuration decided."""
    denied = False
    """It has said no, whatever the status."""
    injector: Injector | None = None
    """What has put the credential on."""
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
    extra = b""
    """Field lines that every answer bears, each behind a CRLF, for the page that asks."""
    foreign = False
    """That page has another origin, one of `cors.allow_origins`."""
    quiet = False
    """No line: whoever watches over the process asks every few seconds."""

    def __init__(self, request_id: str, head: Head, peer: Peer, *, close: bool = False) -> None:
        # A proxy keeps no connection with an HTTP/1.0 client (RFC 9112 C.2.2).
        self.close = close or not head.keep_alive or head.http10
        self.request_id = request_id
        self._head = head
        self.peer = peer
        self._started_at = perf_counter()

    def tell(self, log: Log, audit: Audit | None = None) -> None:
        """Write the line, and what was decided where that is kept."""
        if not self.quiet:
            self._ended_at = perf_counter()
            log.request(self)
            # What could not be written down is counted there; a line would wait in vain.
            if audit is not None and self.error != AuditUnavailable.code:
                audit.line(self.decision(log.now()))

    def decision(self, now: str) -> bytes:
        """Return what was decided as a line of the audit."""
        route, caller = self.route, self.caller
        credential = self._credential() if self._sent() else None
        return audit_line(
            now,
            self.request_id,
            None if caller is None else caller.name,
            self.peer.address,
            None if route is None else route.name,
            self._head.method,
            _path(self._head.target),
            self._decided(),
            self.rule or None,
            None if credential is None else credential.name,
            self.status,
            self.error,
        )

    def _decided(self) -> Decision:
        """Return `allow` for nothing that has not been sent, or else answered as asked."""
        if self.error is None or self._sent():
            return "allow"
        # Nobody has denied anything to a client that left.
        return "deny" if self.denied or self.status < CLIENT_CLOSED_REQUEST else "error"

    def json(self, now: str) -> bytes:
        """Return the line as JSON; spelled out, for it is a tenth of what a request costs."""
        route, stripped, credential = self.route, self.stripped, self._credential()
        head = self._head
        size = self.bytes_in if self.upload is None else self.upload.size
        return (
            f'{{"ts":"{now}","level":"info","event":"request","request_id":"{self.request_id}",'
            f'"client":{self._client()},'
            f'"route":{"null" if route is None else _NAMES[route.name]},'
            f'"method":{_PATHS[head.method]},"path":{_PATHS[_path(head.target)]},'
            f'"status":{self.status},"error":{_or_null(self.error)},'
            f'"cause":{"null" if self.cause is None else _shown(self.cause)},'
            f'"bytes_in":{size},"bytes_out":{self.bytes_out},'
            f'"ms":{_milliseconds(self._ended_at - self._started_at)},'
            f'"upstream_ms":{self._upstream_ms()},'
            f'"credential":{"null" if credential is None else _NAMES[credential.name]},'
            f'"credential_state":{"null" if credential is None else _NAMES[credential.state]},'
            f'"stripped":[{",".join([_NAMES[name] for name in stripped]) if stripped else ""}]'
            f"{self._masked()}}}"
        ).encode()

    def _client(self) -> str:
        address = _NAMES[self.peer.address]
        return address if self.caller is None else f'{_NAMES[self.caller.name]},"peer":{address}'

    def _sent(self) -> bool:
        """Tell whether the upstream may have seen the request: one too many has all on already."""
        return self.outbound is not None and self.outbound.written

    def _credential(self) -> Credential | None:
        """Return what was sent; or else what there was none of, and so nothing was."""
        if self._sent() or self.error == CredentialUnavailable.code:
            return None if self.injector is None else self.injector.credential
        return None

    def _upstream_ms(self) -> str:
        return _milliseconds(self.answered_at - self.sent_at) if self.answered_at else "null"

    def _masked(self) -> str:
        return f',"echo_masked":{self.echo_masked}' if self.echo_masked else ""


_NAMES: Final[Judged[str, str]] = Judged(quoted)
_HUNDREDTHS: Final = tuple([f".{each:02d}" for each in range(100)])


def _shown(text: str) -> str:
    # A client's key that somebody has put into a path or a host is no less of a key.
    return quoted(masked(text))


_PATHS: Final[Judged[str, str]] = Judged(_shown)
"""And methods, for any token is one."""


def _or_null(text: str | None) -> str:
    return "null" if text is None else quoted(text)


def _milliseconds(seconds: float) -> str:
    """Return milliseconds, cut off after two places. A number's own way there costs four times."""
    hundredths = int(seconds * 100_000)
    return str(hundredths // 100) + _HUNDREDTHS[hundredths % 100]


def _path(target: str) -> str:
    path = target.partition("?")[0] if "?" in target else target
    if not path.startswith("/") or "#" in path:
        path = _bare_path(path)
    return path if path.isascii() else percent_encoded(path)


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
