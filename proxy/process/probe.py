"""Probe: ask each upstream with each credential on, as a client's request would be asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from proxy import __version__
from proxy.config.presets import get as get_preset
from proxy.config.settle import binding
from proxy.dataplane.errors import CredentialUnavailable
from proxy.dataplane.model import Entrance, Head, Peer
from proxy.dataplane.outbound import assemble
from proxy.upstream.errors import UpstreamError


if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.config.presets import Preset
    from proxy.config.schema import Config, RouteConfig
    from proxy.dataplane.inject import Injector
    from proxy.dataplane.route import Route
    from proxy.process.provision import Provisioned


AT_ONCE: Final = 16
"""So many are asked at the same time: each client of a file may have a credential of its own."""

_FIRST_FINAL: Final = 200
_ERRORS: Final = 400
_DENIED: Final = frozenset({401, 403})
_SERVER_ERROR: Final = 500
_ENTRANCE: Final = Entrance("own", "http", None, guarded=False)
_QUERY_CREDENTIALS: Final = (("u", "p"), ("key",), ("auth",), ("jwt",), ("username", "password"))
"""Query parameters that some servers take for a credential, and are data to others, so that no
route strips them unasked; those that belong together."""
_INFLUXDB: Final = "influxdb"
"""It has `u` and `p` before Basic, but asks for neither at `/`."""
_MADE_UP: Final = "keybearer-probe"
_FIELDS: Final = (
    (b"User-Agent", f"keybearer/{__version__}".encode("ascii")),
    (b"Accept", b"*/*"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an upstream said.

    Attributes:
        good: the upstream answers, and as far as can be told it takes the credential.
        status: its status, or None if there was no answer.
        detail: a sentence for people.
    """

    good: bool
    status: int | None
    detail: str


async def probe_all(
    config: Config, provisioned: Provisioned
) -> dict[tuple[str, str | None], Outcome]:
    """Ask each upstream once with its route's credential, and once with each of clients' own.

    Args:
        config: settled.
        provisioned: made of it, and not used otherwise.

    Returns:
        What the upstreams said, by the name of the route and that of a client's own credential;
        None: the route's.
    """
    routes = provisioned.snapshot.routes
    asked = _questions(config, provisioned)
    places = asyncio.Semaphore(AT_ONCE)

    async def outcome(name: str, injector: Injector) -> Outcome:
        async with places:
            return await _probe(routes[name], config.routes[name], injector)

    said = await asyncio.gather(*(outcome(name, with_) for (name, _), with_ in asked.items()))
    return dict(zip(asked, said, strict=True))


def _questions(config: Config, provisioned: Provisioned) -> dict[tuple[str, str | None], Injector]:
    questions: dict[tuple[str, str | None], Injector] = {}
    for name, route in provisioned.snapshot.routes.items():
        questions[name, None] = route.injector
    for (name, credential), injector in sorted(provisioned.own.items(), key=_names):
        bound = binding(config, name)
        if bound is None or bound.name != credential:
            questions[name, credential] = injector
    return questions


def _names(entry: tuple[tuple[str, str], Injector]) -> tuple[str, str]:
    return entry[0]


async def _probe(route: Route, config: RouteConfig, injector: Injector) -> Outcome:
    """Send one GET to the upstream: for the preset's probe path, or `/`."""
    preset = None if config.preset is None else get_preset(config.preset)
    hint = ""
    try:
        status, server = await _ask(route, injector, "/" if preset is None else preset.probe)
        if preset is None and injector is route.injector and status not in _DENIED:
            hint = _hint(await _preferred(route, injector, server))
    except CredentialUnavailable:
        return Outcome(good=False, status=None, detail="the credential is not available")
    except UpstreamError as error:
        return Outcome(good=False, status=None, detail=f"{error.error}: {error}")
    outcome = _judge(status, preset)
    return replace(outcome, detail=outcome.detail + hint)


async def _preferred(route: Route, injector: Injector, server: str) -> list[str]:
    """Return the query parameters that the upstream takes for a credential, before ours.

    Args:
        route: whose upstream has let the credential pass.
        injector: puts it on.
        server: what the upstream calls itself, as far as it matters.
    """
    passing = [names for names in _QUERY_CREDENTIALS if _pass(route, names)]
    if server == _INFLUXDB:
        return ["u", "p"] if ("u", "p") in passing else []
    asked = [name for names in passing for name in names]
    if not asked or not await _refuses(route, injector, asked):
        return []
    # Which of them it was.
    return [name for names in passing if await _refuses(route, injector, names) for name in names]


def _pass(route: Route, names: Sequence[str]) -> bool:
    """Tell whether a client's parameters of these names would be passed on."""
    return not route.request.query(_query(names))[1]


async def _refuses(route: Route, injector: Injector, names: Sequence[str]) -> bool:
    status, _ = await _ask(route, injector, "/", _query(names))
    return status in _DENIED


def _query(names: Sequence[str]) -> str:
    return "&".join(f"{name}={_MADE_UP}" for name in names)


def _hint(names: Sequence[str]) -> str:
    if not names:
        return ""
    asked = " and ".join(f"?{name}=" for name in names)
    return (
        f"; it prefers what a client sends in {asked} to the credential, "
        f"so say strip: {{query: [{', '.join(names)}]}}"
    )


def _judge(status: int, preset: Preset | None) -> Outcome:
    if status in _DENIED:
        return Outcome(good=False, status=status, detail="the upstream refuses the credential")
    if preset is None:
        return Outcome(good=True, status=status, detail="the upstream answers")
    if status == _SERVER_ERROR and preset.scheme == "access-token":
        # Microreact's answer to a wrong, expired or malformed token.
        return Outcome(good=False, status=status, detail="most likely the token is wrong")
    if status >= _ERRORS:
        return Outcome(good=False, status=status, detail="the upstream answers with an error")
    return Outcome(good=True, status=status, detail="the upstream takes the credential")


async def _ask(
    route: Route, injector: Injector, path: str, query: str | None = None
) -> tuple[int, str]:
    """Send a GET; return the status, and what the upstream calls itself."""
    head = Head("GET", path, (1, 1), _FIELDS, _Unnamed(), None, chunked=False, keep_alive=False)
    lines, _, _ = route.request.fields(head, _ENTRANCE, Peer("127.0.0.1"), ours=False)
    request = assemble("GET", path, query, lines, injector.inject())
    connection = await route.pool.connect()
    try:
        response = connection.begin(request.head, to_head=False, whole=True)
        answer = await response.head()
        while answer.status < _FIRST_FINAL:
            answer = await response.head()
        names = {line.partition(b":")[0].lower() for name, line in answer.fields}
        return answer.status, _INFLUXDB if b"x-influxdb-version" in names else ""
    finally:
        route.pool.release(connection, sent=False)


class _Unnamed:
    """Fields by name: none that anybody asks for."""

    def get(self, _: str, default: str, /) -> str:
        return default

    def getall(self, key: str, /) -> list[str]:
        raise KeyError(key)

    def __contains__(self, _: object, /) -> bool:
        return False
