"""JSON schemas of msgspec structs, in the form that an OpenAPI document can hold."""

from __future__ import annotations

from typing import Any

import msgspec

_REF = "#/$defs/"


def schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The whole schema of a struct that does not hold itself; references would mean parts of the document around it."""
    (schema,), parts = msgspec.json.schema_components((kind,), ref_template=_REF + "{name}")
    whole: dict[str, Any] = _without_references(schema, parts)
    return whole


def _without_references(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_without_references(item, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _without_references(parts[schema["$ref"].removeprefix(_REF)], parts)
    # What chooses between the members of a union would name them by reference.
    return {name: _without_references(value, parts) for name, value in schema.items() if name != "discriminator"}
