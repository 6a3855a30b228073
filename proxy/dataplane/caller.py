"""A client of the gateway: what it may ask for, and in whose name."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 -- the compiled build looks the types up
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.dataplane.errors import PolicyDenied
from proxy.dataplane.gauge import Gauge  # noqa: TC001 -- as above
from proxy.dataplane.inject import Injector  # noqa: TC001 -- as above
from proxy.dataplane.model import Rate  # noqa: TC001 -- as above
from proxy.dataplane.policy import Policy  # noqa: TC001 -- as above


if TYPE_CHECKING:
    from proxy.dataplane.route import Route


@dataclass(frozen=True, slots=True)
class Caller:
    """A client, ready to be judged by.

    Attributes:
        name: as configured.
        routes: the names of those it may use; None: all.
        policy: what it may ask of them, on top of the routes' own.
        injectors: its own credentials, by the name of the route; the others are the routes'.
        rate: of its requests, or None.
        gauge: of its requests at once, or None.
    """

    name: str
    routes: frozenset[str] | None
    policy: Policy
    injectors: Mapping[str, Injector]
    rate: Rate | None = None
    gauge: Gauge | None = None

    def injector(self, route: Route) -> Injector:
        """Return what puts the credential on: the client's own, or the route's."""
        return self.injectors.get(route.name, route.injector)

    def check(self, route: str, method: str, path: str) -> str:
        """Let a request through; return the rule that allows it, or "".

        Args:
            route: its name.
            method: as sent.
            path: undecoded, without query and prefix.

        Raises:
            PolicyDenied: the route, the method or the path is not for this client.
        """
        if self.routes is not None and route not in self.routes:
            raise PolicyDenied(
                "This client may not use the route; its `routes` are in the configuration.",
                rule=f"clients.{self.name}.routes",
            )
        policy = self.policy
        if policy.methods is not None and method not in policy.methods:
            raise PolicyDenied(
                "This client may not use the method; its `methods` are in the configuration.",
                rule=f"clients.{self.name}.methods",
            )
        return policy.decide(method, path) if policy.rules else ""
