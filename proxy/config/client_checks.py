"""Rules across clients: what they name exists, and no two of them can be taken for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.config import bonds
from proxy.config.describe import close_to


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy.config.client import ClientConfig, JwtConfig
    from proxy.config.clients import ClientsUnreadable
    from proxy.config.errors import Path, Problem
    from proxy.config.schema import Config
    from proxy.config.scope import Finding, Scope

    Words = Callable[[Path], str]


def all_of(scope: Scope) -> Iterator[Finding]:
    """Yield every rule that the clients of the main file break, with the key path to tell it at."""
    checks = ClientChecks(scope, scope.where)
    for name, client in scope.config.clients.items():
        yield from checks.of(("clients", name), client)


class ClientChecks:
    """Checks one client after the other, for there may be thousands.

    Args:
        scope: what their names are looked up in.
        where: a key path of a client in words.
        before: what checked the clients of the main file, if these are of another.
    """

    def __init__(self, scope: Scope, where: Words, before: ClientChecks | None = None) -> None:
        self._scope = scope
        self.where = where
        self._before = before
        self._certificates = _may_ask_for_certificates(scope)
        # What tells earlier clients apart, and where it is written.
        self.seen: dict[object, Path] = {}
        self.key_sets: dict[str, str] = {} if before is None else dict(before.key_sets)

    def of(self, path: Path, client: ClientConfig) -> Iterator[Finding]:
        """Yield every rule that a client breaks.

        Args:
            path: the client's key path.
            client: valid by itself.
        """
        for index, name in enumerate(client.routes or ()):
            if name not in self._scope.routes:
                yield (*path, "routes", index), self._no_route(name)
        for route, name in client.credentials.items():
            yield from self._credential((*path, "credentials", route), client, route, name)
        if client.certificate is not None and not self._certificates:
            yield (
                (*path, "certificate"),
                "no listener asks for certificates; give one tls: {cert, key, client_ca}",
            )
        yield from self._told_apart(path, client)
        if client.jwt is not None:
            yield from self._one_key_set(path, client.jwt)

    def _no_route(self, name: str) -> str:
        known = sorted(self._scope.routes)
        similar = close_to(name, known)
        return f"no route of that name{similar or '; there are ' + ', '.join(known)}"

    def _credential(
        self, path: Path, client: ClientConfig, route: str, name: str
    ) -> Iterator[Finding]:
        if route not in self._scope.routes:
            yield path, self._no_route(route)
            return
        if client.routes is not None and route not in client.routes:
            yield (
                path,
                "is for a route that is not in the client's routes; add it there",
            )
        made = self._scope.config.routes.get(route)
        if made is None:
            return  # not valid, which is told already
        yield from bonds.named(self._scope, path, made, name)
        scheme = self._scope.config.credentials.get(name)
        if scheme is None:
            return
        taken = bonds.headers_taken(scheme, made)
        if taken or bonds.kept(scheme, made):
            key = "set_headers" if taken else "strip.keep"
            yield path, f"goes where the route's {key} has something else; choose another"

    def _told_apart(self, path: Path, client: ClientConfig) -> Iterator[Finding]:
        for below, mark in _marks(client):
            at = (*path, *below)
            other = self._other(mark, at)
            if other is not None:
                yield at, f"the same as {other}; change one of them"

    def _one_key_set(self, path: Path, jwt: JwtConfig) -> Iterator[Finding]:
        at = (*path, "jwt", "jwks_url")
        other = self._other(("issuer", jwt.issuer), at)
        if self.key_sets.setdefault(jwt.issuer, jwt.jwks_url) != jwt.jwks_url:
            yield at, f"is another than {other}, of the same issuer; an issuer has one"

    def _other(self, mark: object, at: Path) -> str | None:
        """Return where an earlier client has the same, in words; None if this is the first."""
        if self._before is not None and mark in self._before.seen:
            return self._before.where(self._before.seen[mark])
        other = self.seen.setdefault(mark, at)
        return None if other == at else self.where(other)


def _may_ask_for_certificates(scope: Scope) -> bool:
    """Return whether a listener asks for certificates, or may do where something is wrong."""
    if not scope.listeners_known or scope.routes != set(scope.config.routes):
        return True
    listeners = (listen for _, listen in scope.config.listeners())
    return any(each.tls is not None and each.tls.client_ca is not None for each in listeners)


def _marks(client: ClientConfig) -> Iterator[tuple[Path, object]]:
    """Yield what tells a client apart from others, with its key path below the client."""
    for index, digest in enumerate(client.key):
        yield ("key", index), digest
    if client.jwt is not None:
        jwt = client.jwt
        yield ("jwt",), (jwt.issuer, jwt.audience, frozenset(jwt.claims.items()))
    if client.certificate is not None:
        yield ("certificate",), client.certificate.subject


def unreadable(config: Config, error: ClientsUnreadable) -> Problem:
    """Return why the clients file cannot be read, at the key that names it, with what to do."""
    absent = config.clients_file is not None and not config.clients_file.exists()
    advice = "; `keybearer keys new NAME --routes A,B` makes it" if absent else ""
    return config.problem_at(("clients_file",), f"{error}{advice}")
