"""Chat completions: https://platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ominix_core.generation import Role
from ominix_core.server.schemas.base import ApiObject, ApiRequest, Neutral, Text

INT64 = 2**63


class TextPart(ApiRequest):
    """A piece of a message's text."""

    type: Literal["text"]
    text: Text


def _as_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


Content = Annotated[list[TextPart], Field(min_length=1), BeforeValidator(_as_parts, str | list[TextPart])]


class Message(ApiRequest):
    """One turn of the conversation."""

    neutral: ClassVar[Neutral] = {
        "name": ("",),
        "refusal": (),
        "annotations": ([],),
        "audio": (),
        "tool_calls": ([],),
        "function_call": (),
    }

    role: Literal["system", "developer", "user", "assistant"]
    content: Content

    @property
    def hub_role(self) -> Role:
        return "system" if self.role == "developer" else self.role

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.content)


class StreamOptions(ApiRequest):
    """What a stream carries besides the answer."""

    neutral: ClassVar[Neutral] = {"include_obfuscation": (False,)}

    include_usage: bool = False


class ChatCompletionRequest(ApiRequest):
    """What `POST /v1/chat/completions` takes."""

    neutral: ClassVar[Neutral] = {
        "audio": (),
        "frequency_penalty": (0,),
        "function_call": ("none",),
        "functions": ([],),
        "logit_bias": ({},),
        "logprobs": (False,),
        "modalities": (["text"],),
        "moderation": (),
        "n": (1,),
        "parallel_tool_calls": (True, False),
        "prediction": (),
        "presence_penalty": (0,),
        "prompt_cache_options": (),
        "prompt_cache_retention": ("in_memory",),
        "reasoning_effort": (),
        "response_format": ({"type": "text"},),
        "service_tier": ("auto", "default"),
        "stop": ([],),
        "store": (False,),
        "tool_choice": ("none", "auto"),
        "tools": ([],),
        "top_logprobs": (0,),
        "verbosity": (),
        "web_search_options": (),
    }

    model: str = ""
    messages: list[Message] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    seed: int | None = Field(None, ge=-INT64, lt=INT64)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class TokenDetails(ApiObject):
    """How many of the prompt's tokens did not have to be computed again."""

    cached_tokens: int


class Usage(ApiObject):
    """Token counts of one request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: TokenDetails


class AnswerMessage(ApiObject):
    """The model's turn."""

    role: Literal["assistant"]
    content: str
    refusal: None
    annotations: list[Any]


class Choice(ApiObject):
    """One answer."""

    index: int
    message: AnswerMessage
    logprobs: None
    finish_reason: Literal["stop", "length"]


class ChatCompletion(ApiObject):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str


class Delta(ApiObject):
    """What is new in an answer."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: None = None


class ChunkChoice(ApiObject):
    """More of one answer."""

    index: int
    delta: Delta
    logprobs: None
    finish_reason: Literal["stop", "length"] | None


class ChatCompletionChunk(ApiObject):
    """One event of a streamed answer. `usage` is there only if it was asked for."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    system_fingerprint: str
