"""What every mapping of the file has in common: frozen, every key known, defaults as texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator


if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import ValidationInfo


@dataclass(frozen=True, slots=True)
class Context:
    """What validation is given beside the tree.

    Attributes:
        base: the directory that relative paths begin at.
        models: which model read which mapping of the tree, by `id`.
    """

    base: Path
    models: dict[int, type[Keys]] = field(default_factory=dict)


def default(text: object) -> Any:
    """Return a field whose default is written as in the file, and read like it."""
    return Field(default=text, validate_default=True)


def none() -> Any:
    """Return a field that is None when its key is left away."""
    return Field(default=None)


def exactly_one(keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the JSON Schema's word for exactly one of some keys."""
    return {"oneOf": [{"required": [key]} for key in keys]}


class Keys(BaseModel):
    """A mapping of the file. `later` are keys that the design has and this version has not."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        # Else each model is built by itself, and once more inside those that hold it.
        defer_build=True,
    )
    later: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _note(cls, value: Any, info: ValidationInfo) -> Any:
        """Note which model reads which mapping, for sentences about its keys."""
        if info.context is not None:
            info.context.models[id(value)] = cls
        return value

    @classmethod
    def key_names(cls) -> tuple[str, ...]:
        """Return the keys as they are written."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())
