"""The gateway: the clients, their limits and the audit of a configuration, alive."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from proxy.access.registry import Registry
from proxy.access.throttle import Throttle
from proxy.config.clients import load_clients
from proxy.config.errors import ConfigError
from proxy.process.tokens import tokens_of
from proxy.process.watch import Watch


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy.access.registry import Entry
    from proxy.config.clients import ClientConfig
    from proxy.config.schema import Config
    from proxy.observe.log import Log
    from proxy.process.callers import Callers


_CHUNK: Final = 50
"""Clients that are made at once, while requests wait: half a millisecond."""
_SWITCH_S: Final = 0.0005
"""How long a thread that reads a file may hold up the loop."""


class Gateway:
    """Who may use the proxy: read at start, and again when the file changes.

    Args:
        config: settled.
        callers: makes callers.
        log: is told of reloads.

    Attributes:
        registry: the clients.
    """

    def __init__(self, config: Config, callers: Callers, log: Log) -> None:
        self.registry = Registry(Throttle())
        self._config = config
        self._callers = callers
        self._log = log
        self._watch: Watch | None = None

    def load(self) -> None:
        """Read the clients.

        Raises:
            ConfigError: the clients' file is not valid.
        """
        clients = self._read()
        entries = [self._callers.entry(name, client) for name, client in clients.items()]
        self._replace(entries, clients)

    def _read(self) -> dict[str, ClientConfig]:
        path = self._config.clients_file
        more = {} if path is None else load_clients(path, self._config)
        return {**self._config.clients, **more}

    def _replace(self, entries: list[Entry], clients: Mapping[str, ClientConfig]) -> None:
        self.registry.replace(entries, tokens_of(clients, self._log))

    async def start(self) -> None:
        """Watch the clients' file, if there is one."""
        if self._config.clients_file is not None:
            self._watch = Watch([self._config.clients_file], self._reload)
            await self._watch.start()

    async def stop(self) -> None:
        """Watch no more."""
        if self._watch is not None:
            await self._watch.stop()

    async def _reload(self) -> None:
        try:
            clients = await _politely(self._read)
        except ConfigError as error:
            # The old clients stay: half a file must not lock everybody out, nor let anybody in.
            self._log.events.error("clients_refused", detail=str(error).splitlines())
            return
        entries: list[Entry] = []
        for name, client in clients.items():
            entries.append(self._callers.entry(name, client))
            if len(entries) % _CHUNK == 0:
                await asyncio.sleep(0)
        self._replace(entries, clients)
        self._log.events.info("clients_reloaded", clients=len(entries))


async def _politely(read: Callable[[], dict[str, ClientConfig]]) -> dict[str, ClientConfig]:
    """Read in a thread that lets the loop go on all the while."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    try:
        return await asyncio.to_thread(read)
    finally:
        sys.setswitchinterval(before)
