"""The certificates of our TLS listeners: read at start, and again when their files change."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.config.errors import ConfigError
from proxy.dataplane.secure import Gate
from proxy.process.listener_tls import CertificateError, contents, server_context
from proxy.process.watch import Watch


if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.config.errors import Path as KeyPath
    from proxy.config.schema import Config, Listen, ListenTls
    from proxy.observe.log import Log


TOLD_AGAIN_S: Final = 10.0
"""Whoever can connect can make handshakes fail: each reason is told so often at most."""


@dataclass(slots=True)
class _Held:
    """The gate of one pair of files, and which contents were tried last."""

    tls: ListenTls
    gate: Gate
    tried: bytes


class Certificates:
    """The gates of all TLS listeners of a configuration.

    Args:
        config: settled.
        log: is told of reloads, and of handshakes that fail.

    Raises:
        ConfigError: every file that cannot be used, with its place in the configuration.
    """

    def __init__(self, config: Config, log: Log) -> None:
        self._log = log
        self._told: dict[str, float] = {}
        self._held: dict[ListenTls, _Held] = {}
        wanted = list(_wanted(config))
        paths = [path for _, tls in wanted for path in (tls.cert, tls.key, tls.client_ca) if path]
        # Before they are read: what changes meanwhile is seen then.
        self._watch = Watch(paths, self._reload) if paths else None
        problems = []
        for where, tls in wanted:
            try:
                self._hold(tls)
            except CertificateError as error:
                problems.append(config.problem_at((*where, error.key), str(error)))
        if wanted and importlib.util.find_spec("watchfiles") is None:
            message = "needs the extra `gateway`: pip install 'keybearer[gateway]'"
            problems.append(config.problem_at(wanted[0][0], message))
        if problems:
            raise ConfigError(*dict.fromkeys(problems))

    def gate(self, tls: ListenTls | None) -> Gate | None:
        """Return the gate of a listener; None for one without TLS."""
        return None if tls is None else self._held[tls].gate

    async def start(self) -> None:
        """Follow the files."""
        if self._watch is not None:
            await self._watch.start()

    async def stop(self) -> None:
        """Follow them no more."""
        if self._watch is not None:
            await self._watch.stop()

    def _hold(self, tls: ListenTls) -> None:
        if tls not in self._held:
            tried = contents(tls)
            self._held[tls] = _Held(tls, Gate(server_context(tls), self._refused), tried)

    async def _reload(self) -> bool:
        for held in self._held.values():
            found = await asyncio.to_thread(contents, held.tls)
            if found != held.tried:
                held.tried = found
                await self._renew(held)
        return True

    async def _renew(self, held: _Held) -> None:
        """Use what the files hold now for handshakes to come, if it is good."""
        try:
            held.gate.context = await asyncio.to_thread(server_context, held.tls)
        except CertificateError as error:
            self._log.events.error("certificate_refused", detail=f"{error}; the old one stays")
        else:
            self._log.events.info("certificate_reloaded", cert=str(held.tls.cert))

    def _refused(self, address: str, reason: str) -> None:
        now = time.monotonic()
        if now - self._told.get(reason, float("-inf")) >= TOLD_AGAIN_S:
            self._told[reason] = now
            self._log.events.info("handshake_refused", client=address, detail=reason)


def _wanted(config: Config) -> Iterator[tuple[KeyPath, ListenTls]]:
    places: list[tuple[KeyPath, tuple[Listen, ...]]] = [(("listen",), config.listen)]
    places += [(("routes", name, "listen"), route.listen) for name, route in config.routes.items()]
    for path, listeners in places:
        for index, listen in enumerate(listeners):
            if listen.tls is not None:
                yield (*path, index, "tls"), listen.tls
