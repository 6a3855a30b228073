"""The gateway: who may use the proxy, read at start and again when their file changes."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.access.registry import Book, Registry
from proxy.access.throttle import Throttle
from proxy.config.client_warnings import Doubtful, doubtful
from proxy.config.clients import ClientsFile, ClientsUnreadable, HalfWritten
from proxy.config.errors import ConfigError
from proxy.dataplane.handler import where
from proxy.process.loop import much_that_stays, short_turns
from proxy.process.tokens import issuers_of, tokens_of
from proxy.process.watch import Watch


if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.access.registry import Entry
    from proxy.access.tokens import IssuerSpec, Tokens
    from proxy.config.client import ClientConfig
    from proxy.config.schema import Config
    from proxy.dataplane.gauge import Gauge
    from proxy.observe.log import Log
    from proxy.process.callers import Callers
    from proxy.upstream.resolver import Resolver
    from proxy.upstream.sweep import Sweep


QUIET_MS: Final = 200
"""Whoever has not written a clients file for so long is done with it."""
ADVICE: Final = "pip install 'keybearer[gateway]'"

_TRANSIENT: Final = (OSError, MemoryError, RuntimeError)
"""No descriptor, memory or thread was to be had."""


class Stopping(Exception):
    """The proxy stops; whatever is read is not needed any more."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What clients become.

    Attributes:
        known: each as it was read, and what it became, by name.
        book: what they are looked up in.
        issuers: of tokens.
        limits: of requests at once, that change.
        gone: names that are not among them any more.
        doubtful: those to be warned about.
        warnings: about such as were not doubtful before.
    """

    known: dict[str, tuple[ClientConfig, Entry]]
    book: Book
    issuers: list[IssuerSpec]
    limits: list[tuple[Gauge, int]]
    gone: list[str]
    doubtful: Doubtful
    warnings: list[str]


class Gateway:
    """The clients of a configuration, kept up to date.

    Args:
        config: settled.
        callers: makes callers.
        sweep: watches the connections to issuers of tokens.
        resolver: of their names.
        log: is told of reloads.

    Attributes:
        registry: the clients.
        warnings: what the operator should know of those that were read at start.
    """

    def __init__(
        self, config: Config, callers: Callers, sweep: Sweep, resolver: Resolver, log: Log
    ) -> None:
        self.registry = Registry(Throttle())
        self.warnings: list[str] = []
        self._config = config
        self._callers = callers
        self._sweep = sweep
        self._resolver = resolver
        self._log = log
        self._tokens: Tokens | None = None
        self._known: dict[str, tuple[ClientConfig, Entry]] = {}
        self._doubtful = Doubtful()
        self._refused: list[str] | None = None
        self._stopping = False
        path = config.clients_file
        self._file = None if path is None else ClientsFile(path, config, look_up=self._look_up)
        # Before the file is read: what changes while it is, is seen.
        self._watch = None if path is None else Watch([path], self._reload, QUIET_MS)

    def load(self) -> None:
        """Read the clients.

        Raises:
            ConfigError: the clients' file is not valid.
            ModuleNotFoundError: the extra `gateway` is not installed, and needed.
        """
        if self._file is not None and importlib.util.find_spec("watchfiles") is None:
            raise ModuleNotFoundError(name="watchfiles")
        with much_that_stays():
            clients = {**self._config.clients, **({} if self._file is None else self._file.load())}
            made = self._made(clients)
            self._take(made)
            self.warnings = made.warnings

    async def start(self) -> None:
        """Watch the clients' file, if there is one."""
        if self._watch is not None:
            await self._watch.start()

    async def stop(self) -> None:
        """Watch no more, ask no issuer any more; once or more often."""
        self._stopping = True
        if self._watch is not None:
            await self._watch.stop()
        if self._tokens is not None:
            await self._tokens.close()

    def _look_up(self) -> None:
        if self._stopping:
            raise Stopping

    def _made(self, clients: Mapping[str, ClientConfig]) -> _Made:
        known = {}
        for name, client in clients.items():
            self._look_up()
            known[name] = client, self._entry(name, client)
        book = Book(entry for _, entry in known.values())
        limits = self._callers.new_limits(known.values())
        doubts = doubtful(clients, now=time.time())
        warnings = doubts.since(self._doubtful).sentences()
        gone = self._callers.gone(but=known)
        return _Made(known, book, issuers_of(clients), limits, gone, doubts, warnings)

    def _entry(self, name: str, client: ClientConfig) -> Entry:
        """Return what a client becomes; if it has not changed, what it was."""
        before = self._known.get(name)
        if before is not None and before[0] is client:
            return before[1]
        return self._callers.entry(name, client)

    def _take(self, made: _Made) -> None:
        """Let these be the clients; it takes no longer the more there are that stay the same."""
        self._tokens = tokens_of(made.issuers, self._tokens, self._sweep, self._resolver, self._log)
        self.registry.replace(made.book, self._tokens)
        self._known = made.known
        for gauge, limit in made.limits:
            gauge.limit = limit
        self._doubtful = made.doubtful
        self._callers.forget(made.gone)

    async def _reload(self) -> bool:
        """Take the file up if it is valid; tell whether it need not be tried again.

        Else the old clients stay: half a file must neither lock everybody out nor let anybody in.
        """
        try:
            with much_that_stays(), short_turns():
                made = await asyncio.to_thread(self._read)
                await self._renew(made)
        except (HalfWritten, Stopping):
            return False
        except ConfigError as error:
            again = isinstance(error, ClientsUnreadable)
            return self._refuse(str(error).splitlines(), again=again)
        except ModuleNotFoundError as error:
            return self._refuse([f"clients: needs {error.name}: {ADVICE}, and start again"])
        except Exception as error:  # noqa: BLE001 -- the old clients stay, and the next change counts
            return self._refuse([where(error)], again=isinstance(error, _TRANSIENT))
        self._refused = None
        self._log.events.info("clients_reloaded", clients=len(made.known))
        for warning in made.warnings:
            self._log.events.warning("configuration", detail=warning)
        return True

    def _read(self) -> _Made:
        assert self._file is not None  # noqa: S101 # for mypy; only then it is watched
        return self._made({**self._config.clients, **self._file.reload()})

    async def _renew(self, made: _Made) -> None:
        before, tokens = self._known, self._tokens
        self._take(made)
        if tokens is not None:
            await tokens.close(successor=self._tokens)
        with contextlib.suppress(RuntimeError):  # no thread is to be had: then all in one go
            await asyncio.to_thread(_let_go, before)

    def _refuse(self, problems: list[str], *, again: bool = False) -> bool:
        """Tell why the old clients stay, once for all tries; return whether this was the last."""
        if problems != self._refused:
            self._log.events.error("clients_refused", problems=problems)
        self._refused = problems if again else None
        return not again


def _let_go(known: dict[str, tuple[ClientConfig, Entry]]) -> None:
    """Free one after the other: all in one go is 10 ms in which nothing else runs."""
    while known:
        known.popitem()
