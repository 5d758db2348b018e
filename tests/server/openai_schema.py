"""OpenAI's published API description, as a JSON Schema validator."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

BESIDE_THE_CHECKOUT = Path(__file__).parents[3] / "shared" / "openai" / "openapi.json"


def assert_conforms(body: Any, schema: str) -> None:
    """Fail with the plainest deviation of `body` from the published schema of this name."""
    problem = best_match(_validator(schema).iter_errors(body))
    assert problem is None, f"{problem.json_path}: {problem.message[:300]}"


def request_parameters(schema: str) -> set[str]:
    """The names of all parameters that a published request schema has."""
    names: set[str] = set()
    pending = [{"$ref": f"#/components/schemas/{schema}"}]
    while pending:
        node = pending.pop()
        if "$ref" in node:
            pending.append(_schemas()[node["$ref"].rpartition("/")[2]])
        names |= set(node.get("properties", ()))
        pending += node.get("allOf", ())
    return names


@functools.cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": {"schemas": _schemas()}})


@functools.cache
def _schemas() -> dict[str, Any]:
    path = Path(os.environ.get("OMINIX_OPENAI_SCHEMA") or BESIDE_THE_CHECKOUT)
    if not path.is_file():
        pytest.skip("OpenAI's published schema is not here; OMINIX_OPENAI_SCHEMA names the file (openapi.json)")
    schemas: dict[str, Any] = _with_null_types(json.loads(path.read_bytes()))["components"]["schemas"]
    return schemas


def _with_null_types(node: Any) -> Any:
    """OpenAPI 3.0's `nullable: true`, which the file still uses in places, as JSON Schema says it."""
    if isinstance(node, list):
        return [_with_null_types(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _with_null_types(value) for key, value in node.items()}
    return {"anyOf": [node, {"type": "null"}]} if node.pop("nullable", None) is True else node
