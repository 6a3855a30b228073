"""An upstream with all that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.dataplane.gauge import Gauge
    from proxy.dataplane.headers import RequestRules
    from proxy.dataplane.headers_back import ResponseRules
    from proxy.dataplane.inject import Injector
    from proxy.dataplane.model import Credential, Rate
    from proxy.dataplane.policy import Policy
    from proxy.upstream.pool import Pool


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
        rate: of all its requests, or None.
        gauge: of all its requests at once, or None.
        pools: those for clients' own credentials, by the credential's name.
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
    rate: Rate | None = None
    gauge: Gauge | None = None
    pools: Mapping[str, Pool] = field(default_factory=dict)

    def pool_for(self, injector: Injector) -> Pool:
        """Return the connections on which requests with a credential are sent, and no others."""
        credential = injector.credential
        if injector is self.injector or credential is None:
            return self.pool
        return self.pools[credential.name]

    @property
    def credential(self) -> Credential | None:
        """The injected credential; None where the configuration says `none`."""
        return self.injector.credential
