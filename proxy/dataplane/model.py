"""The values that the steps of the data plane share: one immutable snapshot, one head a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol


if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence

    from proxy.dataplane.guard import Guard
    from proxy.dataplane.headers import RequestRules, ResponseRules
    from proxy.dataplane.inject import Injector
    from proxy.dataplane.policy import Policy
    from proxy.dataplane.rewrite import Base
    from proxy.dataplane.router import Router
    from proxy.dataplane.tunnel import End
    from proxy.secret import Secret
    from proxy.upstream.pool import Pool


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


class Named(Protocol):
    """The fields of a head by name, in any case; the first of several."""

    def get(self, key: str, default: str, /) -> str:
        """Return the first value of a field, or `default`."""
        ...

    def getall(self, key: str, /) -> list[str]:
        """Return every value of the field."""
        ...

    def __contains__(self, key: object, /) -> bool: ...


class Head(NamedTuple):
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
    """

    method: str
    target: str
    version: tuple[int, int]
    fields: Sequence[tuple[bytes, bytes]]
    named: Named
    length: int | None
    chunked: bool
    keep_alive: bool
    upgrade: bool = False

    @property
    def http10(self) -> bool:
        """An HTTP/1.0 client knows neither chunks nor informational answers."""
        return self.version == (1, 0)


class Body(Protocol):
    """A request's body as it comes in."""

    @property
    def ended(self) -> bool:
        """Whether all of it has come (it may still have to be read)."""
        ...

    async def read(self) -> bytes:
        """Return what has come, waiting for some; empty at the end.

        Raises:
            BadRequest: its framing is broken.
        """
        ...

    def take(self) -> bytes:
        """Return what has come, without waiting."""
        ...


class Client(Protocol):
    """The client's end of an exchange, as the relay writes to it."""

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    async def drain(self) -> None:
        """Wait while the client reads more slowly than we write."""
        ...

    def abort(self, *, reset: bool) -> None:
        """Break the connection, so that the answer cannot be taken for a whole one."""
        ...

    def hand_over(self, heir: End) -> tuple[asyncio.Transport | None, bytes]:
        """Give the connection away, for good.

        Args:
            heir: is told of all that happens on it from now on.

        Returns:
            its transport, None if the client has left, and what has come behind the request.
        """
        ...


class Entrance(NamedTuple):
    """How a request came in.

    Attributes:
        kind: `shared`: a listener of all routes; `own`: one route's listener. The forward and the
            intercepted entrance will be further kinds.
        scheme: `http` or `https`, as the client sees it.
        authority: what the client calls us, as sent; None for HTTP/1.0 without Host.
        prefix: what stands before the upstream's own path, where the entrance alone tells it.
        guarded: a TCP listener, which web pages and other machines can reach.
        route: the name of an own listener's route.
    """

    kind: Literal["shared", "own"]
    scheme: str
    authority: str | None
    prefix: str = ""
    guarded: bool = True
    route: str | None = None


class Peer(NamedTuple):
    """Who is at the other end of the client's connection.

    Attributes:
        address: an IP address, or "unix".
    """

    address: str


@dataclass(frozen=True, slots=True)
class Route:
    """An upstream with its entrances, its credential and its rules, ready to use.

    Attributes:
        name: as configured.
        pool: the upstream's connections.
        path: the prefix on shared listeners, or None.
        hosts: virtual hosts, lower case.
        policy: what may be asked for.
        request: what of a request's fields and query goes on.
        response: what of an answer's fields comes back.
        injector: puts the credential on.
        body_limit: bytes of a request's body, or None.
        replay_buffer: bytes of a request's body that are kept for a second attempt.
        upgrade: protocols that are tunnelled, in lower case.
    """

    name: str
    pool: Pool
    path: str | None
    hosts: tuple[str, ...]
    policy: Policy
    request: RequestRules
    response: ResponseRules
    injector: Injector
    body_limit: int | None
    replay_buffer: int
    upgrade: frozenset[str] = frozenset()

    @property
    def credential(self) -> Credential | None:
        """The injected credential; None where the configuration says `none`."""
        return self.injector.credential


@dataclass(frozen=True, slots=True)
class Mount:
    """A route as one way to it shows it.

    Attributes:
        route: whose upstream is meant.
        prefix: what is cut off the path, and put before the upstream's references: "" or "/name".
        base: the same for `rewrite`.
    """

    route: Route
    prefix: str
    base: Base


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a request is judged by. A request keeps the one it began with.

    Attributes:
        router: finds the route.
        guard: knows the accepted hosts.
        routes: by name.
    """

    router: Router
    guard: Guard
    routes: Mapping[str, Route]
