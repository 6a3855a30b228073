"""Refusals and the documents that tell them."""

from __future__ import annotations

import json

import pytest

from proxy.dataplane import errors
from proxy.dataplane.problem import own_answer, problem
from proxy.upstream import errors as upstream


# The table of DESIGN 3, as far as it is built, and the faults of our own.
REFUSALS = {
    errors.BadRequest: (400, "bad-request", "http_request_error"),
    errors.BadTarget: (400, "bad-target", "http_request_error"),
    errors.OriginDenied: (403, "origin-denied", "http_request_denied"),
    errors.PolicyDenied: (403, "policy-denied", "http_request_denied"),
    errors.ForwardDenied: (403, "forward-denied", "http_request_denied"),
    errors.ClientKeyRequired: (401, "client-key-required", "http_request_denied"),
    errors.ClientKeyInvalid: (401, "client-key-invalid", "http_request_denied"),
    errors.RateLimited: (429, "rate-limited", "http_request_denied"),
    errors.CountUnavailable: (503, "rate-store-unavailable", "proxy_internal_response"),
    errors.AuditUnavailable: (503, "audit-unavailable", "proxy_internal_response"),
    errors.ClientKeysUnavailable: (503, "client-keys-unavailable", "proxy_internal_response"),
    errors.NoRoute: (404, "no-route", "http_request_denied"),
    errors.MethodDenied: (405, "method-denied", "http_request_denied"),
    errors.HeadTimeout: (408, "head-timeout", "http_request_denied"),
    errors.BodyTimeout: (408, "body-timeout", "http_request_denied"),
    errors.WriteTimeout: (408, "write-timeout", "http_request_denied"),
    errors.Stopping: (503, "stopping", "proxy_internal_response"),
    errors.UnsupportedMethod: (501, "unsupported-method", "http_request_error"),
    errors.Overloaded: (503, "overloaded", "connection_limit_reached"),
    errors.BodyTooLarge: (413, "body-too-large", "http_request_denied"),
    errors.TargetTooLarge: (414, "target-too-large", "http_request_denied"),
    errors.HostDenied: (421, "host-denied", "http_request_denied"),
    errors.HeadersTooLarge: (431, "headers-too-large", "http_request_denied"),
    errors.UnsupportedCoding: (501, "unsupported-coding", "http_request_error"),
    errors.BadVersion: (505, "bad-version", "http_request_error"),
    errors.CredentialUnavailable: (503, "credential-unavailable", "proxy_internal_response"),
    errors.InternalFault: (500, "internal", "proxy_internal_error"),
}

UPSTREAM = {
    "a name that does not resolve": (
        upstream.Unreachable("canary", error="dns_error"),
        (502, "upstream-unreachable", "dns_error"),
    ),
    "a port that nobody listens on": (
        upstream.Unreachable("canary"),
        (502, "upstream-unreachable", "connection_refused"),
    ),
    "a connection that takes too long": (
        upstream.ConnectTimeout("canary"),
        (504, "upstream-timeout", "connection_timeout"),
    ),
    "a certificate that is not trusted": (
        upstream.TlsFailure("canary", error="tls_certificate_error"),
        (502, "upstream-tls-error", "tls_certificate_error"),
    ),
    "a handshake that fails": (
        upstream.TlsFailure("canary", error="tls_protocol_error"),
        (502, "upstream-tls-error", "tls_protocol_error"),
    ),
    "an answer that takes too long": (
        upstream.ResponseTimeout("canary"),
        (504, "upstream-timeout", "http_response_timeout"),
    ),
    "an answer that is not HTTP": (
        upstream.ProtocolViolation("canary"),
        (502, "upstream-protocol-error", "http_protocol_error"),
    ),
    "an answer that breaks off": (
        upstream.Dropped("canary", unanswered=False),
        (502, "upstream-protocol-error", "http_response_incomplete"),
    ),
    "too many connections": (
        upstream.PoolExhausted("canary"),
        (503, "overloaded", "connection_limit_reached"),
    ),
}


def parsed(answer):
    """Return status, fields and body of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *fields = head.decode("ascii").split("\r\n")
    return line, dict(field.split(": ", 1) for field in fields), body


@pytest.mark.parametrize(
    ("kind", "said"), REFUSALS.items(), ids=lambda v: getattr(v, "__name__", "")
)
def test_a_refusal_says_what_the_contract_says(kind, said):
    """Status, code and the error of RFC 9209."""
    refusal = kind("A fixed sentence.", cause="canary")

    assert said == (refusal.status, refusal.code, refusal.error)
    assert said[1] in parsed(problem(refusal, "id", to_head=False, close=False))[2].decode()


def test_every_kind_of_refusal_is_in_the_table():
    """Whoever adds one has to say here what it says."""
    assert {*REFUSALS, errors.UpstreamRefused} == set(errors.Refusal.__subclasses__())


@pytest.mark.parametrize(("error", "said"), UPSTREAM.values(), ids=UPSTREAM)
def test_an_upstreams_failure_says_what_the_contract_says(error, said):
    """The cause is for the log; the client reads a fixed sentence."""
    refusal = errors.UpstreamRefused(error)
    answer = problem(refusal, "id", to_head=False, close=False)

    assert said == (refusal.status, refusal.code, refusal.error)
    assert f"{type(error).__name__}: canary" == refusal.cause
    assert b"canary" not in answer
    assert (refusal.status == 503) == ("Retry-After" in parsed(answer)[1])


def test_the_document_is_rfc_9457_with_rfc_9209():
    """All members, and nothing of the cause."""
    refusal = errors.MethodDenied("No.", cause="canary", fields=((b"Allow", b"GET"),))

    line, fields, body = parsed(problem(refusal, "ab12", to_head=False, close=True))

    assert "HTTP/1.1 405 Method Not Allowed" == line
    assert {
        "type": "urn:keybearer:error:method-denied",
        "code": "method-denied",
        "title": "Method denied",
        "status": 405,
        "detail": "No.",
        "request_id": "ab12",
    } == json.loads(body)
    assert {
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Proxy-Status": "keybearer; error=http_request_denied",
        "Allow": "GET",
        "Connection": "close",
    } == fields


def test_the_connection_stays_open_unless_it_is_said():
    """And an answer of our own without a refusal has no Proxy-Status."""
    _, fields, body = parsed(own_answer(200, b"text/plain", b"ok\n"))

    assert (b"ok\n", "3") == (body, fields["Content-Length"])
    assert not {"Connection", "Proxy-Status"} & fields.keys()


def test_a_head_request_gets_the_length_and_not_the_document():
    """RFC 9110 9.3.2: a body would be taken for the next answer."""
    refusal = errors.NoRoute("No.")
    with_body = problem(refusal, "id", to_head=False, close=False)

    without = problem(refusal, "id", to_head=True, close=False)

    assert without == with_body[: with_body.index(b"\r\n\r\n") + 4]


@pytest.mark.parametrize("close", [True, False])
def test_a_refusal_can_say_that_the_connection_ends(close):
    """Whatever its kind does."""
    assert [close, close] == [
        errors.NoRoute("No.", close=close).close,
        errors.BadRequest("No.", close=close).close,
    ]
