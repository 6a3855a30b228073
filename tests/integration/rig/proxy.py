"""The proxy, in this process, started as the command starts it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from proxy.config.loader import loads
from proxy.observe.log import Log
from proxy.process.service import Service
from tests.integration.rig.patience import Bell
from tests.integration.rig.raw import Client


if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.integration.rig.message import Answer


TOKEN: Final = "FAKE-token-of-the-integration-tests"  # made up
BEARER: Final = b"Bearer " + TOKEN.encode()
ENVIRON: Final = {"TOKEN": TOKEN}


class LogCapture:
    """A stream that keeps what is logged."""

    def __init__(self) -> None:
        self._text = b""
        self.bell = Bell()
        self.log = Log(stream=self)  # type: ignore[arg-type] # all that the sink calls

    @property
    def text(self) -> bytes:
        """What has been logged until now, what waits to be written too."""
        self.log.flush()
        return self._text

    def write(self, data: bytes) -> int:
        """Keep data."""
        self._text += data
        self.bell.ring()
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What has been logged, line by line."""
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The lines that are about requests."""
        return [line for line in self.lines if line["event"] == "request"]


class Proxy:
    """A running service with its log."""

    def __init__(self, service: Service, log: LogCapture) -> None:
        self.service = service
        self.log = log

    @property
    def port(self) -> int:
        """The port of the first listener."""
        return self.port_of(0)

    def port_of(self, listener: int | str) -> int:
        """Return the port of a listener by number, or of a route's own by its name."""
        listeners = self.service.listeners
        if isinstance(listener, str):
            own = [each for each in listeners if each.entrance.route == listener]
            return int(own[0].url.rpartition(":")[2])
        return int(listeners[listener].url.rpartition(":")[2])

    async def client(self, listener: int | str = 0, *, buffer: int = 0) -> Client:
        """Connect to a TCP listener."""
        return await Client.connect(self.port_of(listener), buffer=buffer)

    async def ask(self, data: bytes, listener: int | str = 0, *, to_head: bool = False) -> Answer:
        """Send bytes on a connection of their own and return the answer."""
        async with await self.client(listener) as client:
            return await client.ask(data, to_head=to_head)

    async def logged(self, count: int = 1) -> dict[str, Any]:
        """Wait for lines about requests; return the last of that many."""
        await self.log.bell.until(
            lambda: len(self.log.requests) >= count, f"for log line {count}: {self.log.text!r}"
        )
        return self.log.requests[count - 1]


@contextlib.asynccontextmanager
async def running(
    config: str | Mapping[str, Any], environ: Mapping[str, str] = ENVIRON, base: Path = Path()
) -> AsyncIterator[Proxy]:
    """Run the proxy with a configuration: YAML, or what becomes it (JSON is YAML)."""
    text = config if isinstance(config, str) else json.dumps(config)
    log = LogCapture()
    lines = log.log
    loaded = loads(text, name="test.yaml", base=base, environ=environ)
    async with await Service.start(loaded, environ, lines) as service:
        yield Proxy(service, log)
    lines.flush()


def one_route(upstream: str, **route: Any) -> dict[str, Any]:
    """Return a configuration with the route `api` on a shared and on its own listener."""
    keys = {
        "upstream": upstream,
        "listen": "127.0.0.1:0",
        "credential": {"bearer": {"env": "TOKEN"}},
    }
    return {"listen": "127.0.0.1:0", "routes": {"api": keys | route}}


def get(target: str = "/api/x", *fields: str, host: str = "localhost") -> bytes:
    """Return a GET."""
    return request("GET", target, *fields, host=host)


def request(
    method: str, target: str, *fields: str, host: str = "localhost", body: bytes | None = None
) -> bytes:
    """Return a request; a body comes with its length."""
    length = [] if body is None else [f"Content-Length: {len(body)}"]
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, *length, "", ""]
    return "\r\n".join(lines).encode("latin-1") + (body or b"")
