"""The values that the steps of the data plane share. None changes once it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol


if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from proxy.dataplane.caller import Caller
    from proxy.dataplane.errors import Refusal
    from proxy.secret import Secret


CredentialState = Literal["ready", "stale", "unavailable"]


class Credential(Protocol):
    """A credential as a request meets it: its value may change between two requests."""

    @property
    def name(self) -> str:
        """Name it for logs."""
        ...

    @property
    def state(self) -> CredentialState:
        """Tell whether it can be injected."""
        ...

    def current(self) -> Sequence[Secret] | None:
        """Return one secret for each slot of the scheme, or None while unavailable.

        The same object until the value changes, a new one after: what was made of it is kept.
        """
        ...


class Stranger:
    """Whoever shows a key, a token or a certificate that is no client's.

    Attributes:
        cause: what is wrong with it, for the log alone: fixed words, and nothing of it.
    """

    __slots__ = ("cause",)

    def __init__(self, cause: str) -> None:
        self.cause = cause

    def __repr__(self) -> str:
        return f"Stranger({self.cause})"


class Clients(Protocol):
    """Who may use the gateway. It changes as a whole between two requests."""

    def by_value(self, value: str) -> Caller | None:
        """Return the client that came with the same value of a slot before, if it still may."""
        ...

    def by_key(self, key: str, value: str) -> Caller | Stranger:
        """Return the client whose key this is, or why it is none: unknown, wrong, expired.

        Args:
            key: as offered.
            value: of the slot, to be known by the next time; "" for nothing.
        """
        ...

    def issues(self, token: str) -> bool:
        """Tell whether this is a JWT of one of the issuers that are configured, good or not."""
        ...

    def by_token(self, token: str) -> Caller | Stranger:
        """Return the client whose JWT this is, or why it is none.

        Raises:
            KeysWanted: its issuer is to be asked for keys first.
            ClientKeysUnavailable: the issuer's keys could never be had.
        """
        ...

    def has(self, name: str) -> bool:
        """Tell whether a client has this name."""
        ...

    def by_certificate(self, subject: str) -> Caller | Stranger:
        """Return the client whose verified certificate has this subject, or why it is none."""
        ...

    def failed(self, peer: Peer, cause: str) -> Refusal:
        """Count a key that was not right; return how to refuse it: in the same way for each cause.

        Args:
            peer: who has shown it.
            cause: for the log.
        """
        ...


class Rate:
    """So many requests in so many seconds.

    Attributes:
        scope: whose it is.
        name: of the route or client.
        amount: requests.
        seconds: the width of the window that slides along.
    """

    __slots__ = ("amount", "name", "scope", "seconds")

    def __init__(
        self, scope: Literal["route", "client"], name: str, amount: int, seconds: int
    ) -> None:
        self.scope = scope
        self.name = name
        self.amount = amount
        self.seconds = seconds

    def __repr__(self) -> str:
        return f"Rate({self.scope} {self.name}: {self.amount} in {self.seconds} s)"


class Limiter(Protocol):
    """Counts requests, here or where replicas count together."""

    def admit(self, rates: Sequence[Rate]) -> Awaitable[None]:
        """Count a request; to be awaited.

        Raises:
            RateLimited: it is one too many.
            CountUnavailable: it cannot be counted, and is not let through uncounted.
        """
        ...


class Audit(Protocol):
    """Where each decision is written down."""

    def check(self) -> None:
        """Let a request come to a decision.

        Raises:
            AuditUnavailable: it could not be written down.
        """
        ...

    def line(self, text: bytes, /) -> None:
        """Write a decision down: a line without its end."""
        ...


class Named(Protocol):
    """The fields of a head by name, in any case; the first of several."""

    def get(self, key: str, default: str, /) -> str:
        """Return the first value of a field, or `default`."""
        ...

    def getall(self, key: str, /) -> list[str]:
        """Return every value of the field."""
        ...

    def __contains__(self, key: object, /) -> bool: ...


class Head:
    """A request's head as the parser read it.

    Attributes:
        method: as sent.
        target: the request target as sent.
        version: major and minor.
        fields: name and value of each field, as sent, in order.
        named: the same by name.
        length: of the body as the parser has read it; None if it is chunked or not told.
        chunked: the body is in chunks.
        keep_alive: the client may send another request on the connection.
        upgrade: another protocol is asked for; what comes behind the head is kept for it.
        authority: the Host field, or None.
        http10: an HTTP/1.0 client knows neither chunks nor informational answers.
    """

    __slots__ = (
        "authority", "chunked", "fields", "http10", "keep_alive", "length", "method", "named",
        "target", "upgrade", "version",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913, PLR0917 -- as many as a head has parts
        self,
        method: str,
        target: str,
        version: tuple[int, int],
        fields: Sequence[tuple[bytes, bytes]],
        named: Named,
        length: int | None,
        chunked: bool,  # noqa: FBT001 -- as above
        keep_alive: bool,  # noqa: FBT001 -- as above
        upgrade: bool = False,  # noqa: FBT001, FBT002 -- as above
        authority: str | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.fields = fields
        self.named = named
        self.length = length
        self.chunked = chunked
        self.keep_alive = keep_alive
        self.upgrade = upgrade
        self.authority = authority
        self.http10 = version == (1, 0)


class Entrance:
    """How a request came in.

    Attributes:
        kind: `shared`: a listener of all routes; `own`: one route's listener. The forward and the
            intercepted entrance will be further kinds.
        scheme: `http` or `https`, as the client sees it.
        authority: what the client calls us, as sent; None for HTTP/1.0 without Host.
        guarded: a TCP listener, which web pages and other machines can reach.
        route: the name of an own listener's route.
        local: the address of ours that the connection came in on; "" where there is none.
    """

    __slots__ = ("authority", "guarded", "kind", "local", "route", "scheme")

    def __init__(
        self,
        kind: Literal["shared", "own"],
        scheme: str,
        authority: str | None,
        *,
        guarded: bool = True,
        route: str | None = None,
        local: str = "",
    ) -> None:
        self.kind = kind
        self.scheme = scheme
        self.authority = authority
        self.guarded = guarded
        self.route = route
        self.local = local

    def called(self, authority: str | None, local: str) -> Entrance:
        """Return the same entrance by another name, at an address of ours."""
        return Entrance(
            self.kind,
            self.scheme,
            authority,
            guarded=self.guarded,
            route=self.route,
            local=local,
        )


class Peer:
    """Who asks.

    Attributes:
        address: an IP address, or "unix": of the other end of the client's connection, or of the
            client that a trusted proxy there asks for.
        certificate: the subject (RFC 4514) of the certificate that was verified, or None.
        proxy: the address of the trusted proxy at the other end; None: there is none.
    """

    __slots__ = ("address", "certificate", "proxy")

    def __init__(
        self, address: str, certificate: str | None = None, proxy: str | None = None
    ) -> None:
        self.address = address
        self.certificate = certificate
        self.proxy = proxy
