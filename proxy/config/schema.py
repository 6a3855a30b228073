"""What may stand where in the file: pydantic models, one for each mapping."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator

from proxy.config import fields as f
from proxy.config.addresses import TcpAddress
from proxy.config.client import ClientConfig
from proxy.config.errors import Problem, shown
from proxy.config.keys import Keys, default, none
from proxy.config.nodes import Positions
from proxy.config.rules import Methods, Rule
from proxy.config.scheme import CredentialChoice, NamedCredential, Source


if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.config.errors import Path


class ListenTls(Keys):
    """What a listener shows, and whose certificates it asks for: absolute paths of PEMs.

    `key` is None if it stands in `cert`.
    """

    later = frozenset({"issue"})

    cert: f.GivenFile
    key: f.FileOrNone = default("none")
    client_ca: f.FileOrNone = default("none")


class Listen(Keys):
    """One address to listen on; `mode` and `group` are for unix sockets."""

    address: f.Address
    mode: f.Mode = none()
    group: f.OptionalText = none()
    reuse_port: f.Switch = default("false")
    tls: ListenTls | None = none()

    @model_validator(mode="after")
    def _fits(self) -> Listen:
        tcp = isinstance(self.address, TcpAddress)
        if tcp and not (self.mode is None and self.group is None):
            raise ValueError("mode and group are for unix sockets; leave them out")
        if not tcp and self.reuse_port:
            raise ValueError("reuse_port is for TCP; leave it out")
        if not tcp and self.tls is not None:
            raise ValueError("tls is for TCP; leave it out")
        return self


def _listeners(value: object) -> object:
    if value == "none":
        return []
    items = value if isinstance(value, list) else [value]
    return [{"address": item} if isinstance(item, str) else item for item in items]


Listeners = Annotated[
    tuple[Listen, ...],
    BeforeValidator(_listeners, json_schema_input_type=str | Listen | list[str | Listen]),
]


class Strip(Keys):
    """What else is taken off requests, by name; `keep` opts out."""

    headers: tuple[f.HeaderName, ...] = ()
    query: tuple[f.Text, ...] = ()
    subprotocols: tuple[f.Subprotocol, ...] = ()
    keep: tuple[f.Text, ...] = ()


class Limits(Keys):
    """Bytes of a request's body, requests at once, and in a time; None for no limit."""

    body: f.SizeOrNone = default("none")
    concurrency: f.CountOrNone = default("none")
    rate: f.RateOrNone = default("none")


class Timeouts(Keys):
    """Seconds towards the upstream; None for no limit."""

    connect: f.Timeout = default("5s")
    response: f.Timeout = default("60s")
    idle: f.Timeout = default("5m")
    pool_idle: f.Pause = default("4s")
    pool_age: f.Pause = default("5m")


class Tls(Keys):
    """How the upstream's certificate is verified, and what we show it: absolute paths of PEMs."""

    ca: f.FileOrNone = default("none")
    client_cert: f.FileOrNone = default("none")
    client_key: f.FileOrNone = default("none")
    server_name: f.ServerName = default("none")

    @model_validator(mode="after")
    def _pair(self) -> Tls:
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client_key needs client_cert beside it")
        return self


SetHeaders = Annotated[dict[f.SettableHeader, f.HeaderValue], Field(repr=False)]


def _what_a_route_needs(schema: dict[str, Any]) -> None:
    del schema["required"]  # a preset brings the upstream
    schema["allOf"] = [
        {"anyOf": [{"required": ["upstream"]}, {"required": ["preset"]}]},
        {"oneOf": [{"required": ["credential"]}, {"required": ["token", "preset"]}]},
    ]


class RouteConfig(Keys):
    """One route. After loading, `settle` has filled in what the preset and the name give."""

    model_config = ConfigDict(json_schema_extra=_what_a_route_needs)
    later = frozenset({"forward", "placeholder"})

    preset: f.PresetName = default("none")
    upstream: f.UpstreamOrigin
    insecure_upstream: f.Switch = default("false")
    path: f.MountPath = none()
    hosts: tuple[f.RouteHost, ...] = ()
    listen: Listeners = default("none")
    credential: CredentialChoice | None = none()
    token: Source | None = none()
    methods: Methods = default("any")
    rules: tuple[Rule, ...] = ()
    allow_minting: f.Switch = default("false")
    strip: Strip = default({})
    cookies: f.Cookies = default("strip")
    set_headers: SetHeaders = default({})
    forwarded: f.Switch = default("false")
    upstream_host: f.UpstreamHost = default("upstream")
    echo_guard: f.EchoGuard = default("true")
    upgrade: tuple[f.Upgrade, ...] = default(["websocket"])
    replay_buffer: f.Size = default("64KiB")
    limits: Limits = default({})
    timeouts: Timeouts = default({})
    tls: Tls = default({})


class Drain(Keys):
    """Seconds of a graceful stop."""

    delay: f.Duration = default("0s")
    timeout: f.Duration = default("30s")


class ClientTimeouts(Keys):
    """Seconds towards the clients; None for no limit."""

    head: f.Timeout = default("10s")
    keepalive: f.Timeout = default("75s")
    body: f.Timeout = default("60s")
    write: f.Timeout = default("60s")


class ClientLimits(Keys):
    """What all clients together, and each of them, may take; where it is counted."""

    connections: f.Count = default("10000")
    per_peer: f.CountOrNone = default("none")
    head: f.HeadSize = default("64KiB")
    target: f.HeadSize = default("16KiB")
    storage: f.CountStore = default("memory")
    on_storage_error: f.Action = default("deny")


class Log(Keys):
    """What is logged and how; without `format` it is JSON, and for people on a terminal."""

    level: f.LogLevel = default("info")
    format: f.LogFormat = none()


class AuditConfig(Keys):
    """Where every decision is written: an absolute path, the size that ends a file, how many stay.

    `on_error` says whether requests pass while nothing can be written.
    """

    file: f.AuditFile
    max_size: f.FileSize = default("100MiB")
    keep: f.Count = default("10")
    on_error: f.Action = default("deny")


def _audit(value: object) -> object:
    return None if value == "none" else value


Audit = Annotated[
    AuditConfig | None,
    BeforeValidator(_audit, json_schema_input_type=Literal["none"] | AuditConfig),
]


class Cors(Keys):
    """Web pages of other origins that may use the routes."""

    allow_origins: tuple[f.WebOrigin, ...] = ()


class Config(Keys):
    """The whole file."""

    later = frozenset(
        {"admin", "metrics", "status", "watch", "egress", "trust", "intercept", "groups"}
    )

    listen: Listeners = default("localhost:8484")
    insecure_open: f.Switch = default("false")
    allow_hosts: tuple[f.AllowedHost, ...] = ()
    trusted_proxies: tuple[f.TrustedProxy, ...] = ()
    cors: Cors = default({})
    timeouts: ClientTimeouts = default({})
    limits: ClientLimits = default({})
    drain: Drain = default({})
    log: Log = default({})
    audit: Audit = default("none")
    clients: dict[f.ClientName, ClientConfig] = default({})
    clients_file: f.FileOrNone = default("none")
    credentials: dict[f.CredentialName, NamedCredential] = default({})
    routes: Annotated[dict[f.RouteName, RouteConfig], Field(min_length=1)]

    _positions: Positions | None = PrivateAttr(default=None)
    _file: FilePath | None = PrivateAttr(default=None)

    @property
    def file(self) -> FilePath | None:
        """Where it was read from, an absolute path; None: from a text."""
        return self._file

    @property
    def has_clients(self) -> bool:
        """Whether clients need a key, a token or a certificate.

        `clients: {}` says so too: nobody is let in. Whoever takes the last client away must not
        open the proxy for all.
        """
        named = "clients" in self.model_fields_set
        return bool(self.clients) or named or self.clients_file is not None

    def problem_at(self, path: Path, message: str) -> Problem:
        """Return a problem found later, at the place of a key path in the file.

        Args:
            path: such as `("routes", "microreact", "token", "env")`.
            message: what is wrong; what to do. Never a secret.
        """
        if self._positions is None:
            return Problem("configuration", None, None, path, message)
        return self._positions.problem(path, message)

    def listeners(self) -> Iterator[tuple[Path, Listen]]:
        """Yield all listeners, the routes' own too, with their key paths."""
        for index, entry in enumerate(self.listen):
            yield ("listen", index), entry
        for name, route in self.routes.items():
            for index, entry in enumerate(route.listen):
                yield ("routes", name, "listen", index), entry

    def where(self, path: Path) -> str:
        """Return a key path in words, with its line and file as far as they are known."""
        if self._positions is None:
            return shown(path)
        return f"{self._positions.where(path)} of {self._positions.name}"

    def read_from(self, file: FilePath) -> Config:
        """Return this configuration, knowing its file."""
        read = self.model_copy()
        read._file = file  # noqa: SLF001 # its own private attribute
        return read

    def placed(self, positions: Positions) -> Config:
        """Return this configuration, knowing where it stands in its file."""
        placed = self.model_copy()
        placed._positions = positions  # noqa: SLF001 # its own private attribute
        return placed
