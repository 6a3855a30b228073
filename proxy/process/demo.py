"""The demo: both stand-ins, the proxy in front of them, and the requests their documents show."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from proxy.config.loader import loads
from proxy.process.service import Service
from proxy.standins import carbonregistry_data, microreact
from proxy.standins.carbonregistry import Carbonregistry
from proxy.standins.microreact import Microreact


if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from proxy.observe.log import Log
    from proxy.standins.message import Received


CONFIG: Final = """\
listen: localhost:{port}
routes:
  microreact:
    preset: microreact
    upstream: {microreact}
    token: {{env: MICROREACT_ACCESS_TOKEN}}
  carbonregistry:
    preset: carbonregistry
    upstream: {carbonregistry}
    token: {{env: CARBONREGISTRY_TOKEN}}
  carbonregistry-org:
    preset: carbonregistry
    upstream: {carbonregistry}
    token: {{env: CARBONREGISTRY_ORGANIZATION_TOKEN}}
"""
ENVIRONMENT: Final = {
    "MICROREACT_ACCESS_TOKEN": microreact.USER_TOKEN,
    "CARBONREGISTRY_TOKEN": carbonregistry_data.USER_TOKEN,
    "CARBONREGISTRY_ORGANIZATION_TOKEN": carbonregistry_data.ORGANIZATION_TOKEN,
}
PROJECT: Final = {
    "meta": {"name": "A first project"},
    "datasets": {"dataset-1": {"file": "data-1", "idFieldName": "id"}},
    "files": {"data-1": {"id": "data-1", "format": "text/csv", "name": "d.csv", "blob": "id\n1\n"}},
    "schema": "https://microreact.org/schema/v1.json",
}
_CREDENTIAL_NAMES: Final = frozenset({"access-token", "authorization"})
_REDIRECT: Final = 308
_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool got back.

    Attributes:
        status: the code.
        reason: the phrase.
        fields: names and values, in order.
        body: whole.
    """

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def location(self) -> str | None:
        """Where a redirect leads."""
        return next((value for name, value in self.fields if name.lower() == "location"), None)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of the demo.

    Attributes:
        title: what it shows.
        method: of the request.
        path: on the proxy; a name in braces is taken from an earlier answer's JSON.
        fields: what the tool sends.
        body: as JSON, or None.
        credential: what the upstream must get: name and value, exactly once; None: nothing at all
            may get there.
        status: of the answer, redirects followed.
    """

    title: str
    method: str
    path: str
    fields: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    credential: tuple[str, str] | None = None
    status: int = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One request as it was sent, as the upstream saw it, and what came back.

    Attributes:
        title: what it shows.
        sent: the request's head and body as the tool wrote them.
        seen: the upstream's view; None: it saw nothing.
        answer: the tool's.
        fault: what is not as it must be, or "".
    """

    title: str
    sent: str
    seen: Received | None
    answer: Answer
    fault: str


_TOOL: Final = {"User-Agent": "some-tool/1.0", "Accept": "*/*"}
_DUMMY: Final = _TOOL | {"Access-Token": "a-dummy-that-the-tool-insists-on"}
_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}
_MICROREACT: Final = ("Access-Token", microreact.USER_TOKEN)
_USER: Final = ("Authorization", f"Bearer {carbonregistry_data.USER_TOKEN}")
_ORGANIZATION: Final = ("Authorization", f"Bearer {carbonregistry_data.ORGANIZATION_TOKEN}")

ASKS: Final = (
    Ask(
        "Create a Microreact project, by the documented URL with its trailing slash",
        "POST",
        "/microreact/api/projects/create/",
        _DUMMY | _JSON,
        PROJECT,
        _MICROREACT,
    ),
    Ask(
        "Read it back",
        "GET",
        "/microreact/api/projects/json/?project={id}",
        _DUMMY,
        credential=_MICROREACT,
    ),
    Ask(
        "List Carbonregistry projects as a user",
        "GET",
        "/carbonregistry/v1/projects?limit=2&page=0",
        _TOOL,
        credential=_USER,
    ),
    Ask(
        "List Carbonregistry projects as an organization",
        "GET",
        "/carbonregistry-org/v1/projects?limit=2&page=0",
        _TOOL | {"Authorization": "Bearer a-dummy-that-the-tool-insists-on"},
        credential=_ORGANIZATION,
    ),
    Ask(
        "Ask Microreact for a new token: the preset denies it, nothing is sent",
        "GET",
        "/microreact/api/user/access-token",
        _TOOL,
        status=403,
    ),
)


class Demo:
    """The stand-ins and the proxy, running.

    Attributes:
        service: the proxy.
        config: the text it was made from.
    """

    def __init__(
        self, service: Service, config: str, upstreams: tuple[Microreact, Carbonregistry]
    ) -> None:
        self.service = service
        self.config = config
        self._upstreams = upstreams
        self._remembered = {"id": "none"}

    @property
    def authority(self) -> str:
        """Host and port of the proxy."""
        return self.service.listeners[0].url.removeprefix("http://")

    async def steps(self) -> AsyncIterator[Step]:
        """Send the requests one by one, as a tool would, redirects followed."""
        for ask in ASKS:
            # After a failed creation there is no project to ask for; the next request says so.
            path, title = ask.path.format_map(self._remembered), ask.title
            while True:
                step = await self._step(ask, path, title)
                yield step
                location = step.answer.location
                if step.answer.status != _REDIRECT or location is None:
                    break
                path, title = location, "… follow the redirect, which stays on the proxy"

    async def _step(self, ask: Ask, path: str, title: str) -> Step:
        before = [len(upstream.received) for upstream in self._upstreams]
        sent, answer = await asyncio.to_thread(_send, self.authority, ask, path)
        seen = [
            received
            for upstream, count in zip(self._upstreams, before, strict=True)
            for received in upstream.received[count:]
        ]
        if answer.status == ask.status and ask.body is not None:
            self._remembered["id"] = str(json.loads(answer.body).get("id"))
        fault = _fault(ask, answer, seen)
        return Step(title, sent, seen[-1] if seen else None, answer, fault)


@contextlib.asynccontextmanager
async def demo(log: Log, *, port: int = 0) -> AsyncIterator[Demo]:
    """Start the stand-ins and the proxy; stop them at the end.

    Args:
        log: the proxy's.
        port: the proxy's; 0 for any.
    """
    async with Microreact() as micro, Carbonregistry() as carbon:
        text = CONFIG.format(port=port, microreact=micro.url, carbonregistry=carbon.url)
        config = loads(text, name="demo", base=Path.cwd(), environ=ENVIRONMENT)
        async with await Service.start(config, ENVIRONMENT, log) as service:
            yield Demo(service, text, (micro, carbon))


class _Recorder(HTTPConnection):
    """The standard library's client, which knows nothing of Keybearer; it shows what it writes."""

    def __init__(self, authority: str) -> None:
        super().__init__(authority, timeout=_TIMEOUT_S)
        self.written = b""

    def send(self, data: Any) -> None:
        self.written += data
        super().send(data)


def _send(authority: str, ask: Ask, path: str) -> tuple[str, Answer]:
    client = _Recorder(authority)
    try:
        body = None if ask.body is None else json.dumps(ask.body).encode()
        client.request(ask.method, path, body, dict(ask.fields))
        response = client.getresponse()
        answer = Answer(
            response.status, response.reason, tuple(response.getheaders()), response.read()
        )
        return client.written.decode("latin-1"), answer
    finally:
        client.close()


def _fault(ask: Ask, answer: Answer, seen: list[Received]) -> str:
    if answer.status not in (ask.status, _REDIRECT):
        return f"the answer is {answer.status}, not {ask.status}"
    if ask.credential is None:
        return "the request was sent on" if seen else ""
    if len(seen) != 1:
        return f"the upstream saw {len(seen)} requests, not one"
    got = [field for field in seen[0].headers if field[0].lower() in _CREDENTIAL_NAMES]
    return (
        "" if got == [ask.credential] else "the upstream did not get exactly the configured token"
    )
