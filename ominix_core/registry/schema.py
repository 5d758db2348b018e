"""The JSON Schema of a registry file. `python -m ominix_core.registry.schema > registry/schema.json` writes it."""

from __future__ import annotations

import inspect
import json
import re
from datetime import date
from typing import Annotated, Any

import msgspec

from ominix_core.registry import entry
from ominix_core.registry.entry import RegistryEntry


class RegistryFile(msgspec.Struct, kw_only=True):
    """A catalogue of models for Ominix.

    Attributes:
        version: Of the format; readers refuse a newer major version.
        serial: Grows with every edition; an update never goes back.
        expires: After this day readers warn that the edition is stale.
        min_app_version: The oldest Ominix that can read it.
    """

    version: str = "1.0.0"
    serial: Annotated[int, msgspec.Meta(ge=0)] = 0
    expires: date | None = None
    min_app_version: str = ""
    models: list[RegistryEntry]


def registry_schema() -> dict[str, Any]:
    """The schema as a JSON object."""
    _, definitions = msgspec.json.schema_components([RegistryFile], ref_template="#/$defs/{name}")
    for name, definition in definitions.items():
        _describe(definition, RegistryFile if name == "RegistryFile" else getattr(entry, name))
    file, model = definitions.pop("RegistryFile"), definitions["RegistryEntry"]
    model["required"] = ["id"]
    del model["properties"]["said"]
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **file, "title": "Ominix model registry", "$defs": definitions}


def schema_text() -> str:
    return json.dumps(registry_schema(), indent=2, ensure_ascii=False) + "\n"


def _describe(definition: dict[str, Any], struct: type[msgspec.Struct]) -> None:
    """Say of an object and of its fields what the docstring says."""
    summary, _, attributes = inspect.cleandoc(struct.__doc__ or "").partition("\n\nAttributes:\n")
    definition["description"] = summary
    for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
        if name in definition["properties"]:
            definition["properties"][name]["description"] = re.sub(r"\s+", " ", text)


if __name__ == "__main__":
    import sys

    sys.stdout.write(schema_text())
