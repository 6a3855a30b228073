"""Inject: the credential, put on last; and the head that it ends."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

import pytest

from proxy.credentials.fixed import FixedCredential
from proxy.dataplane.errors import CredentialUnavailable
from proxy.dataplane.inject import Injection, Injector, Slot
from proxy.dataplane.outbound import assemble
from proxy.secret import Secret


if TYPE_CHECKING:
    from proxy.dataplane.model import CredentialState


CANARY = "canary-7f3a+/= &?#\xe9"

BEARER = Slot("header", b"Authorization", b"Bearer ")
QUERY = Slot("query", b"api_key")


def injector(*slots, secret=CANARY):
    """Return an injector of the same secret in every slot."""
    return Injector(FixedCredential("c", tuple(Secret(secret) for _ in slots)), slots)


@pytest.mark.parametrize(
    ("slot", "line"),
    [
        pytest.param(Slot("header", b"Access-Token"), b"Access-Token: s3cret", id="access-token"),
        pytest.param(BEARER, b"Authorization: Bearer s3cret", id="bearer"),
        pytest.param(
            Slot("header", b"X-Api-Key", b"token ", b";v=1"),
            b"X-Api-Key: token s3cret;v=1",
            id="a header with a format",
        ),
        pytest.param(
            Slot("basic", b"Authorization", b"user:"),
            b"Authorization: Basic dXNlcjpzM2NyZXQ=",
            id="basic",
        ),
    ],
)
def test_headers_are_put_on(slot, line):
    """As the scheme says."""
    assert (line + b"\r\n", "", None) == tuple(injector(slot, secret="s3cret").inject())


def test_a_secret_arrives_as_utf_8():
    """In every slot; in a query everything is encoded."""
    fields, query, _ = injector(BEARER, Slot("basic", b"A", b"u:"), QUERY).inject()

    bearer, basic, _ = fields.split(b"\r\n")
    assert b"Authorization: Bearer " + CANARY.encode() == bearer
    assert b"u:" + CANARY.encode() == b64decode(basic.removeprefix(b"A: Basic "))
    assert "api_key=canary-7f3a%2B%2F%3D%20%26%3F%23%C3%A9" == query


def test_no_credential_adds_nothing():
    """`credential: none`, written out."""
    assert ((b"", "", None), None) == (
        tuple(Injector(None, ()).inject()),
        Injector(None, ()).credential,
    )


def test_an_unavailable_credential_refuses():
    """503, never a request without it."""
    injector = Injector(FixedCredential("name", None), (BEARER,))

    with pytest.raises(CredentialUnavailable) as caught:
        injector.inject()

    refusal = caught.value
    assert (503, "credential-unavailable") == (refusal.status, refusal.code)
    assert () == refusal.fields  # it is read at start alone: waiting does not help
    assert "credential name" == refusal.cause


def test_a_slot_without_a_secret_is_a_fault():
    """A request with half of its credentials is not sent."""
    with pytest.raises(ValueError, match="zip"):
        Injector(FixedCredential("c", (Secret("a"),)), (BEARER, QUERY)).inject()


def test_a_changed_credential_is_rendered_anew():
    """Rotation takes hold with the next request, unavailability too."""

    class Changing:
        """A credential whose value a test changes."""

        name = "c"
        state: CredentialState = "ready"
        value: tuple[Secret, ...] | None = (Secret("old"),)

        def current(self):
            """Return it."""
            return self.value

    credential = Changing()
    injector = Injector(credential, (BEARER,))
    first = [injector.inject(), injector.inject()]
    credential.value = (Secret("new"),)
    second = injector.inject()
    credential.value = None

    assert [b"Authorization: Bearer old\r\n"] * 2 == [each.fields for each in first]
    assert b"Authorization: Bearer new\r\n" == second.fields
    with pytest.raises(CredentialUnavailable):
        injector.inject()


def test_what_holds_the_secret_does_not_show_it():
    """An injection or a head may end up in a traceback or a debugger's log."""
    injection = injector(BEARER, QUERY).inject()
    outbound = assemble("GET", "/", None, b"", injection)

    assert b"canary-7f3a" in outbound.head
    assert "canary-7f3a" not in f"{injection!r} {injection} {outbound!r} {outbound}"


ASSEMBLED = {
    "no query": (None, "", b"GET /a HTTP/1.1"),
    "an empty query": ("", "", b"GET /a? HTTP/1.1"),
    "a query": ("b=c", "", b"GET /a?b=c HTTP/1.1"),
    "an injected query alone": (None, "k=s", b"GET /a?k=s HTTP/1.1"),
    "an injected query and an empty one": ("", "k=s", b"GET /a?k=s HTTP/1.1"),
    "an injected query comes last": ("b=c", "k=s", b"GET /a?b=c&k=s HTTP/1.1"),
}


@pytest.mark.parametrize(("query", "injected", "line"), ASSEMBLED.values(), ids=ASSEMBLED)
def test_the_head_is_put_together(query, injected, line):
    """Request line, the client's fields, the credential, the empty line."""
    outbound = assemble("GET", "/a", query, b"Host: h\r\n", Injection(b"K: s\r\n", injected))

    assert line + b"\r\nHost: h\r\nK: s\r\n\r\n" == outbound.head
    assert ("GET", None, None) == (outbound.method, outbound.echo, outbound.upgrade)


def test_an_upgrade_is_asked_for_before_the_credential():
    """The credential is last in every head."""
    outbound = assemble("GET", "/", None, b"Host: h\r\n", Injection(b"K: s\r\n"), "websocket")

    lines = [b"Host: h", b"Connection: Upgrade", b"Upgrade: websocket", b"K: s", b"", b""]
    assert lines == outbound.head.split(b"\r\n")[1:]
    assert "websocket" == outbound.upgrade
