"""What the Responses API answers: https://platform.openai.com/docs/api-reference/responses/object."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from ominix_core.generation import Usage as HubUsage
from ominix_core.server.schemas.base import ApiObject
from ominix_core.server.schemas.chat_answers import Logprob

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class OutputText(ApiObject):
    """The text of a message."""

    type: Literal["output_text"] = "output_text"
    text: str = ""
    annotations: list[Any] = Field(default=[])
    logprobs: list[Logprob] = Field(default=[])


class OutputMessage(ApiObject):
    """A message of the model."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    status: ItemStatus = "in_progress"
    content: list[OutputText] = Field(default=[])


class ReasoningText(ApiObject):
    """The text of a thought."""

    type: Literal["reasoning_text"] = "reasoning_text"
    text: str = ""


class ReasoningItem(ApiObject):
    """A thought of the model, whole and in the clear."""

    id: str
    type: Literal["reasoning"] = "reasoning"
    status: ItemStatus = "in_progress"
    summary: list[Any] = Field(default=[])
    content: list[ReasoningText] = Field(default=[])


class FunctionCall(ApiObject):
    """A function that the model wants called; `arguments` is JSON text."""

    id: str
    type: Literal["function_call"] = "function_call"
    status: ItemStatus = "in_progress"
    call_id: str
    name: str
    arguments: str = ""


OutputItem = OutputMessage | ReasoningItem | FunctionCall


class InputTokensDetails(ApiObject):
    """`cached_tokens` of the input did not have to be read again."""

    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokensDetails(ApiObject):
    """`reasoning_tokens` of the output went into reasoning."""

    reasoning_tokens: int


class ResponseUsage(ApiObject):
    """Token counts of one response."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int

    @classmethod
    def of(cls, usage: HubUsage) -> ResponseUsage:
        return cls(
            input_tokens=usage.prompt_tokens,
            input_tokens_details=InputTokensDetails(cached_tokens=usage.cached_tokens),
            output_tokens=usage.completion_tokens,
            output_tokens_details=OutputTokensDetails(reasoning_tokens=usage.reasoning_tokens),
            total_tokens=usage.prompt_tokens + usage.completion_tokens,
        )


class ResponseError(ApiObject):
    """Why a response failed."""

    code: Literal["server_error"]
    message: str


class IncompleteDetails(ApiObject):
    """Why a response ended early."""

    reason: Literal["max_output_tokens"]


class ResponseObject(ApiObject):
    """A response, in whatever state it is."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: Literal["in_progress", "completed", "incomplete", "failed"] = "in_progress"
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    model: str
    output: list[OutputItem] = Field(default=[])
    usage: ResponseUsage | None = None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: dict[str, str | None]
    store: bool
    temperature: float
    top_p: float
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_logprobs: int
    truncation: Literal["disabled"] = "disabled"
    user: str | None

    @model_serializer(mode="wrap")
    def _without_forbidden_nulls(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialize(self)
        return {name: value for name, value in fields.items() if value is not None or name not in ("usage", "user")}


class InputTokens(ApiObject):
    """How long a response's input is for the model."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


class ResponseDeleted(ApiObject):
    """A stored response was forgotten."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class InputItemList(ApiObject):
    """A page of the items that a response was asked with."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    has_more: bool
    first_id: str
    last_id: str
