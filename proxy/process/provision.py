"""Provision: Config → Snapshot. Reads secrets and certificates, and refuses doubt."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple, overload

from proxy.config.errors import ConfigError
from proxy.config.exposure import in_clear
from proxy.config.settle import binding, named_binding, too_short
from proxy.credentials.fixed import FixedCredential
from proxy.dataplane.cors import Cors
from proxy.dataplane.gauge import Gauge
from proxy.dataplane.guard import Guard
from proxy.dataplane.headers import RequestRules, Stripping
from proxy.dataplane.headers_back import ResponseRules
from proxy.dataplane.inject import Injector
from proxy.dataplane.judge import Snapshot
from proxy.dataplane.model import Rate
from proxy.dataplane.policy import Policy, rule
from proxy.dataplane.route import Route
from proxy.dataplane.router import Router
from proxy.process.secrets import Secrets, slots
from proxy.upstream.connection import Timeouts
from proxy.upstream.pool import Endpoint, Pool
from proxy.upstream.resolver import Resolver
from proxy.upstream.tls import TlsSettings, client_context


if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.config.errors import Path as KeyPath, Problem
    from proxy.config.grants import RateConfig
    from proxy.config.schema import Config, RouteConfig
    from proxy.config.settle import Binding
    from proxy.observe.log import Log
    from proxy.process.gateway import Gateway
    from proxy.upstream.sweep import Sweep


class Provisioned(NamedTuple):
    """What a configuration has become.

    Attributes:
        snapshot: what requests are judged by.
        credentials: each once.
        pools: each once.
        resolver: of the names that upstreams have, and issuers of tokens.
        gateway: who may use it; None: nobody is asked.
        own: what puts clients' own credentials on, by the names of the route and the credential.
        warnings: what the operator should know, one sentence each.
    """

    snapshot: Snapshot
    credentials: tuple[FixedCredential, ...]
    pools: tuple[Pool, ...]
    resolver: Resolver
    gateway: Gateway | None
    own: Mapping[tuple[str, str], Injector]
    warnings: tuple[str, ...]


def provision(config: Config, environ: Mapping[str, str], sweep: Sweep, log: Log) -> Provisioned:
    """Make a snapshot; needs a running loop.

    Args:
        config: settled.
        environ: what `env:` sources are read from.
        sweep: watches the upstream connections.
        log: of what changes later.

    Raises:
        ConfigError: every secret, certificate or client that cannot be had, with its place.
    """
    works = _Works(config, environ, sweep)
    routes = {name: works.route(name, route) for name, route in config.routes.items()}
    gateway = works.gateway(log)
    secrets = works.secrets
    if problems := [*secrets.missing, *secrets.problems, *works.problems]:
        raise ConfigError(*problems)
    guard = Guard(
        (host for route in routes.values() for host in route.hosts),
        allowed=config.allow_hosts,
        cors=Cors(config.cors.allow_origins),
        any_name=gateway is not None and not config.allow_hosts,
    )
    clients = None if gateway is None else gateway.registry
    return Provisioned(
        Snapshot(Router(routes.values()), guard, routes, clients),
        tuple(works.credentials.values()),
        tuple(works.pools.values()),
        works.resolver,
        gateway,
        works.own,
        (*secrets.warnings, *secrets.odd, *too_short(config, secrets.known), *in_clear(config)),
    )


class _Works:
    """Makes routes one by one; what they share is made once."""

    def __init__(self, config: Config, environ: Mapping[str, str], sweep: Sweep) -> None:
        self.config = config
        self.problems: list[Problem] = []
        self.credentials: dict[str, FixedCredential] = {}
        self.secrets = Secrets(config, environ)
        self.pools: dict[object, Pool] = {}
        self.own: Mapping[tuple[str, str], Injector] = {}
        self._sweep = sweep
        self.resolver = Resolver()

    def gateway(self, log: Log) -> Gateway | None:
        if not self.config.has_clients:
            return None
        from proxy.config.client_checks import unreadable  # noqa: PLC0415 -- the start stays short
        from proxy.config.clients import ClientsUnreadable  # noqa: PLC0415 -- the same
        from proxy.process.callers import Callers  # noqa: PLC0415 -- the same
        from proxy.process.gateway import Gateway  # noqa: PLC0415 -- the same

        if self.config.clients_file is not None:
            # Whoever is added later may have any of them: they must be at hand.
            for name in self.config.credentials:
                self._credential(name, named_binding(self.config, name))
        callers = Callers(self._clients_injector)
        self.own = callers.injectors
        gateway = Gateway(self.config, callers, self._sweep, self.resolver, log)
        try:
            gateway.load()
        except ClientsUnreadable as error:
            self.problems.append(unreadable(self.config, error))
        except ConfigError as error:
            self.problems.extend(error.problems)
        except ModuleNotFoundError as error:
            self._problem(("clients",), f"needs {error.name}: pip install 'keybearer[gateway]'")
        return gateway

    def _clients_injector(self, route: str, credential: str) -> Injector:
        bound = named_binding(self.config, credential)
        return self._injector(route, bound, echo_guard=self.config.routes[route].echo_guard)

    def route(self, name: str, config: RouteConfig) -> Route:
        bound = binding(self.config, name)
        limits = config.limits
        return Route(
            name=name,
            pool=self._pool(name, config, _credential_name(name, bound)),
            path=config.path,
            hosts=config.hosts,
            policy=_policy(name, config),
            request=self._request_rules(config, bound),
            response=ResponseRules(cookies_pass=config.cookies == "pass"),
            injector=self._injector(name, bound, echo_guard=config.echo_guard),
            body_limit=config.limits.body,
            replay_buffer=config.replay_buffer,
            upgrade=frozenset(config.upgrade),
            rate=None if limits.rate is None else _rate(name, limits.rate),
            gauge=None if limits.concurrency is None else _gauge(name, limits.concurrency),
            pools={each: self._pool(name, config, each) for each in self._clients_own(config)},
        )

    def _clients_own(self, config: RouteConfig) -> list[str]:
        """Return the credentials that clients may have at a route in place of its own."""
        if not self.config.has_clients:
            return []
        named = self.config.credentials
        return [name for name in named if named[name].origin == config.upstream]

    def _pool(self, name: str, config: RouteConfig, credential: str | None) -> Pool:
        tls, times = config.tls, config.timeouts
        settings = TlsSettings(tls.ca, tls.client_cert, tls.client_key, tls.server_name)
        timeouts = Timeouts(
            times.connect, times.response, times.idle, times.pool_idle, times.pool_age
        )
        # Never shared with another credential: an answer that comes late, or twice, is its own.
        key = (config.upstream, settings, timeouts, credential)
        if key not in self.pools:
            context = self._context(name, settings) if config.upstream.scheme == "https" else None
            endpoint = Endpoint(config.upstream, context, settings.server_name, timeouts)
            self.pools[key] = Pool(endpoint, self._sweep, self.resolver)
        return self.pools[key]

    def _context(self, name: str, settings: TlsSettings) -> ssl.SSLContext | None:
        try:
            return client_context(settings)
        except ssl.SSLError:
            self._problem(("routes", name, "tls"), "a file holds no usable PEM certificate or key")
        except OSError as error:
            # OpenSSL's calls do not say which of the files it was.
            files = [str(f) for f in (settings.ca, settings.client_cert, settings.client_key) if f]
            reason = f"cannot read {' or '.join(files)}: {error.strerror}"
            self._problem(("routes", name, "tls"), reason)
        return None

    def _request_rules(self, config: RouteConfig, bound: Binding | None) -> RequestRules:
        headers, parameters = self._injected(config, bound)
        keep = set(config.strip.keep) | ({"cookie"} if config.cookies == "pass" else set())
        return RequestRules(
            config.upstream,
            Stripping(
                injected_headers=headers,
                injected_parameters=parameters,
                headers=frozenset(config.strip.headers),
                parameters=frozenset(config.strip.query),
                subprotocols=frozenset(config.strip.subprotocols),
                keep=frozenset(keep),
                overrides=config.methods is not None or bool(config.rules),
                keys=self.config.has_clients,
            ),
            set_fields=[
                (name.encode("ascii"), value.encode("utf-8"))
                for name, value in config.set_headers.items()
            ],
            forwarded=config.forwarded,
            host=config.upstream_host,
        )

    def _injected(
        self, config: RouteConfig, bound: Binding | None
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Return the fields and parameters that a route's credential, or a client's, goes into."""
        schemes = [] if bound is None else [bound.scheme]
        schemes += [self.config.credentials[name] for name in self._clients_own(config)]
        headers = frozenset(name for scheme in schemes for name in scheme.header_names())
        return headers, frozenset(s.query.name for s in schemes if s.query is not None)

    def _injector(self, name: str, bound: Binding | None, *, echo_guard: bool) -> Injector:
        if bound is None:
            return Injector(None, ())
        credential, places = self._credential(name, bound), tuple(slots(bound.scheme))
        return Injector(credential, places, echo_guard=echo_guard)

    def _credential(self, route: str, bound: Binding) -> FixedCredential:
        name = _credential_name(route, bound)
        if name not in self.credentials:
            required = any(source.required for _, source in bound.sources)
            self.credentials[name] = FixedCredential(
                name, self.secrets.read(bound), required=required
            )
        return self.credentials[name]

    def _problem(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.config.problem_at(path, message))


@overload
def _credential_name(route: str, bound: Binding) -> str: ...


@overload
def _credential_name(route: str, bound: None) -> None: ...


def _credential_name(route: str, bound: Binding | None) -> str | None:
    # A route's own credential is called after it; the slash keeps it apart from named ones.
    return None if bound is None else bound.name or f"{route}/token"


def _policy(name: str, config: RouteConfig) -> Policy:
    label = f"routes.{name}"
    rules = [
        rule(
            each.methods, each.paths, allow=each.action == "allow", label=f"{label}.rules[{index}]"
        )
        for index, each in enumerate(config.rules)
    ]
    return Policy(config.methods, rules, label=label)


def _rate(name: str, rate: RateConfig) -> Rate:
    return Rate("route", name, rate.amount, rate.seconds)


def _gauge(name: str, limit: int) -> Gauge:
    return Gauge(limit, f"routes.{name}.limits.concurrency")
