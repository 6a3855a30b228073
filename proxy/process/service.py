"""The service: started from a configuration, drained, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from proxy.config.errors import ConfigError
from proxy.config.together import attempt
from proxy.dataplane.errors import Stopping
from proxy.dataplane.forwarded import UNIX, Proxies
from proxy.dataplane.front import Front
from proxy.dataplane.handler import Handler
from proxy.dataplane.limits import ClientLimits
from proxy.observe.log import request_ids
from proxy.process.accounts import Accounts
from proxy.process.descriptors import room_for
from proxy.process.listeners import BACKLOG, ListenError, bind_all
from proxy.process.provision import provision
from proxy.upstream.sweep import Sweep


if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from proxy.config.errors import Problem
    from proxy.config.schema import Config
    from proxy.observe.log import Log
    from proxy.process.certificates import Certificates
    from proxy.process.listeners import Listener
    from proxy.process.provision import Provisioned


FEW_CONNECTIONS: Final = 1000
"""So few that it is told, where nobody has asked for a number."""

LAST_WORDS_S: Final = 1.0
"""How long aborted requests may take to end, after everything else."""


class Service:
    """A running proxy; made by `start`.

    Args:
        config: settled.
        provisioned: made of it.
        listeners: bound.
        accounts: kept of the requests.
        certificates: of those with TLS.
        log: for requests and for the life of the process.
    """

    def __init__(
        self,
        config: Config,
        provisioned: Provisioned,
        listeners: list[Listener],
        accounts: Accounts,
        certificates: Certificates | None,
        log: Log,
    ) -> None:
        self.config = config
        self.provisioned = provisioned
        self.listeners = tuple(listeners)
        tcp = [each.socket.getsockname() for each in listeners if each.path is None]
        provisioned.resolver.own = {(address, port) for address, port, *_ in tcp}
        self._accounts = accounts
        self._certificates = certificates
        self._log = log
        self._servers: list[asyncio.Server] = []
        # The prefix keeps the identifiers of replicas and restarts apart.
        ids = request_ids(f"{secrets.token_hex(4)}-")
        snapshot = replace(provisioned.snapshot, limiter=accounts.limiter, audit=accounts.audit)
        self._handler = Handler(snapshot, self, log, ids)
        loop = asyncio.get_running_loop()
        self._front = Front(self._handler, self._limits(), Sweep(loop), loop, _proxies(config))

    @classmethod
    async def start(cls, config: Config, environ: Mapping[str, str], log: Log) -> Service:
        """Provision, bind and listen.

        Raises:
            ConfigError: every secret, certificate or file that cannot be had.
            ListenError: an address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        problems: list[Problem] = []
        provisioned = attempt(lambda: provision(config, environ, Sweep(loop), log), problems)
        certificates = attempt(lambda: _certificates(config, log), problems)
        accounts = attempt(lambda: Accounts(config, log), problems)
        if provisioned is None or accounts is None or problems:
            if accounts is not None:
                await accounts.stop()
            raise ConfigError(*problems)
        try:
            listeners = bind_all(config)
        except ListenError:
            await accounts.stop()
            raise
        service = cls(config, provisioned, listeners, accounts, certificates, log)
        for listener in service.listeners:
            gate = None if certificates is None else certificates.gate(listener.tls)
            make = service._front.protocols(listener.entrance, gate)
            create = loop.create_server if listener.path is None else loop.create_unix_server
            service._servers.append(await create(make, sock=listener.socket, backlog=BACKLOG))
        if provisioned.gateway is not None:
            await provisioned.gateway.start()
        if certificates is not None:
            await certificates.start()
        return service

    def _limits(self) -> ClientLimits:
        times, limits = self.config.timeouts, self.config.limits
        connections = room_for(limits.connections)
        asked_for = "connections" in limits.model_fields_set
        if connections < (limits.connections if asked_for else FEW_CONNECTIONS):
            self._log.events.info(
                "connections_limited",
                connections=connections,
                wanted=limits.connections,
                advice="raise the limit of open files (ulimit -n), or lower limits.connections",
            )
        return ClientLimits(
            head_s=times.head,
            keepalive_s=times.keepalive,
            body_s=times.body,
            write_s=times.write,
            head_size=limits.head,
            target_size=limits.target,
            connections=connections,
            per_peer=limits.per_peer,
        )

    def ready(self) -> bool:
        """Whether requests can be served: listening, every required credential there."""
        unavailable = any(
            each.required and each.state == "unavailable" for each in self.provisioned.credentials
        )
        leaving = self._handler.leaving or self._handler.draining
        return bool(self._servers) and not leaving and not unavailable

    @property
    def connections(self) -> int:
        """How many clients' connections are open."""
        return len(self._front.connections)

    def base_url(self, route: str) -> str:
        """Return what to point a tool at for a route: own listener, path, or virtual host."""
        made = self.provisioned.snapshot.routes[route]
        tcp = [listener for listener in self.listeners if listener.path is None]
        for listener in tcp:
            if listener.entrance.route == route:
                return listener.url
        shared = [listener for listener in tcp if listener.entrance.kind == "shared"]
        if not shared:
            return next((listener.url for listener in self.listeners), "-")
        if made.path is not None:
            return shared[0].url + made.path
        port = shared[0].url.rpartition(":")[2]
        return f"{shared[0].entrance.scheme}://{made.hosts[0]}:{port}"

    async def drain(self) -> None:
        """Stop as agreed with whoever sends the requests.

        Not ready at once; after `drain.delay` no new connections, open ones end with the request
        they carry; after `drain.timeout` the rest is broken off.
        """
        drain = self.config.drain
        self._handler.leaving = True
        await asyncio.sleep(drain.delay)
        self._handler.draining = True
        self._stop_listening()
        self._front.close_idle()
        try:
            async with asyncio.timeout(drain.timeout):
                await self._front.all_closed()
        except TimeoutError:
            self._log.events.warning("drain_timeout", connections=self.connections)
            await self.stop(f"drain.timeout: the request did not end within {drain.timeout:g} s")
            return
        await self.stop()

    async def stop(self, cause: str = "the proxy was told to stop at once") -> None:
        """Stop at once: requests under way are broken off.

        Args:
            cause: why, for their log lines.
        """
        self._handler.draining = True
        self._stop_listening()
        self._front.abort(Stopping("The proxy stops; the request was broken off.", cause=cause))
        for pool in self.provisioned.pools:
            pool.close()
        if self.provisioned.gateway is not None:
            await self.provisioned.gateway.stop()
        if self._certificates is not None:
            await self._certificates.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._front.all_closed()
        if self.connections:
            self._log.events.error("requests_do_not_end", connections=self.connections)
        await self._accounts.stop()
        self._log.flush()

    def _stop_listening(self) -> None:
        for listener in self.listeners:
            listener.withdraw()
        for server in self._servers:
            server.close()
        self._servers.clear()
        for listener in self.listeners:
            listener.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def _proxies(config: Config) -> Proxies:
    networks = [each for each in config.trusted_proxies if not isinstance(each, str)]
    return Proxies(networks, unix=UNIX in config.trusted_proxies)


def _certificates(config: Config, log: Log) -> Certificates | None:
    if all(each.tls is None for _, each in config.listeners()):
        return None
    from proxy.process.certificates import Certificates  # noqa: PLC0415 -- the start stays short

    return Certificates(config, log)
