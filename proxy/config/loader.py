"""The way of a configuration file: read, parse, preset, validate, complete, check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from proxy.characters import NotUtf8, decoded
from proxy.config import checks, describe, presets
from proxy.config.errors import ConfigError, Problem
from proxy.config.interpolate import BROKEN, Reader
from proxy.config.keys import Context
from proxy.config.nodes import Positions
from proxy.config.pieces import not_utf_8_problem
from proxy.config.schema import Config
from proxy.config.scope import Scope
from proxy.config.settle import settle
from proxy.config.source import parse


if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from proxy.config.interpolate import Plain


MAX_FILE_SIZE: Final = 4 * 1024 * 1024  # a thousand routes are 200 KiB; /dev/zero never ends

_ENTRIES: Final = frozenset(
    {"routes", "credentials", "clients"}
)  # what is left out one entry at a time
# Where something is wrong in one of them, a listener is not judged.
_ABOUT_LISTENING: Final = ("listen", "insecure_open", "allow_hosts", "clients", "clients_file")


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Return the configuration that a file holds.

    Args:
        path: the file; relative paths in it begin at its directory.
        environ: what `${NAME}` is taken from.

    Raises:
        ConfigError: with everything that is wrong with the file.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        raise _unreadable(name, f"cannot be read: {error.strerror or 'input error'}") from None
    except ValueError:
        raise _unreadable(name, "cannot be read: no valid file name") from None
    if len(data) > MAX_FILE_SIZE:
        raise _unreadable(name, "is over 4 MiB; this is no configuration file")
    try:
        text = decoded(data)
    except NotUtf8 as error:
        raise ConfigError(not_utf_8_problem(name, error)) from None
    config = loads(text, name=name, base=path.absolute().parent, environ=environ)
    return config.read_from(path.absolute())


def loads(text: str, *, name: str, base: Path, environ: Mapping[str, str]) -> Config:
    """Return the configuration that a text holds.

    Args:
        text: YAML.
        name: what the text is called in messages.
        base: the directory that relative paths begin at.
        environ: what `${NAME}` is taken from.

    Raises:
        ConfigError: with everything that is wrong with the text.
    """
    root = parse(text, name)
    reader = Reader(Positions(name, root), environ)
    draft = _Draft(reader.read(root), Context(base.absolute()), reader.positions, reader.problems)
    draft.use_presets()
    written = draft.validated()
    config = None if written is None else draft.checked(written)
    if config is None or draft.problems:
        raise ConfigError(*sorted(dict.fromkeys(draft.problems), key=_place))
    return config.placed(reader.positions)


def _unreadable(name: str, message: str) -> ConfigError:
    return ConfigError(Problem(name, None, None, (), message))


def _place(problem: Problem) -> tuple[int, int]:
    return problem.line or 0, problem.column or 0


def _is_about_listening(key: str) -> bool:
    return describe.is_like(key, _ABOUT_LISTENING)


@dataclass(slots=True)
class _Draft:
    """A tree on its way to a configuration, and what was found wrong so far."""

    tree: Plain
    context: Context
    positions: Positions
    problems: list[Problem]
    # Rules across keys are checked on what is valid, so that one wrong route does not hide the
    # errors of others; but not against parts that had to be left out.
    left_out: set[str] = field(default_factory=set)
    declared: dict[str, frozenset[str]] = field(default_factory=dict)

    def entries(self, key: str) -> dict[str, Plain]:
        """Return the entries of a mapping at the top as far as they can be read."""
        entries = self.tree.get(key) if isinstance(self.tree, dict) else None
        return entries if isinstance(entries, dict) else {}

    def use_presets(self) -> None:
        """Fill in the upstream of routes that leave it to a preset."""
        for name, route in self.entries("routes").items():
            preset = route.get("preset") if isinstance(route, dict) else None
            if not isinstance(route, dict) or not isinstance(preset, str) or preset == "none":
                continue
            known = presets.names()
            if preset in known:
                route.setdefault("upstream", str(presets.get(preset).upstream))
                continue
            similar = describe.close_to(preset, known) or f"; there are {', '.join(known)}"
            message = f"no preset of that name{similar}"
            self.problems.append(self.positions.problem(("routes", name, "preset"), message))
            route["preset"] = route["upstream"] = BROKEN

    def validated(self) -> Config | None:
        """Return what is valid; None if that is too little to check anything."""
        self.declared = {key: frozenset(self.entries(key)) for key in _ENTRIES}
        try:
            return Config.model_validate(self.tree, context=self.context)
        except ValidationError as error:
            found = describe.problems(error, self.tree, self.context, self.positions)
            self.problems.extend(found)
            for detail in error.errors(include_url=False, include_input=False):
                self._leave_out(describe.plain_path(detail["loc"]))
        try:
            return Config.model_validate(self.tree, context=self.context)
        except ValidationError:
            return None

    def _leave_out(self, path: tuple[str | int, ...]) -> None:
        if not path or not isinstance(self.tree, dict):
            return
        top = str(path[0])
        if top in _ENTRIES and len(path) > 1:
            self.entries(top).pop(str(path[1]), None)
        else:
            self.left_out.add(top)
            self.tree.pop(top, None)

    def checked(self, written: Config) -> Config:
        """Complete the routes, and note what breaks a rule across keys."""
        config = settle(written)
        scope = Scope(
            written=written,
            config=config,
            where=self.positions.where,
            routes=self.declared["routes"],
            credentials=self.declared["credentials"],
            credentials_known="credentials" not in self.left_out,
            listeners_known=not any(map(_is_about_listening, self.left_out)),
            has_clients=bool(self.declared["clients"]) or config.has_clients,
        )
        for path, message in checks.all_of(scope):
            self.problems.append(self.positions.problem(path, message))
        return config
