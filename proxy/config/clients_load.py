"""The text of a clients file to clients, and every problem of it with its line."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from proxy.config import describe
from proxy.config.client import ClientConfig
from proxy.config.client_checks import ClientChecks
from proxy.config.errors import ConfigError, shown
from proxy.config.grants import client_name
from proxy.config.interpolate import Reader
from proxy.config.keys import Context
from proxy.config.nodes import Mapping, Positions
from proxy.config.scope import Scope
from proxy.config.source import entries


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping as Environ

    from proxy.config.errors import Path as KeyPath, Problem
    from proxy.config.nodes import Node, Scalar
    from proxy.config.pieces import Pieces
    from proxy.config.schema import Config


class Loading:
    """A file of clients on its way to clients, and what was found wrong so far.

    Args:
        config: what their routes and credentials are looked up in, and what other clients there
            are.
        environ: what `${NAME}` is taken from.
        look_up: is called for each client; what it raises ends the loading.

    Attributes:
        lines: where each client stands.
    """

    def __init__(
        self, config: Config, environ: Environ[str, str], look_up: Callable[[], None]
    ) -> None:
        self.lines: dict[str, int] = {}
        self._config = config
        self._environ = environ
        self._look_up = look_up
        self._clients: dict[str, ClientConfig] = {}
        self._problems: list[Problem] = []
        scope = Scope.of(config)
        before = ClientChecks(scope, scope.where)
        for name, client in config.clients.items():
            # They are valid, so this finds nothing; they are only to be known.
            list(before.of(("clients", name), client))
        # Not a method of this: 10,000 clients would be left to the garbage collector.
        self._checks = ClientChecks(scope, partial(_where, self.lines), before)

    def again(self, name: str, line: int, client: ClientConfig) -> bool:
        """Take a client over that was valid when it was read before; tell whether it still is."""
        self._look_up()
        if name in self.lines:
            return False
        self.lines[name] = line
        self._clients[name] = client
        return not any(self._checks.of((name,), client))

    def all(self, pieces: Pieces) -> dict[str, ClientConfig]:
        """Return the clients of a text, with those that were taken over; or raise every problem."""
        try:
            for key, node in entries(pieces):
                self._one(pieces.name, key, node)
                if len(self._problems) >= describe.MAX_PROBLEMS:
                    break
                self._look_up()
        except ConfigError as error:
            self._problems.extend(error.problems)
        if self._problems:
            raise ConfigError(*self._problems)
        return self._clients

    def _one(self, file: str, key: Scalar, node: Node) -> None:
        name = key.text
        positions = Positions(file, Mapping(key.mark, {name: (key.mark, node)}))
        wrong = self._wrong_name(key, node)
        if wrong is not None:
            self._problems.append(positions.problem((name,), wrong, at_key=True))
            return
        self.lines[name] = key.mark.line
        client = self._client(name, node, positions)
        if client is None:
            return
        self._clients[name] = client
        for path, message in self._checks.of((name,), client):
            self._problems.append(positions.problem(path, message))

    def _wrong_name(self, key: Scalar, node: Node) -> str | None:
        name = key.text
        if name in self.lines:
            return f"is given twice, first on line {self.lines[name]}; keep one"
        if name in self._config.clients:
            return f"is {self._config.where(('clients', name))} too; keep one"
        if name == "clients" and isinstance(node, Mapping) and _are_mappings(node):
            return "stands above the clients; this file is their map itself, leave this key out"
        try:
            client_name(name)
        except ValueError as error:
            return str(error)
        return None

    def _client(self, name: str, node: Node, positions: Positions) -> ClientConfig | None:
        return _validated(name, node, positions, self._environ, self._problems)


def misshapen(pieces: Pieces, environ: Environ[str, str]) -> list[Problem]:
    """Return what is wrong with the clients of a text, each by itself.

    Whether their routes and credentials are there says the configuration alone.
    """
    problems: list[Problem] = []
    try:
        for key, node in entries(pieces):
            positions = Positions(pieces.name, Mapping(key.mark, {key.text: (key.mark, node)}))
            try:
                client_name(key.text)
            except ValueError as error:
                problems.append(positions.problem((key.text,), str(error), at_key=True))
            else:
                _validated(key.text, node, positions, environ, problems)
            if len(problems) >= describe.MAX_PROBLEMS:
                break
    except ConfigError as error:
        problems.extend(error.problems)
    return problems


def _validated(
    name: str,
    node: Node,
    positions: Positions,
    environ: Environ[str, str],
    problems: list[Problem],
) -> ClientConfig | None:
    """Return a client, None if it is none by itself; add what is wrong to the problems."""
    reader = Reader(positions, environ)
    tree = reader.read(node, (name,))
    context = Context(Path())
    client = None
    try:
        client = ClientConfig.model_validate(tree, context=context)
    except ValidationError as error:
        problems.extend(describe.problems(error, {name: tree}, context, positions, above=(name,)))
    problems.extend(reader.problems)
    return client


def _where(lines: Environ[str, int], path: KeyPath) -> str:
    return f"{shown(path)} (line {lines[str(path[0])]})"


def _are_mappings(node: Mapping) -> bool:
    return bool(node.entries) and all(isinstance(at, Mapping) for _, at in node.entries.values())
