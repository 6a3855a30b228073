"""The file of clients: the map of `clients:` in a file of its own, thousands of them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from proxy.config import describe
from proxy.config.client import CertificateConfig, ClientConfig, JwtConfig
from proxy.config.client_checks import ClientChecks
from proxy.config.errors import ConfigError, Problem, shown
from proxy.config.grants import RateConfig, client_name
from proxy.config.interpolate import Reader
from proxy.config.keys import Context
from proxy.config.nodes import Mapping, Positions
from proxy.config.pieces import Pieces
from proxy.config.regular import regular
from proxy.config.scope import Scope
from proxy.config.source import entries


if TYPE_CHECKING:
    from collections.abc import Mapping as Environ

    from proxy.config.errors import Path as KeyPath
    from proxy.config.nodes import Node, Scalar
    from proxy.config.schema import Config


__all__ = ["CertificateConfig", "ClientConfig", "JwtConfig", "RateConfig", "load_clients"]

MAX_CLIENTS_FILE_SIZE: Final = 64 * 1024 * 1024  # 10,000 clients are 2 MiB

# Loading runs beside the event loop, and whoever computes in Python gives the interpreter away
# every 5 ms at best: so it rests, for a moment, after a shorter while.
_WORK_S: Final = 0.002
_REST_S: Final = 0.0001


def load_clients(
    path: Path, config: Config, environ: Environ[str, str] | None = None
) -> dict[str, ClientConfig]:
    """Return the clients that a file holds, without those of the configuration itself.

    It may take seconds: run it in a thread. It rests every 2 ms, so that others can work.

    Args:
        path: the file.
        config: what their routes and credentials are looked up in, and what other clients there
            are.
        environ: what `${NAME}` is taken from; None for the process's own.

    Raises:
        ConfigError: with everything that is wrong with the file, up to 100 problems.
    """
    name = str(path)
    try:
        file = regular(path)
    except OSError as error:
        raise _unreadable(name, error.strerror or "input error") from None
    except ValueError:
        raise _unreadable(name, "no valid file name") from None
    with file:
        pieces = Pieces(file, name, MAX_CLIENTS_FILE_SIZE)
        return _Loading(pieces, config, os.environ if environ is None else environ).all()


def _unreadable(name: str, reason: str) -> ConfigError:
    return ConfigError(Problem(name, None, None, (), f"cannot be read: {reason}"))


class _Loading:
    """A file of clients on its way to clients, and what was found wrong so far."""

    def __init__(self, pieces: Pieces, config: Config, environ: Environ[str, str]) -> None:
        self._pieces = pieces
        self._config = config
        self._environ = environ
        self._clients: dict[str, ClientConfig] = {}
        self._lines: dict[str, int] = {}
        self._problems: list[Problem] = []
        scope = Scope.of(config)
        before = ClientChecks(scope, scope.where)
        for name, client in config.clients.items():
            # They are valid, so this finds nothing; they are only to be known.
            list(before.of(("clients", name), client))
        self._checks = ClientChecks(scope, self._where, before)

    def all(self) -> dict[str, ClientConfig]:
        """Return the clients, or raise every problem."""
        rested = time.monotonic()
        try:
            for key, node in entries(self._pieces):
                self._one(key, node)
                if len(self._problems) >= describe.MAX_PROBLEMS:
                    break
                if time.monotonic() - rested > _WORK_S:
                    time.sleep(_REST_S)
                    rested = time.monotonic()
        except ConfigError as error:
            self._problems.extend(error.problems)
        if self._problems:
            raise ConfigError(*self._problems)
        return self._clients

    def _one(self, key: Scalar, node: Node) -> None:
        name = key.text
        positions = Positions(self._pieces.name, Mapping(key.mark, {name: (key.mark, node)}))
        wrong = self._wrong_name(key, node)
        if wrong is not None:
            self._problems.append(positions.problem((name,), wrong, at_key=True))
            return
        self._lines[name] = key.mark.line
        client = self._client(name, node, positions)
        if client is None:
            return
        self._clients[name] = client
        for path, message in self._checks.of((name,), client):
            self._problems.append(positions.problem(path, message))

    def _wrong_name(self, key: Scalar, node: Node) -> str | None:
        name = key.text
        if name in self._lines:
            return f"is given twice, first on line {self._lines[name]}; keep one"
        if name in self._config.clients:
            return f"is {self._config.where(('clients', name))} too; keep one"
        if name == "clients" and isinstance(node, Mapping) and _are_mappings(node):
            return "stands above the clients; this file is their map itself, leave this key away"
        try:
            client_name(name)
        except ValueError as error:
            return str(error)
        return None

    def _client(self, name: str, node: Node, positions: Positions) -> ClientConfig | None:
        reader = Reader(positions, self._environ)
        tree = reader.read(node, (name,))
        context = Context(Path())
        try:
            client = ClientConfig.model_validate(tree, context=context)
        except ValidationError as error:
            found = describe.problems(error, {name: tree}, context, positions, above=(name,))
            self._problems.extend(found)
            client = None
        self._problems.extend(reader.problems)
        return client

    def _where(self, path: KeyPath) -> str:
        return f"{shown(path)} (line {self._lines[str(path[0])]})"


def _are_mappings(node: Mapping) -> bool:
    return bool(node.entries) and all(isinstance(at, Mapping) for _, at in node.entries.values())
