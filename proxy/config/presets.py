"""Presets: what is known about an API, so that a route needs two lines."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.config import fields as f
from proxy.config.interpolate import Reader
from proxy.config.keys import Context, Keys, default
from proxy.config.nodes import Positions
from proxy.config.rules import Methods, Rule
from proxy.config.schema import SetHeaders, Strip
from proxy.config.source import parse


# Not importlib.resources, whose import alone costs more than reading them.
_FILES: Final = Path(__file__).with_name("presets")


class Preset(Keys):
    """What a preset's file says.

    `scheme` is where a route's `token:` goes; `minting` are rules that deny what would answer a
    new credential; `probe` is a path whose GET succeeds for every valid credential.
    """

    name: f.RouteName
    description: f.Text
    upstream: f.UpstreamOrigin
    scheme: Annotated[Literal["access-token", "bearer"], f.words("access-token", "bearer")]
    token_env: Annotated[str, f.EnvName]
    probe: f.PathPattern
    methods: Methods = default("any")
    rules: tuple[Rule, ...] = ()
    minting: Annotated[tuple[Rule, ...], Field(min_length=1)]
    set_headers: SetHeaders = default({})
    strip: Strip = default({})


def names() -> tuple[str, ...]:
    """Return the names of all presets, sorted."""
    found = (entry.name for entry in _FILES.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml")))


@cache
def get(name: str) -> Preset:
    """Return a preset.

    Raises:
        KeyError: there is none of that name.
    """
    if name not in names():
        raise KeyError(name)
    file = f"{name}.yaml"
    root = parse((_FILES / file).read_text("utf-8"), file)
    tree = Reader(Positions(file, root), {}).read(root)
    return Preset.model_validate(
        {"name": name, **tree} if isinstance(tree, dict) else tree, context=Context(Path())
    )
