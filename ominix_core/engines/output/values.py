"""What a tool's schema says of a parameter's type, and the value that text stands for by it."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

Kinds = frozenset[str]
"""The JSON types that a schema allows; empty where it says nothing."""

_TEXT = frozenset(["string"])
_ALIASES = {
    "str": "string", "text": "string", "varchar": "string", "char": "string", "enum": "string",
    "int": "integer", "long": "integer", "float": "number", "double": "number", "num": "number",
    "bool": "boolean", "dict": "object", "map": "object", "list": "array", "arr": "array", "none": "null",
}  # fmt: skip
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
_WHOLE = re.compile(r"[+-]?[0-9]+(?:\.0+)?")
_DEEPEST_REFERENCE = 8


class Parameters:
    """The types of each tool's parameters.

    Args:
        tools: Functions as OpenAI describes them.
    """

    def __init__(self, tools: Sequence[dict[str, Any]]) -> None:
        self._schemas = {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in tools}
        self._kinds: dict[str, dict[str, Kinds]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._schemas

    def kinds(self, name: str) -> dict[str, Kinds]:
        """The types of the parameters of the tool called `name`; without any if there is no such tool."""
        if name not in self._kinds:
            schema = self._schemas.get(name, {})
            properties = schema.get("properties") if isinstance(schema, dict) else None
            properties = properties if isinstance(properties, dict) else {}
            self._kinds[name] = {key: _kinds_of(value, schema, _DEEPEST_REFERENCE) for key, value in properties.items()}
        return self._kinds[name]

    def word(self, name: str) -> Callable[[str, str], str]:
        """What a number or literal becomes as a parameter of the tool: text if it must be text."""
        kinds = self.kinds(name)
        return lambda key, word: json.dumps(word) if kinds.get(key) == _TEXT else word


def _kinds_of(schema: Any, root: Any, depth: int) -> Kinds:
    if not isinstance(schema, dict) or not depth:
        return frozenset()
    if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#/"):
        target: Any = root
        for part in reference[2:].split("/"):
            target = target.get(part) if isinstance(target, dict) else None
        return _kinds_of(target, root, depth - 1)
    if types := schema.get("type"):
        names = types if isinstance(types, list) else [types]
        return frozenset(_ALIASES.get(name.lower(), name.lower()) for name in names if isinstance(name, str))
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list):
        return frozenset(_TYPES.get(type(value), "null") for value in values)
    branches = [branch for word in ("anyOf", "oneOf", "allOf") for branch in _as_list(schema.get(word))]
    found = [_kinds_of(branch, root, depth - 1) for branch in branches]
    return frozenset().union(*found) if all(found) else frozenset()


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def value_of(text: str, kinds: Kinds, *, guess: bool) -> Any:
    """The value that stands as plain `text` where its type is not written.

    Args:
        guess: What has no type in the schema is read as JSON if it is any; else only objects and arrays are.
    """
    if kinds == _TEXT:
        return text
    word = text.strip()
    if not kinds:
        found, value = _literal(word)
        return value if found and (guess or isinstance(value, dict | list)) else text
    for kind, read in _READERS.items():
        if kind in kinds:
            found, value = read(word)
            if found:
                return value
    return text


def _null(word: str) -> tuple[bool, Any]:
    return word.lower() in ("null", "none"), None


def _boolean(word: str) -> tuple[bool, Any]:
    return word.lower() in ("true", "false"), word.lower() == "true"


def _integer(word: str) -> tuple[bool, Any]:
    if not _WHOLE.fullmatch(word) or len(word) > 1000:
        return False, None
    return True, int(word.partition(".")[0])


def _number(word: str) -> tuple[bool, Any]:
    if (whole := _integer(word))[0] and "." not in word:
        return whole
    try:
        value = float(word)
    except ValueError:
        return False, None
    return math.isfinite(value), value


def _of_type(kind: type) -> Callable[[str], tuple[bool, Any]]:
    def read(word: str) -> tuple[bool, Any]:
        found, value = _literal(word)
        return found and isinstance(value, kind), value

    return read


_READERS: dict[str, Callable[[str], tuple[bool, Any]]] = {
    "null": _null,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "object": _of_type(dict),
    "array": _of_type(list),
}


def _literal(word: str) -> tuple[bool, Any]:
    """The value that is written as JSON, or as a Python literal; and before it, whether there is one."""
    try:
        value = json.loads(word, strict=False)
    except (ValueError, RecursionError):
        value = python_literal(word)
        if value is None:
            return False, None
    return is_json(value), value


def python_literal(text: str) -> Any:
    """The object or array that `text` stands for in Python; None if for none."""
    if not text.startswith(("{", "[", "(")):
        return None
    try:
        with warnings.catch_warnings(action="ignore"):
            value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value


def is_json(value: Any) -> bool:
    """Whether `value` can be written as JSON that every client reads."""
    try:
        json.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True
