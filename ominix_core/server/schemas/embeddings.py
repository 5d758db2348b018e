"""Embeddings: https://platform.openai.com/docs/api-reference/embeddings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ominix_core.generation import EmbeddingRequest as HubEmbeddingRequest
from ominix_core.server.schemas.base import ApiObject, ApiRequest, Text

MOST_TEXTS = 2048


def _as_list(value: Any) -> Any:
    """A text, and the tokens of one text, as a list of one."""
    single = isinstance(value, str) or (isinstance(value, list) and value and isinstance(value[0], int))
    return [value] if single else value


Tokens = Annotated[list[int], Field(min_length=1)]
Input = Annotated[
    list[Text] | list[Tokens],
    Field(min_length=1, max_length=MOST_TEXTS),
    BeforeValidator(_as_list, str | list[str] | list[int] | list[list[int]]),
]


class EmbeddingRequest(ApiRequest):
    """Texts, or their tokens, to turn into vectors."""

    model: str = ""
    input: Input
    dimensions: int | None = Field(default=None, ge=1, le=65_536)
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None

    def to_hub(self) -> HubEmbeddingRequest:
        return HubEmbeddingRequest(list(self.input), self.dimensions)


class Embedding(ApiObject):
    """One vector: numbers, or the base64 of little-endian float32."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(ApiObject):
    """Token counts."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(ApiObject):
    """A vector for each text, in their order."""

    object: Literal["list"] = "list"
    model: str
    data: list[Embedding]
    usage: EmbeddingUsage
