"""Schemas as pydantic, zod and the SDKs' helpers write them: answers are held to them, or it is said what cannot be."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, StringConstraints, TypeAdapter

from ominix_core.engines.schemas import UNHELD, UnheldError, fault_of, held
from ominix_core.generation import ChatMessage, ChatRequest, Finished, Grammar, Sampling
from ominix_core.hub import Hub
from tests.support.chat import collect


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Cat(Closed):
    kind: Literal["cat"] = "cat"
    lives: Literal[7, 9]


class Dog(Closed):
    kind: Literal["dog"] = "dog"
    good: bool


class Node(Closed):
    value: Literal[1]
    children: Annotated[list[Node], Field(max_length=1)] = []


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
Short = Annotated[str, StringConstraints(max_length=3)]

# Of these every answer is valid, so strict schemas take them too.
HELD: dict[str, Any] = {
    "Path": Path,
    "bytes": bytes,
    "SecretStr": SecretStr,
    "datetime": datetime.datetime,
    "date": datetime.date,
    "UUID": uuid.UUID,
    "Enum": Colour,
    "Literal": Literal["x", 1, None],
    "Optional": Colour | None,
    "tuple": tuple[Literal[1], Short],
    "pattern": Annotated[str, StringConstraints(pattern=r"^[a-c]{2}$")],
    "dict": Annotated[dict[Literal["a", "b"], Literal[1]], Field(max_length=1)],
    "dict of an Enum": dict[Colour, Literal[1]],
    "dict of a pattern": Annotated[
        dict[Annotated[str, StringConstraints(pattern="^k[ab]$")], Literal[1]], Field(max_length=1)
    ],
    "discriminated union": Pet,
    "union": Cat | Dog,
    "recursive": Node,
}
# The length of these has no limit, so that noise may not come to its end.
ENDLESS = ("Path", "bytes", "SecretStr", "recursive")
KIND = {"type": "object", "required": ["k"], "additionalProperties": False}
WRITTEN: dict[str, Any] = {
    "zod startsWith": {"type": "string", "format": "starts_with", "pattern": "^ab.{0,2}$"},
    "zod record": {
        "type": "object",
        "propertyNames": {"type": "string"},
        "additionalProperties": {"const": 1},
        "maxProperties": 1,
    },
    "zod email": {"type": "string", "format": "email", "pattern": "^(?!\\.)(?!.*\\.\\.)[a-z.]+@[a-z]+\\.org$"},
    "union by reference": {
        "oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}],
        "$defs": {
            "A": {"properties": {"k": {"const": "a"}}, **KIND},
            "B": {"properties": {"k": {"const": "b"}}, **KIND},
        },
    },
}


def answers(hub: Hub, schema: Any) -> list[Any]:
    """What a model that is noise writes when it is held to the schema, if it comes to an end."""
    request = ChatRequest(
        messages=[ChatMessage("user", "x")],
        max_tokens=300,
        sampling=Sampling(temperature=1.0, seed=1),
        grammar=Grammar("json_schema", json.dumps(schema)),
    )
    text, end = collect(hub.generate("tiny", request))
    assert isinstance(end, Finished), end
    return [json.loads(text)] if end.reason == "stop" else []


@pytest.fixture
def loaded(hub: Hub) -> Hub:
    hub.load("tiny").result(60)
    return hub


def test_answers_are_what_pydantic_takes(loaded: Hub) -> None:
    for name, kind in HELD.items():
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        told = answers(loaded, adapter.json_schema())
        assert told or name in ENDLESS, name
        for answer in told:
            adapter.validate_json(json.dumps(answer))


def test_answers_to_other_schemas(loaded: Hub) -> None:
    told = {name: answers(loaded, schema) for name, schema in WRITTEN.items()}
    assert all(text.startswith("ab") for text in told["zod startsWith"])
    assert all(set(found.values()) <= {1} for found in told["zod record"])
    assert all("@" in text for text in told["zod email"])
    assert all(found in ({"k": "a"}, {"k": "b"}) for found in told["union by reference"])


def test_what_the_openai_helper_makes_is_held() -> None:
    class Order(BaseModel):
        where: Path
        when: datetime.datetime
        price: decimal.Decimal
        pet: Pet
        link: HttpUrl
        tree: Node
        token: SecretStr
        tags: dict[str, int] = {}

    schema = to_strict_json_schema(Order)
    assert fault_of(held(schema, strict=True)) is None


UNHOLDABLE: list[tuple[Any, str]] = [
    (TypeAdapter(set[int]).json_schema(), "'uniqueItems' cannot be held"),
    ({"properties": {"a": {"type": "array", "uniqueItems": True}}}, "'a.uniqueItems'"),
    ({"type": "string", "pattern": "^(?!a)b"}, "'pattern' cannot be held (look-around, including look-ahead"),
    ({"type": "string", "pattern": r"\bfox\b"}, "'pattern' cannot be held"),
    ({"not": {"type": "string"}}, "'not'"),
    ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, "'if' cannot be held; 'then' cannot be held"),
    (
        {"items": {"$ref": "https://example.org/x.json"}},
        "'items.$ref' cannot be held (https://example.org/x.json is not",
    ),
    ({"items": {"$ref": "#/$defs/nowhere"}}, "there is no #/$defs/nowhere"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "its alternatives do not exclude each other"),
    ({"anyOf": [{"type": "string", "pattern": "(?=x)"}, {"type": "null"}]}, "'anyOf.0.pattern'"),
    ({"propertyNames": {"minLength": 3}}, "'propertyNames'"),
]


@pytest.mark.parametrize(("schema", "reason"), UNHOLDABLE)
def test_what_cannot_be_held_is_named_or_left_out(schema: Any, reason: str) -> None:
    with pytest.raises(UnheldError) as refusal:
        held(schema, strict=True)
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)
    before = json.dumps(schema)
    assert fault_of(held(schema, strict=False)) is None
    assert json.dumps(schema) == before


def test_every_reason_is_given_at_once() -> None:
    schema = {"properties": {"a": {"uniqueItems": True}, "b": {"items": {"not": {"const": 1}}}}}
    with pytest.raises(UnheldError) as refusal:
        held(schema, strict=True)
    assert refusal.value.reasons == ["'a.uniqueItems' cannot be held", "'b.items.not' cannot be held"]


DESCRIBES = {
    **{"title": "T", "description": "D", "$comment": "C", "default": 5, "examples": [1], "deprecated": True},
    **{"readOnly": True, "writeOnly": True, "contentEncoding": "base64", "contentMediaType": "text/plain"},
    **{"contentSchema": {"type": "object"}, "format": "cuid2", "$schema": "https://json-schema.org/draft-07/schema"},
    **{"uniqueItems": False, "propertyNames": True, "then": {}, "minContains": 1, "x-order": 3, "enumNames": ["a"]},
    **{"externalDocs": {}, "discriminator": {}, "nullable": False, "$dynamicAnchor": "n", "if": {"const": 1}},
}


@pytest.mark.parametrize("word", DESCRIBES)
def test_what_only_describes_is_no_fault(word: str) -> None:
    for place in ({"type": "string"}, {"type": ["string", "null"]}, {}):
        schema = {"type": "object", "properties": {"a": {**place, word: DESCRIBES[word]}}, word: DESCRIBES[word]}
        assert fault_of(held(schema, strict=True)) is None


def test_data_in_a_schema_is_not_read_as_one() -> None:
    data = {"uniqueItems": True, "format": "path", "not": {}}
    schema = {"enum": [data], "default": data, "examples": [data], "properties": {"format": {"const": data}, "not": {}}}
    assert held(schema, strict=True) == schema


@pytest.mark.parametrize("word", sorted(UNHELD))
def test_the_words_that_llguidance_does_not_know_are_these(word: str) -> None:
    """If it learns one, that one need no longer be left out."""
    assert word in (fault_of({word: {}}) or "")
