"""Which configuration a command works with: a file's, or one made of options."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from proxy.cli.fail import WrongConfiguration
from proxy.config.errors import ConfigError
from proxy.config.loader import load, loads
from proxy.config.presets import get as get_preset


if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.config.schema import Config


VARIABLE: Final = "KEYBEARER_CONFIG"
DEFAULT_FILE: Final = "config.yaml"
DEFAULT_PORT: Final = 8484


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-c FILE` to a command."""
    return click.option(
        "-c",
        "--config",
        "file",
        type=click.Path(path_type=Path),
        help=f"The configuration; else ${VARIABLE}, else ./{DEFAULT_FILE}.",
    )(command)


def chosen_file(file: Path | None) -> Path:
    """Return the file that a command is to read."""
    if file is not None:
        return file
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path(DEFAULT_FILE)


def load_file(file: Path | None) -> Config:
    """Return the configuration of a command.

    Raises:
        WrongConfiguration: with everything that is wrong.
    """
    chosen = chosen_file(file)
    if file is None and not os.environ.get(VARIABLE) and not chosen.exists():
        raise WrongConfiguration(
            f"there is no ./{DEFAULT_FILE}; give one with -c FILE, or call "
            "`keybearer run --preset NAME`, or try `keybearer demo`"
        )
    try:
        return load(chosen, os.environ)
    except ConfigError as error:
        raise WrongConfiguration(str(error)) from error


class OptionRoute(NamedTuple):
    """A route told by options instead of a file.

    Attributes:
        preset: its name, or None.
        upstream: an origin, or None.
        scheme: `bearer`, `access-token`, or None for the preset's.
        source: `{"env": NAME}` or `{"file": PATH}`, or None for the preset's variable.
        port: to listen on.
    """

    preset: str | None
    upstream: str | None
    scheme: str | None
    source: dict[str, str] | None
    port: int

    def config(self) -> Config:
        """Return a configuration of one route, mounted at the root of its own listener.

        Raises:
            WrongConfiguration: the options do not make one.
        """
        route: dict[str, object] = {"path": False, "listen": f"localhost:{self.port}"}
        if self.upstream is not None:
            route["upstream"] = self.upstream
        if self.preset is not None:
            route |= self._of_preset(self.preset)
        if self.scheme is not None and self.source is not None:
            route["credential"] = {self.scheme: self.source}
            route.pop("token", None)
        elif self.source is not None:
            route["token"] = self.source
        name = self.preset or "upstream"
        # JSON is YAML: quoted as it must be, whatever the options hold. `$` begins a variable.
        written = json.dumps({"listen": "none", "routes": {name: route}}, ensure_ascii=False)
        text = written.replace("$", "$$")
        try:
            return loads(text, name="options", base=Path.cwd(), environ=os.environ)
        except ConfigError as error:
            raise WrongConfiguration(str(error)) from error

    @staticmethod
    def _of_preset(name: str) -> dict[str, object]:
        try:
            preset = get_preset(name)
        except KeyError:
            raise WrongConfiguration(
                f"there is no preset {name!r}; `keybearer presets` lists them"
            ) from None
        return {"preset": name, "token": {"env": preset.token_env}}
