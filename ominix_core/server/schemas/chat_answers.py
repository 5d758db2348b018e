"""What chat completions answer: https://platform.openai.com/docs/api-reference/chat/object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from ominix_core.generation import Finished, TokenLogprob, ToolCallDelta, ToolCallStarted
from ominix_core.generation import ToolCall as HubToolCall
from ominix_core.generation import Usage as HubUsage
from ominix_core.server.schemas.base import ApiObject

FinishReason = Literal["stop", "length", "tool_calls"]


def finish_reason(finished: Finished) -> FinishReason:
    assert finished.reason != "cancelled", "a cancelled request has no answer"
    return finished.reason


class PromptTokensDetails(ApiObject):
    """`cached_tokens` of the prompt did not have to be read again."""

    cached_tokens: int


class CompletionTokensDetails(ApiObject):
    """`reasoning_tokens` of the answer went into reasoning."""

    reasoning_tokens: int


class Usage(ApiObject):
    """Token counts of one request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails

    @classmethod
    def of(cls, usage: HubUsage) -> Usage:
        return cls(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            total_tokens=usage.prompt_tokens + usage.completion_tokens,
            prompt_tokens_details=PromptTokensDetails(cached_tokens=usage.cached_tokens),
            completion_tokens_details=CompletionTokensDetails(reasoning_tokens=usage.reasoning_tokens),
        )


class TopLogprob(ApiObject):
    """A token that could have come, with the UTF-8 `bytes` that it stands for."""

    token: str
    logprob: float
    bytes: list[int]


class Logprob(TopLogprob):
    """A token of the answer."""

    top_logprobs: list[TopLogprob]

    @classmethod
    def of(cls, entry: TokenLogprob) -> Logprob:
        top = [TopLogprob(token=other.token, logprob=other.logprob, bytes=list(other.raw)) for other in entry.top]
        return cls(token=entry.token, logprob=entry.logprob, bytes=list(entry.raw), top_logprobs=top)


class Logprobs(ApiObject):
    """The log probabilities of an answer's tokens."""

    content: list[Logprob]
    refusal: None

    @classmethod
    def of(cls, entries: Iterable[TokenLogprob]) -> Logprobs:
        return cls(content=[Logprob.of(entry) for entry in entries], refusal=None)


class FunctionCall(ApiObject):
    """`arguments` is the JSON text of an object; its beginning alone where `finish_reason` is `length`."""

    name: str
    arguments: str


class ToolCall(ApiObject):
    """A function that the model wants called."""

    id: str
    type: Literal["function"]
    function: FunctionCall

    @classmethod
    def of(cls, call: HubToolCall) -> ToolCall:
        return cls(id=call.id, type="function", function=FunctionCall(name=call.name, arguments=call.arguments))


class FunctionCallPart(ApiObject):
    """More of a call's arguments."""

    name: str | None = None
    arguments: str


class ToolCallPart(ApiObject):
    """More of a call, in a stream; only the first part has an `id`, a `type` and the function's name."""

    index: int
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionCallPart

    @classmethod
    def of(cls, part: ToolCallStarted | ToolCallDelta) -> ToolCallPart:
        if isinstance(part, ToolCallDelta):
            return cls(index=part.index, function=FunctionCallPart(arguments=part.arguments))
        function = FunctionCallPart(name=part.name, arguments="")
        return cls(index=part.index, id=part.id, type="function", function=function)


class AnswerMessage(ApiObject):
    """The model's turn. Only a model that thinks has `reasoning_content`, and only one that calls has `tool_calls`."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    annotations: list[Any]
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(ApiObject):
    """One answer."""

    index: int
    message: AnswerMessage
    logprobs: Logprobs | None
    finish_reason: FinishReason


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
    reasoning_content: str | None = None
    tool_calls: list[ToolCallPart] | None = None


class ChunkChoice(ApiObject):
    """More of one answer."""

    index: int
    delta: Delta
    logprobs: Logprobs | None
    finish_reason: FinishReason | None


class ChatCompletionChunk(ApiObject):
    """One event of a streamed answer. `usage` is there only if it was asked for."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    system_fingerprint: str
