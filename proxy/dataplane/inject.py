"""Inject: the credential, put on last."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, assert_never
from urllib.parse import quote_from_bytes

from proxy.dataplane.echo import SHORTEST, Echo
from proxy.dataplane.errors import CredentialUnavailable


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from proxy.dataplane.model import Credential
    from proxy.secret import Secret


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one secret goes.

    Attributes:
        place: a header field, a header field with Basic credentials (RFC 7617), or the query.
        name: of the field or parameter.
        before: what stands in front of the secret: `Bearer `, or `user:` for Basic.
        after: what stands behind it.
    """

    place: Literal["header", "basic", "query"]
    name: bytes
    before: bytes = b""
    after: bytes = b""


class Injection(NamedTuple):
    """What a credential adds to a request.

    Attributes:
        fields: whole header lines.
        query: `name=value` pairs joined by `&`, or "".
        echo: finds in an answer what was put on; None: nothing that is looked for.
    """

    fields: bytes = b""
    query: str = ""
    echo: Echo | None = None

    def __repr__(self) -> str:
        return "Injection(…)"


class Injector:
    """Puts a credential on requests; renders it anew only when its value has changed.

    Args:
        credential: None where the configuration says `none`.
        slots: where its secrets go.
        echo_guard: what it puts on is masked in answers.
    """

    __slots__ = ("_echo_guard", "_of", "_rendered", "_slots", "credential")

    def __init__(
        self, credential: Credential | None, slots: Sequence[Slot], *, echo_guard: bool = True
    ) -> None:
        self.credential = credential
        self._slots = tuple(slots)
        self._echo_guard = echo_guard
        self._of: Sequence[Secret] | None = None
        self._rendered = Injection()

    def inject(self) -> Injection:
        """Return what the credential adds, each slot exactly once.

        Raises:
            CredentialUnavailable: there is no secret now; the request is not sent without it.
        """
        if self.credential is None:
            return self._rendered
        secrets = self.credential.current()
        if secrets is None:
            raise CredentialUnavailable(
                "The credential of this route is not available; the proxy's log says why.",
                cause=f"credential {self.credential.name}",
            )
        if secrets is not self._of:
            rendered = render(self._slots, secrets, echo_guard=self._echo_guard)
            self._of, self._rendered = secrets, rendered
        return self._rendered


def render(slots: Iterable[Slot], secrets: Iterable[Secret], *, echo_guard: bool) -> Injection:
    """Return each secret in its slot, and the guard against its echo."""
    lines: list[bytes] = []
    pairs: list[str] = []
    echoes: list[bytes] = []
    for slot, secret in zip(slots, secrets, strict=True):
        value = _value(slot, secret)
        if echo_guard and len(secret) >= SHORTEST:
            echoes += _echoes(slot, value)
        match slot.place:
            case "header":
                lines.append(b"%b: %b\r\n" % (slot.name, value))
            case "basic":
                lines.append(b"%b: Basic %b\r\n" % (slot.name, b64encode(value)))
            case "query":
                pairs.append(f"{quote_from_bytes(slot.name)}={quote_from_bytes(value, safe='')}")
            case _:
                assert_never(slot.place)
    echo = Echo(echoes) if echoes else None
    return Injection(b"".join(lines), "&".join(pairs), echo)


def _echoes(slot: Slot, value: bytes) -> list[bytes]:
    """Return what of a slot's value an answer must not show."""
    secret = value[len(slot.before) : len(value) - len(slot.after)]
    return [secret, b64encode(value)] if slot.place == "basic" else [secret]


def _value(slot: Slot, secret: Secret) -> bytes:
    # The one line that reveals.
    return slot.before + secret.reveal() + slot.after
