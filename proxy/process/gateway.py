"""The gateway: who may use the proxy, read at start and again when their file changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from proxy.access.registry import Registry
from proxy.access.throttle import Throttle
from proxy.config.clients import load_clients
from proxy.config.errors import ConfigError
from proxy.process.tokens import tokens_of
from proxy.process.watch import Watch


if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.access.registry import Entry
    from proxy.access.tokens import Tokens
    from proxy.config.client import ClientConfig
    from proxy.config.schema import Config
    from proxy.observe.log import Log
    from proxy.process.callers import Callers
    from proxy.upstream.sweep import Sweep


_AT_ONCE: Final = 50
"""Clients that are made while requests wait: a millisecond."""


class Gateway:
    """The clients of a configuration, kept up to date.

    Args:
        config: settled.
        callers: makes callers.
        sweep: watches the connections to issuers of tokens.
        log: is told of reloads.

    Attributes:
        registry: the clients.
    """

    def __init__(self, config: Config, callers: Callers, sweep: Sweep, log: Log) -> None:
        self.registry = Registry(Throttle())
        self._config = config
        self._callers = callers
        self._sweep = sweep
        self._log = log
        self._tokens: Tokens | None = None
        path = config.clients_file
        # Before the file is read: what changes while it is, is seen.
        self._watch = None if path is None else Watch([path], self._reload)

    def load(self) -> None:
        """Read the clients.

        Raises:
            ConfigError: the clients' file is not valid.
            ModuleNotFoundError: the extra `gateway` is not installed, and needed.
        """
        clients = self._read()
        entries = [self._callers.entry(name, client) for name, client in clients.items()]
        self._replace(entries, clients)

    async def start(self) -> None:
        """Watch the clients' file, if there is one."""
        if self._watch is not None:
            await self._watch.start()

    async def stop(self) -> None:
        """Watch no more, ask no issuer any more; once or more often."""
        if self._watch is not None:
            await self._watch.stop()
        if self._tokens is not None:
            await self._tokens.close()

    def _read(self) -> dict[str, ClientConfig]:
        path = self._config.clients_file
        more = {} if path is None else load_clients(path, self._config)
        return {**self._config.clients, **more}

    def _replace(self, entries: list[Entry], clients: Mapping[str, ClientConfig]) -> None:
        self._tokens = tokens_of(clients, self._tokens, self._sweep, self._log)
        self.registry.replace(entries, self._tokens)

    async def _reload(self) -> None:
        """Take the file up if it is valid.

        Else the old clients stay: half a file must neither lock everybody out nor let anybody in.
        """
        try:
            clients = await asyncio.to_thread(self._read)
        except ConfigError as error:
            self._refused(str(error).splitlines())
            return
        entries: list[Entry] = []
        for name, client in clients.items():
            entries.append(self._callers.entry(name, client))
            if len(entries) % _AT_ONCE == 0:
                await asyncio.sleep(0)
        before = self._tokens
        try:
            self._replace(entries, clients)
        except ModuleNotFoundError as error:
            # Of the first client with a JWT: till then nothing of the extra was needed.
            self._refused([f"clients: needs {error.name}: pip install 'keybearer[gateway]'"])
            return
        if before is not None:
            await before.close(successor=self._tokens)
        self._log.events.info("clients_reloaded", clients=len(entries))

    def _refused(self, problems: list[str]) -> None:
        self._log.events.error("clients_refused", problems=problems)
