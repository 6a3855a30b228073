"""Refusals: each has a status, a code and an RFC 9209 error.

    Refusal
    ├── BadRequest      400  the head or the body is not one well-formed request
    ├── BadTarget       400
    ├── ClientKeyRequired 401
    ├── ClientKeyInvalid 401  unknown, wrong and expired look the same
    ├── OriginDenied    403
    ├── PolicyDenied    403
    ├── ForwardDenied   403
    ├── NoRoute         404
    ├── MethodDenied    405
    ├── HeadTimeout     408
    ├── BodyTimeout     408
    ├── WriteTimeout    408  logged, for nobody reads
    ├── BodyTooLarge    413
    ├── TargetTooLarge  414
    ├── HostDenied      421
    ├── RateLimited     429
    ├── HeadersTooLarge 431
    ├── UnsupportedCoding 501
    ├── UnsupportedMethod 501
    ├── BadVersion      505
    ├── Overloaded      503  more connections, or requests at once, than are served
    │   └── TooManyAtOnce        than the client's or the route's `concurrency`
    ├── Stopping        503  broken off, because the process ends
    ├── CredentialUnavailable 503
    ├── CountUnavailable 503  the store of the rates is away
    ├── AuditUnavailable 503  what is decided cannot be written down
    ├── ClientKeysUnavailable 503  an issuer's keys could not be had
    │   └── KeysWanted           they are to be asked for
    ├── UpstreamRefused       as the upstream layer's error says
    └── InternalFault   500  a fault of ours

`detail` is a fixed sentence that the client reads; `cause` is for the log. Neither ever holds a
credential, and `detail` holds nothing of the request either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol


if TYPE_CHECKING:
    from proxy.upstream.errors import UpstreamError


class Refreshable(Protocol):
    """What can be asked for anew."""

    async def refresh(self) -> None:
        """Ask; many who want it at once share one question. A failure is logged, not raised."""
        ...


class Refusal(Exception):
    """A request that is answered here and not (or no longer) by the upstream.

    Attributes:
        status: the code to answer with.
        code: the problem's slug, stable for programs.
        title: the problem's name, stable for people.
        error: the error of RFC 9209 2.3.
        close: the connection is not fit for another request.
        denied: the configuration says no, for the audit; with a status under 499 it does anyway.
        detail: what is wrong and what to do, for the client.
        cause: more of it, for the log.
        fields: further header fields.
        rule: what in the configuration decided, for the audit.
        page: HTML for a person at a browser, in place of the problem document; b"" for none.
    """

    status: int = 500
    code: str = "internal"
    title: ClassVar[str] = "Keybearer failed"
    error: str = "http_request_denied"
    close: bool = False
    denied: ClassVar[bool] = False

    def __init__(
        self,
        detail: str,
        *,
        cause: str = "",
        close: bool | None = None,
        fields: tuple[tuple[bytes, bytes], ...] = (),
        rule: str = "",
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.cause = cause
        self.fields = fields
        self.rule = rule
        self.page = b""
        if close is not None:
            self.close = close


class BadRequest(Refusal):
    """Not one well-formed HTTP/1.1 request; what follows on the connection cannot be trusted."""

    status = 400
    code = "bad-request"
    title = "Bad request"
    error = "http_request_error"
    close = True


class BadTarget(Refusal):
    """A request target that could be read in two ways."""

    status = 400
    code = "bad-target"
    title = "Bad request target"
    error = "http_request_error"


class ClientKeyRequired(Refusal):
    """No client key; the challenge lets tools that wait for one send theirs (RFC 9110 11.6.1)."""

    status = 401
    code = "client-key-required"
    title = "Client key required"


class ClientKeyInvalid(Refusal):
    """A client key that is unknown, wrong or expired; which of it is not told."""

    status = 401
    code = "client-key-invalid"
    title = "Client key invalid"


class OriginDenied(Refusal):
    """A web page that may not use this proxy."""

    status = 403
    code = "origin-denied"
    title = "Origin denied"


class PolicyDenied(Refusal):
    """The route's rules say no."""

    status = 403
    code = "policy-denied"
    title = "Denied by policy"


class ForwardDenied(Refusal):
    """An absolute request target that no route answers for."""

    status = 403
    code = "forward-denied"
    title = "Forwarding denied"


class NoRoute(Refusal):
    """No route; there is no default one."""

    status = 404
    code = "no-route"
    title = "No such route"


class MethodDenied(Refusal):
    """The route's methods say no."""

    status = 405
    code = "method-denied"
    title = "Method denied"


class HeadTimeout(Refusal):
    """A head that does not end within `timeouts.head`."""

    status = 408
    code = "head-timeout"
    title = "Request head too slow"
    close = True


class BodyTimeout(Refusal):
    """A body that stops or drips for longer than `timeouts.body`."""

    status = 408
    code = "body-timeout"
    title = "Request body too slow"
    close = True


class WriteTimeout(Refusal):
    """A client that takes nothing of its answer for longer than `timeouts.write`; only logged."""

    status = 408
    code = "write-timeout"
    title = "Answer not taken"
    close = True


class Stopping(Refusal):
    """A request that is broken off, because the process ends."""

    status = 503
    code = "stopping"
    title = "Stopping"
    error = "proxy_internal_response"
    close = True


class BodyTooLarge(Refusal):
    """More than the route's `limits.body`."""

    status = 413
    code = "body-too-large"
    title = "Body too large"
    close = True


class TargetTooLarge(Refusal):
    """A longer target than is read."""

    status = 414
    code = "target-too-large"
    title = "Request target too large"
    close = True


class HostDenied(Refusal):
    """A Host that is not ours: a stray request, or DNS rebinding."""

    status = 421
    code = "host-denied"
    title = "Host denied"


class RateLimited(Refusal):
    """More requests than the client's or the route's rate, or more wrong keys than are heard."""

    status = 429
    code = "rate-limited"
    title = "Too many requests"


class HeadersTooLarge(Refusal):
    """A larger head than is read."""

    status = 431
    code = "headers-too-large"
    title = "Request header fields too large"
    close = True


class UnsupportedCoding(Refusal):
    """A transfer coding other than chunked."""

    status = 501
    code = "unsupported-coding"
    title = "Unsupported transfer coding"
    error = "http_request_error"
    close = True


class UnsupportedMethod(Refusal):
    """A method that the parser does not know, and so cannot frame."""

    status = 501
    code = "unsupported-method"
    title = "Unsupported method"
    error = "http_request_error"
    close = True


class Overloaded(Refusal):
    """More connections than are served, or more requests at once than `concurrency`."""

    status = 503
    code = "overloaded"
    title = "Overloaded"
    error = "connection_limit_reached"
    close = True


class TooManyAtOnce(Overloaded):
    """More requests under way than the client's or the route's `concurrency`."""

    close = False
    denied = True


class BadVersion(Refusal):
    """Neither HTTP/1.1 nor HTTP/1.0."""

    status = 505
    code = "bad-version"
    title = "HTTP version not supported"
    error = "http_request_error"
    close = True


class CredentialUnavailable(Refusal):
    """No secret to inject. The request is never sent without it."""

    status = 503
    code = "credential-unavailable"
    title = "Credential unavailable"
    error = "proxy_internal_response"


class CountUnavailable(Refusal):
    """Where rates are counted cannot be reached, and `on_storage_error` is `deny`."""

    status = 503
    code = "rate-store-unavailable"
    title = "Rate store unavailable"
    error = "proxy_internal_response"


class AuditUnavailable(Refusal):
    """The audit file cannot be written, and its `on_error` is `deny`."""

    status = 503
    code = "audit-unavailable"
    title = "Audit unavailable"
    error = "proxy_internal_response"


class ClientKeysUnavailable(Refusal):
    """The keys of an issuer of clients' tokens could never be had."""

    status = 503
    code = "client-keys-unavailable"
    title = "Client keys unavailable"
    error = "proxy_internal_response"


class KeysWanted(ClientKeysUnavailable):
    """A token's issuer may have a key that we do not know yet.

    Attributes:
        keys: are to be asked for; then the request is judged once more.
    """

    def __init__(self, keys: Refreshable) -> None:
        super().__init__(
            "The keys of the token's issuer are not at hand; try again.",
            fields=((b"Retry-After", b"5"),),
        )
        self.keys = keys


class InternalFault(Refusal):
    """A fault of ours, told in the log."""

    error = "proxy_internal_error"
    close = True


class UpstreamRefused(Refusal):
    """What the upstream's side went wrong with, told to the client in a fixed sentence."""

    title = "Upstream failed"

    def __init__(self, error: UpstreamError) -> None:
        super().__init__(
            _UPSTREAM_DETAILS.get(error.code, "The upstream did not answer."),
            cause=f"{type(error).__name__}: {error}",
            fields=((b"Retry-After", b"5"),) if error.status == _OVERLOADED else (),
        )
        self.status = error.status
        self.code = error.code
        self.error = error.error


_OVERLOADED = 503
_UPSTREAM_DETAILS = {
    "upstream-unreachable": "The upstream cannot be reached; the proxy's log says why.",
    "upstream-timeout": "The upstream did not answer in time.",
    "upstream-tls-error": "The TLS connection to the upstream failed; the proxy's log says why.",
    "upstream-protocol-error": "The upstream's answer was not valid HTTP, or it broke off.",
    "overloaded": "Too many requests are under way to this upstream; try again later.",
}
