"""Rules on a credential at a route: it is known, bound to the upstream, and its place is free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.config.describe import close_to
from proxy.dataplane.names import fold


if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.config.errors import Path
    from proxy.config.schema import RouteConfig
    from proxy.config.scheme import Scheme
    from proxy.config.scope import Finding, Scope


def named(scope: Scope, path: Path, route: RouteConfig, name: str) -> Iterator[Finding]:
    """Yield what keeps a named credential from a route, told at the key path of its name."""
    if name not in scope.credentials:
        if scope.credentials_known:
            known = sorted(scope.credentials)
            there = f"; there are {', '.join(known)}" if known else "; add it under credentials:"
            yield path, f"no credential of that name{close_to(name, known) or there}"
        return
    credential = scope.config.credentials.get(name)
    if credential is not None and credential.origin != route.upstream:
        other = scope.where(("credentials", name, "origin"))
        yield path, f"is bound to another origin than this route's upstream: {other}"


def puts_two_into_one(scheme: Scheme) -> bool:
    """Whether a scheme has a header twice."""
    injected = _injected(scheme)
    return len(set(injected)) < len(injected)


def headers_taken(scheme: Scheme, route: RouteConfig) -> list[str]:
    """Return the names in a route's `set_headers` that are the credential's."""
    injected = _injected(scheme)
    return [name for name in route.set_headers if fold(name) in injected]


def kept(scheme: Scheme, route: RouteConfig) -> list[int]:
    """Return which names of a route's `strip.keep` are where the credential goes."""
    injected = _injected(scheme)
    parameter = None if scheme.query is None else _folded_query(scheme.query.name)
    return [
        index
        for index, name in enumerate(route.strip.keep)
        if fold(name) in injected or _folded_query(name) == parameter
    ]


def _injected(scheme: Scheme) -> list[str]:
    return [fold(name) for name in scheme.header_names()]


def _folded_query(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
