"""The file of clients: the map of `clients:` in a file of its own, thousands of them."""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING, Final

from proxy.access import keys
from proxy.config.blocks import blocks, without
from proxy.config.client import CertificateConfig, ClientConfig, JwtConfig
from proxy.config.clients_load import Loading, misshapen
from proxy.config.errors import ConfigError, Problem
from proxy.config.grants import RateConfig
from proxy.config.pieces import Pieces
from proxy.config.regular import regular


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping as Environ
    from pathlib import Path

    from proxy.config.blocks import Block
    from proxy.config.schema import Config


__all__ = [
    "CertificateConfig",
    "ClientConfig",
    "ClientsFile",
    "ClientsUnreadable",
    "HalfWritten",
    "JwtConfig",
    "RateConfig",
    "check_shape",
    "load_clients",
]

_TRIES: Final = 5
_TRY_AGAIN_S: Final = 0.02


class ClientsUnreadable(ConfigError):
    """The file cannot be read now, which may pass without another change of it."""


class HalfWritten(ClientsUnreadable):
    """The file looks as if somebody were writing it."""


class ClientsFile:
    """A clients file that is read again and again; what has not changed is taken over.

    Args:
        path: the file.
        config: what their routes and credentials are looked up in, and what other clients there
            are.
        environ: what `${NAME}` is taken from; None for the process's own.
        look_up: is called for each client while it is read again; what it raises ends that.
    """

    def __init__(
        self,
        path: Path,
        config: Config,
        environ: Environ[str, str] | None = None,
        look_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = path
        self._config = config
        self._environ = os.environ if environ is None else environ
        self._look_up = look_up
        self._known: dict[str, ClientConfig] = {}
        self._doubted: bytes | None = None

    def load(self) -> dict[str, ClientConfig]:
        """Return the clients that the file holds, without those of the configuration itself.

        It may take seconds.

        Raises:
            ConfigError: with everything that is wrong with the file, up to 100 problems.
            ClientsUnreadable: it cannot be opened or read.
        """
        return self._load(contents(self._path), lambda: None)

    def reload(self) -> dict[str, ClientConfig]:
        """Return the clients as `load` does, of a file that somebody may be writing.

        Raises:
            HalfWritten: its last line has no end; the next call takes that as it is.
        """
        data = contents(self._path)
        if not data.endswith(b"\n") and data != self._doubted:
            self._doubted = data
            raise HalfWritten(Problem(str(self._path), None, None, (), "ends within a line"))
        self._doubted = None
        return self._load(data, self._look_up)

    def _load(self, data: bytes, look_up: Callable[[], None]) -> dict[str, ClientConfig]:
        cut = blocks(data)
        clients = self._changed(cut, look_up) if cut and self._known else None
        if clients is None:
            clients, lines = self._parsed(Loading(self._config, self._environ, look_up), data)
            if cut is not None and lines != _lines(cut):
                cut = None
        self._known = {} if cut is None else {each.text: clients[each.name] for each in cut}
        return clients

    def _changed(
        self, cut: tuple[Block, ...], look_up: Callable[[], None]
    ) -> dict[str, ClientConfig] | None:
        """Return the clients, only the changed ones parsed; None: all must be.

        Every block of which the text is known has been a client by itself, in this very text.
        """
        loading = Loading(self._config, self._environ, look_up)
        known = frozenset(index for index, each in enumerate(cut) if each.text in self._known)
        for index in known:
            name, line, text = cut[index]
            if not loading.again(name, line, self._known[text]):
                return None
        if len(known) == len(cut):
            return {each.name: self._known[each.text] for each in cut}
        try:
            clients, lines = self._parsed(loading, without(cut, known))
        except ConfigError:
            return None  # the lines are told of the whole
        # In the order of the file: of several rules for tokens the first that fits counts.
        return {each.name: clients[each.name] for each in cut} if lines == _lines(cut) else None

    def _parsed(
        self, loading: Loading, data: bytes
    ) -> tuple[dict[str, ClientConfig], dict[str, int]]:
        pieces = Pieces(io.BytesIO(data), str(self._path), keys.MAX_FILE_SIZE)
        return loading.all(pieces), loading.lines


def load_clients(
    path: Path, config: Config, environ: Environ[str, str] | None = None
) -> dict[str, ClientConfig]:
    """Return the clients of a file once; see `ClientsFile`."""
    return ClientsFile(path, config, environ).load()


def check_shape(path: Path) -> None:
    """Check the clients of a file as far as that can be done without a configuration.

    Raises:
        ConfigError: with everything that is wrong.
    """
    pieces = Pieces(io.BytesIO(contents(path)), str(path), keys.MAX_FILE_SIZE)
    problems = misshapen(pieces, os.environ)
    if problems:
        raise ConfigError(*problems)


def contents(path: Path) -> bytes:
    """Return the bytes of a file as they were at one moment.

    Raises:
        ClientsUnreadable: it cannot be opened or read, or is written all the time.
    """
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_TRY_AGAIN_S)
        try:
            with regular(path) as file:
                before = os.fstat(file.fileno())
                data = file.read(keys.MAX_FILE_SIZE + 1)
                after = os.fstat(file.fileno())
        except OSError as error:
            raise _unreadable(path, error.strerror or "input error") from None
        except ValueError:
            raise _unreadable(path, "no valid file name") from None
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            return data
    raise _unreadable(path, "it is being written all the time")


def _unreadable(path: Path, reason: str) -> ClientsUnreadable:
    return ClientsUnreadable(Problem(str(path), None, None, (), f"cannot be read: {reason}"))


def _lines(cut: tuple[Block, ...]) -> dict[str, int]:
    return {each.name: each.line for each in cut}
