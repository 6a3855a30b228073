"""Rules across keys: what each value allows, but not all of them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from proxy.config import bonds, client_checks, presets
from proxy.config.addresses import TcpAddress, serves
from proxy.config.scheme import Scheme
from proxy.dataplane.names import fold


if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy.config.addresses import UnixAddress
    from proxy.config.errors import Path
    from proxy.config.schema import RouteConfig
    from proxy.config.scope import Finding, Scope


Value = TypeVar("Value")
# Where every route looks for a client's key: what stands there is taken off.
_KEY_SLOTS: Final = frozenset({"authorization", "proxy-authorization", "access-token", "x-api-key"})


def all_of(scope: Scope) -> Iterator[Finding]:
    """Yield every rule that is broken, with the key path to tell it at."""
    for name, route in scope.config.routes.items():
        path = ("routes", name)
        yield from _credential(scope, path, scope.written.routes[name])
        yield from _placement(scope, path, route)
        yield from _kept(scope, path, route)
        yield from _upstream(path, route)
    yield from _same_paths(scope)
    yield from _same_hosts(scope)
    if scope.listeners_known:
        yield from _listeners(scope)
    yield from client_checks.all_of(scope)
    if scope.config.audit is not None and scope.config.audit.file == scope.config.clients_file:
        yield ("audit", "file"), "is the clients_file; give it a file of its own"


def _credential(scope: Scope, path: Path, route: RouteConfig) -> Iterator[Finding]:
    given = "credential" in route.model_fields_set
    if given and route.token is not None:
        yield (*path, "token"), "stands beside credential; give one of the two"
    elif route.token is not None and route.preset is None:
        yield (*path, "token"), "needs a preset; without one give credential: {bearer: SOURCE}"
    elif route.token is None and not given:
        yield path, _no_credential(route.preset)
    elif isinstance(route.credential, str):
        yield from bonds.named(scope, (*path, "credential"), route, route.credential)


def _no_credential(preset: str | None) -> str:
    if preset is None:
        return "needs credential: a name, one scheme such as {bearer: {env: NAME}}, or none"
    variable = presets.get(preset).token_env
    return f"needs a credential; give token: {{env: {variable}}}, or credential: none"


def _placement(scope: Scope, path: Path, route: RouteConfig) -> Iterator[Finding]:
    choice = route.credential
    scheme = scope.config.credentials.get(choice) if isinstance(choice, str) else choice
    if not isinstance(scheme, Scheme):
        return
    if bonds.puts_two_into_one(scheme):
        yield (*path, "credential"), "puts two values into one header; name each header once"
    for name in bonds.headers_taken(scheme, route):
        yield (*path, "set_headers", name), "is the credential's own header; leave it out"
    for index in bonds.kept(scheme, route):
        yield (*path, "strip", "keep", index), "is where the credential goes; it cannot be kept"


def _kept(scope: Scope, path: Path, route: RouteConfig) -> Iterator[Finding]:
    for index, name in enumerate(route.strip.keep if scope.has_clients else ()):
        if fold(name) in _KEY_SLOTS:
            yield (
                (*path, "strip", "keep", index),
                "is where a client's key is looked for; it cannot be kept while there are clients",
            )


def _upstream(path: Path, route: RouteConfig) -> Iterator[Finding]:
    plain = route.upstream.scheme == "http"
    if plain and not route.upstream.is_loopback and not route.insecure_upstream:
        yield (
            (*path, "upstream"),
            "sends the credential unencrypted; use https, or say insecure_upstream: true",
        )
    tls = route.tls
    if plain and any((tls.ca, tls.client_cert, tls.client_key, tls.server_name)):
        yield (*path, "tls"), "has no use with an http upstream; use https, or leave it out"
    own = [fold(name) for name in route.set_headers]
    if len(set(own)) < len(own):
        yield (*path, "set_headers"), "sets one header twice; keep one"


def _same_paths(scope: Scope) -> Iterator[Finding]:
    paths = (
        (("routes", name, "path"), route.path.lower())
        for name, route in scope.config.routes.items()
        if route.path is not None
    )
    yield from _ties(scope, paths, "the same path as", lambda one, two: one == two)


def _same_hosts(scope: Scope) -> Iterator[Finding]:
    hosts = (
        (("routes", name, "hosts"), host)
        for name, route in scope.config.routes.items()
        for host in route.hosts
    )
    yield from _ties(scope, hosts, "the same host as", lambda one, two: one == two)


def _ties(
    scope: Scope,
    places: Iterator[tuple[Path, Value]],
    what: str,
    equal: Callable[[Value, Value], bool],
) -> Iterator[Finding]:
    seen: list[tuple[Path, Value]] = []
    for path, value in places:
        other = next((before for before, known in seen if equal(known, value)), None)
        if other is not None:
            yield path, f"{what} {scope.where(other)}; change one of them"
        seen.append((path, value))


def _listeners(scope: Scope) -> Iterator[Finding]:
    entries = list(scope.config.listeners())
    places = ((path, entry.address) for path, entry in entries)
    yield from _ties(scope, places, "the same address as", _overlap)
    for path, entry in entries:
        if isinstance(entry.address, TcpAddress):
            yield from _open(scope, path, entry.address)
    addresses = [entry.address for _, entry in entries]
    for name, route in scope.config.routes.items():
        yield from _loop(scope, ("routes", name, "upstream"), route, addresses)
        if not scope.config.listen and not route.listen:
            yield ("routes", name), "no entrance reaches it; give it or the file a listen:"


def _overlap(one: TcpAddress | UnixAddress, two: TcpAddress | UnixAddress) -> bool:
    if isinstance(one, TcpAddress) and isinstance(two, TcpAddress):
        return one.overlaps(two)
    return one == two


def _open(scope: Scope, path: Path, address: TcpAddress) -> Iterator[Finding]:
    if not (address.is_loopback or scope.config.insecure_open or scope.has_clients):
        yield (
            path,
            (
                "anybody in the network could use the credentials; name clients:, listen on "
                "127.0.0.1 or a unix socket, or say insecure_open: true if the network itself is "
                "private"
            ),
        )


def _loop(
    scope: Scope, path: Path, route: RouteConfig, addresses: list[TcpAddress | UnixAddress]
) -> Iterator[Finding]:
    host, port = route.upstream.host, route.upstream.port
    ours = {name for other in scope.config.routes.values() for name in other.hosts}
    for each in scope.config.allow_hosts:
        if isinstance(each, str):
            ours.add(each)
        elif each.num_addresses == 1:  # in a larger network are other machines, too
            ours.add(str(each.network_address))
    for address in addresses:
        if not isinstance(address, TcpAddress):
            continue
        if serves(address, "localhost" if host in ours else host, port):
            yield path, "is an address of this proxy; requests would go round for ever"
            return
