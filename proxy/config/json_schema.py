"""The JSON Schema of the file, for editors."""

from __future__ import annotations

from typing import Any

from proxy.config.schema import Config


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the file, for editors."""
    schema = Config.model_json_schema()
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Keybearer configuration",
    }
    cleaned: dict[str, Any] = _cleaned(schema)
    return head | cleaned


def _cleaned(node: Any) -> Any:
    """Leave away what pydantic adds and an editor has no use for."""
    if isinstance(node, list):
        return [_cleaned(item) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    cleaned = {
        key: _cleaned(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and not value)
    }
    if "patternProperties" in cleaned:
        cleaned["additionalProperties"] = False
    return cleaned
