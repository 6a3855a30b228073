"""Callers: what the clients of a configuration become for the data plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.access.registry import Entry
from proxy.dataplane.caller import Caller
from proxy.dataplane.gauge import Gauge
from proxy.dataplane.model import Rate
from proxy.dataplane.policy import Policy, rule


if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from proxy.config.client import ClientConfig
    from proxy.dataplane.inject import Injector


_NO_POLICY: Final = Policy(None)


class Callers:
    """Makes callers; what many of them have in common is made once.

    Args:
        injector: makes the injector of a route (its name) for a named credential.

    Attributes:
        injectors: those that were made, by the names of the route and the credential.
    """

    def __init__(self, injector: Callable[[str, str], Injector]) -> None:
        self._injector = injector
        self.injectors: dict[tuple[str, str], Injector] = {}
        self._gauges: dict[str, Gauge] = {}

    def entry(self, name: str, client: ClientConfig) -> Entry:
        """Return a client with what it is known by."""
        rate, routes = client.rate, client.routes
        caller = Caller(
            name,
            None if routes is None else frozenset(routes),
            self._policy(name, client),
            {route: self._own(route, own) for route, own in client.credentials.items()},
            None if rate is None else Rate("client", name, rate.amount, rate.seconds),
            self._gauge(name, client.concurrency),
        )
        subject = None if client.certificate is None else client.certificate.subject
        return Entry(caller, client.key, client.expires, subject)

    @staticmethod
    def new_limits(known: Iterable[tuple[ClientConfig, Entry]]) -> list[tuple[Gauge, int]]:
        """Return the gauges that go on counting under another limit, each with that limit.

        Args:
            known: clients, and what they have become. Set the limits when they are in use.
        """
        found = []
        for client, entry in known:
            gauge, limit = entry.caller.gauge, client.concurrency
            if gauge is not None and limit is not None and gauge.limit != limit:
                found.append((gauge, limit))
        return found

    def gone(self, but: Container[str]) -> list[str]:
        """Return the names, less these, that something is remembered of."""
        return [name for name in self._gauges if name not in but]

    def forget(self, names: Iterable[str]) -> None:
        """Forget the clients of these names that have no request under way."""
        for name in names:
            if not self._gauges[name].taken:
                del self._gauges[name]

    def _policy(self, name: str, client: ClientConfig) -> Policy:
        if client.methods is None and not client.rules:
            return _NO_POLICY
        label = f"clients.{name}"
        rules = [
            rule(
                each.methods, each.paths, allow=each.action == "allow", label=f"{label}.rules[{i}]"
            )
            for i, each in enumerate(client.rules)
        ]
        return Policy(client.methods, rules, label=label)

    def _own(self, route: str, credential: str) -> Injector:
        key = route, credential
        if key not in self.injectors:
            self.injectors[key] = self._injector(route, credential)
        return self.injectors[key]

    def _gauge(self, name: str, limit: int | None) -> Gauge | None:
        """Return the client's gauge, which goes on counting over a reload; see `new_limits`."""
        if limit is None:
            return None
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(limit, f"clients.{name}.concurrency")
        return gauge
