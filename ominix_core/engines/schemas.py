"""JSON schemas as a grammar can hold answers to them: what only describes is left out, what cannot be held is named."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from ominix_core.errors import RequestError

Schema = dict[str, Any]

# Words of JSON Schema that forbid something and that llguidance cannot hold; others that it does not know it ignores.
UNHELD = frozenset(
    {
        *("if", "then", "else", "not", "contains", "minContains", "maxContains", "uniqueItems", "propertyNames"),
        *("dependencies", "dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties"),
        *("$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"),
    }
)
# Which of them say nothing without one of these beside them.
_NEEDS = {
    **dict.fromkeys(("then", "else"), ("if",)),
    **dict.fromkeys(("minContains", "maxContains"), ("contains",)),
    **dict.fromkeys(("$dynamicAnchor", "$recursiveAnchor"), ()),
}
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_ONES = ("items", "additionalProperties", "additionalItems")
_COMBINED = ("allOf", "anyOf", "oneOf", "$ref", "if", "dependentSchemas", "patternProperties")


class UnheldError(Exception):
    """Raised for a schema with words that no grammar holds; `reasons` has each with its place."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def held(schema: Schema, *, strict: bool) -> Schema:
    """The schema without what only describes.

    What cannot be held goes as well if it is not `strict`, else UnheldError names it. Answers to a strict schema are
    always valid against the one that was given.
    """
    reasons: list[str] = []
    choices: list[tuple[Schema, str]] = []
    try:
        fitting = _Fitter(schema, reasons, choices).fit(schema, "")
    except RecursionError as error:
        raise UnheldError(["it is nested too deeply"]) from error
    if isinstance(fitting, dict):
        reasons += _open_choices(fitting, choices)
    if strict and reasons:
        raise UnheldError(list(dict.fromkeys(reasons)))
    return fitting if isinstance(fitting, dict) else {"type": "object"}


def _open_choices(root: Schema, choices: list[tuple[Schema, str]]) -> Iterator[str]:
    """Makes `anyOf` of each `oneOf` whose alternatives a grammar cannot tell apart, and says so."""
    shared = {word: root[word] for word in ("$defs", "definitions") if word in root}
    for schema, place in choices:
        schema["oneOf"] = [_told_apart(alternative, schema) for alternative in schema["oneOf"]]
        if fault_of({"oneOf": schema["oneOf"], **shared}):
            yield f"'{place}oneOf' cannot be held (its alternatives do not exclude each other)"
            alternatives = schema.pop("oneOf")
            schema.setdefault("anyOf", alternatives)


def _told_apart(alternative: Any, choice: Schema) -> Any:
    """An alternative of a `oneOf` so that llguidance sees how it differs from the others.

    The property that tells them apart has to be there: pydantic makes it optional where it has a default. And
    llguidance looks into a reference only if something of weight stands beside it.
    """
    discriminator = choice.get("discriminator")
    name = discriminator.get("propertyName") if isinstance(discriminator, dict) else None
    if not isinstance(alternative, dict) or not (name or "$ref" in alternative):
        return alternative
    required = alternative.get("required", [])
    return {**alternative, "required": [*required, *([name] if name and name not in required else [])]}


def arguments_schema(function: dict[str, Any]) -> Schema:
    """What the arguments of a call are held to; without `parameters` a function takes none.

    Raises RequestError for a strict function whose parameters cannot be held.
    """
    parameters = function.get("parameters")
    if parameters is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    try:
        fitting = held(parameters, strict=bool(function.get("strict")))
    except UnheldError as error:
        raise RequestError(
            f"A tool's parameters are not usable with 'strict': {function['name']}: {error}.", "invalid_response_format"
        ) from error
    return {"type": "object"} | fitting if "$ref" not in fitting else fitting


def answer_schema(definition: str, *, strict: bool) -> Schema:
    """What an answer is held to, of a schema as JSON text. Raises RequestError."""
    try:
        return held(json.loads(definition), strict=strict)
    except UnheldError as error:
        raise RequestError(f"The response format is not usable: {error}.", "invalid_response_format") from error


def fault_of(schema: Any) -> str | None:
    """Why llguidance cannot make a grammar of a schema, in one line."""
    from llguidance import LLMatcher

    try:
        grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema))
        failed, messages = LLMatcher.validate_grammar_with_warnings(grammar)
    except (ValueError, TypeError) as error:
        return one_line(str(error))
    return one_line(messages[0] if messages else "it holds nothing that could be written") if failed else None


def one_line(fault: str) -> str:
    """The reason in what llguidance says, which may be several lines with the place marked in a picture of it."""
    lines = [line.strip() for line in fault.splitlines() if line.strip()]
    told = next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), None)
    return (told or (lines[0] if lines else "unknown reason")).rstrip(".")


@functools.lru_cache(maxsize=512)
def _pattern_fault(pattern: str) -> str | None:
    return fault_of({"type": "string", "pattern": pattern})


@functools.lru_cache(maxsize=512)
def _is_known_format(name: str) -> bool:
    return fault_of({"type": "string", "format": name}) is None


class _Fitter:
    """Goes through one schema. Each rule is given a copy to change, and its place in the schema.

    Args:
        reasons: Takes what cannot be held.
        choices: Takes what has a `oneOf`, with its place.
    """

    def __init__(self, root: Schema, reasons: list[str], choices: list[tuple[Schema, str]]) -> None:
        self._root = root
        self._reasons = reasons
        self._choices = choices
        self._rules: tuple[Callable[[Schema, str], None], ...] = (
            *(self._dialect, self._format, self._pattern, self._names_of_properties, self._unevaluated),
            *(self._unheld, self._reference),
        )

    def fit(self, schema: Any, place: str) -> Any:
        """The schema as it can be held. What cannot be goes into the reasons."""
        if not isinstance(schema, dict):
            return schema
        if schema.get("not") in ({}, True):
            return False
        fitting = dict(schema)
        for rule in self._rules:
            rule(fitting, place)
        for word in _MAPS:
            if isinstance(fitting.get(word), dict):
                inside = "" if word == "properties" else f"{word}."
                fitting[word] = {
                    name: self.fit(part, f"{place}{inside}{name}.") for name, part in fitting[word].items()
                }
        for word in _ONES:
            if word in fitting:
                fitting[word] = self._fit_one(fitting[word], f"{place}{word}.")
        for word in _LISTS:
            if isinstance(fitting.get(word), list):
                fitting[word] = self._fit_list(word, fitting[word], place)
        if "oneOf" in fitting:
            self._choices.append((fitting, place))
        return fitting

    def _fit_one(self, part: Any, place: str) -> Any:
        if isinstance(part, list):  # the older drafts' tuples
            return [self.fit(item, f"{place}{number}.") for number, item in enumerate(part)]
        return self.fit(part, place)

    def _fit_list(self, word: str, parts: list[Any], place: str) -> list[Any]:
        """Of alternatives those that cannot be held are left out while another one remains that is not just null."""
        fitted = []
        for number, part in enumerate(parts):
            reasons: list[str] = []
            fitter = _Fitter(self._root, reasons, self._choices)
            fitted.append((fitter.fit(part, f"{place}{word}.{number}."), reasons))
        whole = [part for part, reasons in fitted if not reasons]
        if word == "anyOf" and any(part != {"type": "null"} for part in whole):
            return whole
        for _, reasons in fitted:
            self._reasons += reasons
        return [part for part, _ in fitted]

    def _cannot(self, schema: Schema, word: str, place: str, why: str = "") -> None:
        self._reasons.append(f"'{place}{word}' cannot be held{f' ({why})' if why else ''}")
        del schema[word]

    def _dialect(self, schema: Schema, place: str) -> None:
        if "$schema" in schema and fault_of({"$schema": schema["$schema"]}):
            del schema["$schema"]

    def _format(self, schema: Schema, place: str) -> None:
        name = schema.get("format")
        if name is not None and not (isinstance(name, str) and _is_known_format(name)):
            del schema["format"]

    def _pattern(self, schema: Schema, place: str) -> None:
        if not isinstance(pattern := schema.get("pattern"), str) or not (fault := _pattern_fault(pattern)):
            return
        if "format" in schema:  # zod writes its own pattern of a format beside the format
            del schema["pattern"]
        else:
            self._cannot(schema, "pattern", place, fault)

    def _names_of_properties(self, schema: Schema, place: str) -> None:
        """`propertyNames` in words that can be held, where there are such."""
        names = schema.get("propertyNames")
        if isinstance(names, dict) and isinstance(target := names.get("$ref"), str):
            names = self._target(target)
        names = {} if names is True else names
        if not isinstance(names, dict):
            return
        kept = _Fitter(self._root, [], []).fit(names, "")
        if not isinstance(kept, dict):
            return
        forbids = set(kept) - {"type", "title", "description", "default", "examples", "$comment", "deprecated"}
        values = schema.get("additionalProperties", True)
        free = "properties" not in schema and "patternProperties" not in schema
        if not forbids and kept.get("type", "string") == "string":
            del schema["propertyNames"]
        elif free and isinstance(choices := kept.get("enum"), list) and all(isinstance(name, str) for name in choices):
            del schema["propertyNames"]
            schema |= {"properties": dict.fromkeys(choices, values), "additionalProperties": False}
        elif free and forbids == {"pattern"}:
            del schema["propertyNames"]
            schema |= {"patternProperties": {kept["pattern"]: values}, "additionalProperties": False}

    def _unevaluated(self, schema: Schema, place: str) -> None:
        """Where nothing else speaks of an object's properties, they are just the additional ones."""
        if "unevaluatedProperties" in schema and not any(word in schema for word in _COMBINED):
            rest = schema.pop("unevaluatedProperties")
            schema.setdefault("additionalProperties", rest)

    def _unheld(self, schema: Schema, place: str) -> None:
        if schema.get("uniqueItems") is False:
            del schema["uniqueItems"]
        for word in [word for word in schema if word in UNHELD]:
            beside = _NEEDS.get(word)
            if beside is not None and not any(other in schema for other in beside):
                del schema[word]
        if "if" in schema and not schema.keys() & {"then", "else"}:
            del schema["if"]
        for word in [word for word in schema if word in UNHELD]:
            self._cannot(schema, word, place)

    def _reference(self, schema: Schema, place: str) -> None:
        target = schema.get("$ref")
        if not isinstance(target, str):
            return
        if not target.startswith("#") and not any(word in self._root for word in ("$id", "$defs", "definitions")):
            self._cannot(schema, "$ref", place, f"{target} is not in the schema, and nothing is fetched")
        elif target.startswith("#/") and self._target(target) is None:
            self._cannot(schema, "$ref", place, f"there is no {target}")

    def _target(self, reference: str) -> Any:
        """What a reference into this schema names; None if there is no such part."""
        part: Any = self._root
        for name in reference.removeprefix("#").split("/")[1:]:
            name = unquote(name).replace("~1", "/").replace("~0", "~")
            if isinstance(part, list) and name.isdecimal() and int(name) < len(part):
                part = part[int(name)]
            elif isinstance(part, dict) and name in part:
                part = part[name]
            else:
                return None
        return part
