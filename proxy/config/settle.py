"""Completes validated routes with what their preset, their name and their token give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from proxy.config import presets
from proxy.config.scheme import Scheme
from proxy.dataplane.echo import SHORTEST
from proxy.dataplane.names import fold


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from proxy.config.errors import Path
    from proxy.config.presets import Preset
    from proxy.config.schema import Config, RouteConfig, Strip
    from proxy.config.scheme import NamedCredential, Source
    from proxy.secret import Secret
    from proxy.upstream.origin import Origin


_TOO_SHORT: Final = (
    f"the secret is under {SHORTEST} characters, too short for echo_guard: "
    "an answer that shows it passes as it is"
)


class Binding(NamedTuple):
    """A credential of a route.

    Attributes:
        name: its name in `credentials:`, None if it is the route's own.
        origin: the only place it may be sent to.
        scheme: how it is put on.
        sources: where its secrets come from, each with the key path of the source.
    """

    name: str | None
    origin: Origin
    scheme: Scheme
    sources: tuple[tuple[Path, Source], ...]


def settle(config: Config) -> Config:
    """Return the configuration with every route complete."""
    routes = {name: _settled(name, route) for name, route in config.routes.items()}
    return config.model_copy(update={"routes": routes})


def binding(config: Config, route_name: str) -> Binding | None:
    """Return the credential of a route of a settled configuration; None for `credential: none`."""
    route = config.routes[route_name]
    choice = route.credential
    if choice is None:
        return None
    if isinstance(choice, str):
        return named_binding(config, choice)
    if route.token is not None:
        sources: tuple[tuple[Path, Source], ...] = ((("routes", route_name, "token"), route.token),)
    else:
        sources = tuple(_below(("routes", route_name, "credential"), choice))
    return Binding(None, route.upstream, choice, sources)


def named_binding(config: Config, name: str) -> Binding:
    """Return one of `credentials:`."""
    named = config.credentials[name]
    return Binding(name, named.origin, named, tuple(_below(("credentials", name), named)))


def too_short(config: Config, secrets: Mapping[Path, Secret]) -> list[str]:
    """Return a warning for each secret that `echo_guard` is on for, but cannot look for.

    Args:
        config: settled.
        secrets: as far as they are known, by the key paths of their sources.
    """
    guarded = (name for name, route in config.routes.items() if route.echo_guard)
    bound = (each for each in (binding(config, name) for name in guarded) if each is not None)
    paths = dict.fromkeys(path for each in bound for path, _ in each.sources)
    return [
        str(config.problem_at(path, _TOO_SHORT))
        for path in paths
        if path in secrets and len(secrets[path]) < SHORTEST
    ]


def _below(path: Path, scheme: Scheme | NamedCredential) -> Iterator[tuple[Path, Source]]:
    for rest, source in scheme.sources():
        yield (*path, *rest), source


def _settled(name: str, route: RouteConfig) -> RouteConfig:
    update: dict[str, object] = {"hosts": tuple(dict.fromkeys((f"{name}.localhost", *route.hosts)))}
    if "path" not in route.model_fields_set:
        update["path"] = f"/{name}"
    if route.preset is not None:
        update |= _of_preset(route, presets.get(route.preset))
    return route.model_copy(update=update)


def _of_preset(route: RouteConfig, preset: Preset) -> dict[str, object]:
    own = route.model_fields_set
    minting = () if route.allow_minting else preset.minting
    update: dict[str, object] = {
        "rules": (*minting, *(route.rules if "rules" in own else preset.rules)),
        "methods": route.methods if "methods" in own else preset.methods,
        "set_headers": _merged_headers(preset.set_headers, route.set_headers),
        "strip": _merged_strip(preset.strip, route.strip),
    }
    if route.token is not None and route.credential is None:
        key: Any = {preset.scheme.replace("-", "_"): route.token}
        update["credential"] = Scheme.model_construct(**key)
    return update


def _merged_headers(base: dict[str, str], own: dict[str, str]) -> dict[str, str]:
    replaced = {fold(name) for name in own}
    kept = {name: value for name, value in base.items() if fold(name) not in replaced}
    return {**kept, **own}


def _merged_strip(base: Strip, own: Strip) -> Strip:
    return own.model_copy(
        update={
            "headers": (*base.headers, *own.headers),
            "query": (*base.query, *own.query),
            "subprotocols": (*base.subprotocols, *own.subprotocols),
            "keep": (*base.keep, *own.keep),
        }
    )
