"""What may be asked for: methods, and rules on paths, of a route, a preset or a client."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from proxy.config import fields as f
from proxy.config.keys import Keys, default


def _methods(value: object) -> object:
    return None if value == "any" else value


Methods = Annotated[
    Annotated[tuple[f.Method, ...], Field(min_length=1)] | None,
    BeforeValidator(
        _methods,
        json_schema_input_type=Literal["any"] | Annotated[list[f.Method], Field(min_length=1)],
    ),
]


class Rule(Keys):
    """Paths that are allowed or denied; the first rule that matches decides."""

    methods: Methods = default("any")
    paths: Annotated[tuple[f.PathPattern, ...], Field(min_length=1)]
    action: f.Action
