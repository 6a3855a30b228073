"""Which route: own listener, then virtual host, then path prefix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.dataplane.errors import HostDenied, NoRoute
from proxy.dataplane.rewrite import Base
from proxy.dataplane.route import Route  # noqa: TC001 -- the compiled build looks it up


if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from proxy.dataplane.model import Entrance


RESERVED: Final = "/_keybearer/"
"""On shared listeners these paths are the proxy's own."""

_LOCAL_SUFFIX: Final = ".localhost"


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


class Router:
    """Routes by listener, virtual host and path; one look-up costs the same for one as for many.

    Args:
        routes: whose hosts and paths are distinct.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        routes = tuple(routes)
        alone = {route.name: _mount(route, "") for route in routes}
        self._own = alone
        self._hosts = {host: alone[route.name] for route in routes for host in route.hosts}
        paths = [route.path for route in routes if route.path is not None]
        self._paths = {
            route.path: _mount(route, route.path, others=paths)
            for route in routes
            if route.path is not None
        }
        self._root = self._paths.get("")
        # Under each first segment the longest prefix wins, so the deepest is looked for first.
        depths: dict[str, set[int]] = {}
        for path in self._paths:
            depths.setdefault(_leading(path, 1), set()).add(path.count("/"))
        self._depths = {first: sorted(found, reverse=True) for first, found in depths.items()}
        self._alone = {first: self._paths[first] for first, found in depths.items() if found == {1}}
        """Where nothing deeper is configured."""

    def match(self, entrance: Entrance, host: str, path: str) -> Mount:
        """Find the route of a request.

        Args:
            entrance: how it came in.
            host: of its authority, folded; "" if it has none.
            path: undecoded.

        Raises:
            NoRoute: nothing is configured there. There is no default route.
            HostDenied: an unknown `x.localhost`, which must not fall through to the paths.
        """
        if entrance.route is not None:
            return self._own[entrance.route]
        mount = self._hosts.get(host)
        if mount is not None:
            return mount
        if host.endswith(_LOCAL_SUFFIX):
            raise HostDenied(
                "No route has this virtual host; `keybearer check` lists the routes and `hosts`.",
                cause=f"Host {host}",
            )
        end = path.find("/", 1)
        first = path if end < 0 else path[:end]
        mount = self._alone.get(first)
        if mount is not None:
            return mount
        for depth in self._depths.get(first, ()):
            mount = self._paths.get(first if depth == 1 else _leading(path, depth))
            if mount is not None:
                return mount
        if self._root is not None:
            return self._root
        raise NoRoute("No route is configured for this path; `keybearer check` lists the routes.")


def _mount(route: Route, prefix: str, others: Sequence[str] | None = None) -> Mount:
    """Return a route at a prefix; the other prefixes beside it, or None where it is alone."""
    beside = [each for each in others or () if each != prefix]
    if others is not None:
        beside.append(RESERVED.rstrip("/"))
    base = Base(
        route.pool.endpoint.origin,
        prefix.encode("ascii"),
        shared=others is not None,
        others=tuple([each.encode("ascii") for each in beside]),
        names=route.request.names,
    )
    return Mount(route, prefix, base)


def _leading(path: str, segments: int) -> str:
    """Return the first segments of a path, byte for byte: `/api` is no prefix of `/apix`."""
    end = 0
    for _ in range(segments):
        end = path.find("/", end + 1)
        if end < 0:
            return path
    return path[:end]
