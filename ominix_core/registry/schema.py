"""The JSON Schema of a registry file. `python -m ominix_core.registry.schema > registry/schema.json` writes it."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ominix_core.registry.entry import Defaults, RegistryEntry


class RegistryFile(BaseModel):
    """A catalogue of models for Ominix.

    Attributes:
        version: Of the format; readers refuse a newer major version.
        serial: Grows with every edition; an update never goes back.
        expires: After this day readers warn that the edition is stale.
        min_app_version: The oldest Ominix that can read it.
    """

    model_config = ConfigDict(extra="allow", title="Ominix model registry")

    version: str = "1.0.0"
    serial: int = Field(0, ge=0)
    expires: date | None = None
    min_app_version: str = ""
    models: list[RegistryEntry]


def registry_schema() -> dict[str, Any]:
    """The schema as a JSON object."""
    schema = RegistryFile.model_json_schema()
    definitions = schema["$defs"]
    definitions["RegistryEntry"]["required"] = ["id"]
    defaults = Defaults.model_json_schema(ref_template="#/$defs/{model}")
    definitions["Defaults"] = defaults
    definitions["RegistryEntry"]["properties"]["defaults"] = {"$ref": "#/$defs/Defaults"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    return json.dumps(registry_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(schema_text())
