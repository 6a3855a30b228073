"""What can go wrong with an upstream, and what a client is told of it.

    UpstreamError
    ├── Unreachable          502  the name, the network or the port
    ├── ConnectTimeout       504
    ├── TlsFailure           502  a certificate or a handshake
    ├── PoolExhausted        503  every connection is in use
    └── ExchangeError             a connection was there
        ├── ResponseTimeout  504
        ├── ProtocolViolation 502 what came is not HTTP/1.1
        └── Dropped          502  closed before the answer was complete

Each class carries the status, the problem code and the RFC 9209 error; the text of an instance is
for the log and is never sent to a client.
"""

from __future__ import annotations

from typing import ClassVar


class UpstreamError(Exception):
    """The upstream could not be reached, or broke the exchange."""

    status: ClassVar[int] = 502
    code: ClassVar[str] = "upstream-unreachable"
    error: str = "destination_unavailable"


class Unreachable(UpstreamError):
    """No connection: DNS, routing, or nobody listens.

    Args:
        cause: for the log.
        error: the RFC 9209 error, `dns_error` or `connection_refused`.
    """

    def __init__(self, cause: str, *, error: str = "connection_refused") -> None:
        super().__init__(cause)
        self.error = error


class ConnectTimeout(UpstreamError):
    """No connection within `timeouts.connect`."""

    status = 504
    code = "upstream-timeout"
    error = "connection_timeout"


class TlsFailure(UpstreamError):
    """The handshake failed.

    Args:
        cause: for the log.
        error: the RFC 9209 error, `tls_certificate_error` or `tls_protocol_error`.
    """

    code = "upstream-tls-error"

    def __init__(self, cause: str, *, error: str) -> None:
        super().__init__(cause)
        self.error = error


class PoolExhausted(UpstreamError):
    """Every connection to the origin is in use, and none came free in time."""

    status = 503
    code = "overloaded"
    error = "connection_limit_reached"


class ExchangeError(UpstreamError):
    """The connection was there, the answer was not."""


class ResponseTimeout(ExchangeError):
    """No answer, or no further piece of it, within the route's limits."""

    status = 504
    code = "upstream-timeout"
    error = "http_response_timeout"


class ProtocolViolation(ExchangeError):
    """The upstream sent something that is not one HTTP/1.1 answer."""

    code = "upstream-protocol-error"
    error = "http_protocol_error"


class Dropped(ExchangeError):
    """The upstream closed the connection before its answer was complete.

    Attributes:
        unanswered: not one byte of an answer had come (RFC 9110 9.2.2 lets an idempotent request
            be repeated then).
    """

    code = "upstream-protocol-error"
    error = "http_response_incomplete"

    def __init__(self, cause: str, *, unanswered: bool) -> None:
        super().__init__(cause)
        self.unanswered = unanswered
