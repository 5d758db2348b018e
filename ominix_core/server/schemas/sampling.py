"""The parameters of every request for text, and how they become the hub's."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field

from ominix_core.generation import Grammar, Sampling, TextRequest
from ominix_core.registry.entry import RegistryEntry, sampling_with
from ominix_core.server.schemas.base import INT64, ApiRequest, Json, Text

StopStrings = Annotated[
    list[Annotated[Text, Field(min_length=1)]],
    Field(max_length=16),
    BeforeValidator(lambda stop: [stop] if isinstance(stop, str) else stop, str | list[str]),
]

TokenId = Annotated[str, Field(pattern=r"^\d{1,9}$")]
Bias = Annotated[float, Field(ge=-100, le=100)]


def _every_token(top_k: Any) -> Any:
    """-1 keeps every token in LM Studio and vLLM, 0 does here."""
    return 0 if top_k == -1 else top_k


class SampledRequest(ApiRequest):
    """How the next token is chosen. What is not given is the registry entry's default, or else the hub's.

    `top_k`, `min_p` and `repetition_penalty` are additions to OpenAI's parameters, as most local servers have them.
    """

    model: str = ""
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: Annotated[int | None, Field(ge=0, lt=INT64), BeforeValidator(_every_token)] = None
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, ge=0.1, le=10)

    def sampling(self, entry: RegistryEntry) -> Sampling:
        """This request's sampling for the model of `entry`."""
        return sampling_with(entry.defaults.sampling, self)


def _in_int64(seed: int) -> int | None:
    """-1 draws a fresh seed, as local servers have it."""
    if not -INT64 <= seed < INT64:
        raise ValueError("should be a 64-bit integer")
    return None if seed == -1 else seed


class PenalizedRequest(SampledRequest):
    """The further parameters that chat and plain completions share."""

    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    logit_bias: dict[TokenId, Bias] = Field(default={})
    seed: Annotated[int, AfterValidator(_in_int64)] | None = None
    stop: StopStrings = Field(default=[])

    def sampling(self, entry: RegistryEntry) -> Sampling:
        return msgspec.structs.replace(
            super().sampling(entry),
            logit_bias={int(token): bias for token, bias in self.logit_bias.items()},
            seed=None if self.seed is None else self.seed % INT64,  # MLX takes no negative seeds
        )


_T = TypeVar("_T", bound=TextRequest)


def repeated(request: _T, times: int) -> list[_T]:
    """`request` for each of its answers: with a seed each has the next one, or all answers would be the same."""
    sampling = request.sampling
    if sampling.seed is None:
        return [request] * times
    seeds = [(sampling.seed + index) % INT64 for index in range(times)]
    return [msgspec.structs.replace(request, sampling=msgspec.structs.replace(sampling, seed=seed)) for seed in seeds]


class JsonSchema(ApiRequest):
    """A named JSON schema. Answers keep to it; what of it cannot be held is refused only if it is `strict`."""

    name: Text
    description: Text | None = None
    schema_: Json = Field({}, alias="schema")
    strict: bool = False

    def grammar(self) -> Grammar:
        return Grammar("json_schema", msgspec.json.encode(self.schema_).decode(), self.strict)


class TextFormat(ApiRequest):
    """Any text."""

    type: Literal["text"]


class JsonObjectFormat(ApiRequest):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchemaFormat(ApiRequest):
    """JSON that keeps to a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]


def grammar(response_format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None) -> Grammar | None:
    """What holds an answer to its format."""
    match response_format:
        case JsonObjectFormat():
            return Grammar("json_object")
        case JsonSchemaFormat(json_schema=schema):
            return schema.grammar()
    return None
