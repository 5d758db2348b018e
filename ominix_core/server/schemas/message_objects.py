"""What Anthropic's Messages API answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ominix_core.generation import Finished
from ominix_core.generation import Usage as HubUsage
from ominix_core.server.schemas.base import ApiObject

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]


class TextBlock(ApiObject):
    """Text."""

    type: Literal["text"] = "text"
    text: str
    citations: None = None


class ThinkingBlock(ApiObject):
    """A thought of the model, in the clear; the signature is always empty."""

    type: Literal["thinking"] = "thinking"
    thinking: str
    signature: str = ""


class ToolUseBlock(ApiObject):
    """A function that the model wants called; with `stop_reason` `max_tokens`, `input` is what is whole of it."""

    type: Literal["tool_use"] = "tool_use"
    id: str
    name: str
    input: dict[str, Any]


class MessageUsage(ApiObject):
    """Token counts; `input_tokens` are those that were not in the prompt cache."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    @classmethod
    def of(cls, usage: HubUsage) -> MessageUsage:
        return cls(
            input_tokens=usage.prompt_tokens - usage.cached_tokens,
            output_tokens=usage.completion_tokens,
            cache_read_input_tokens=usage.cached_tokens,
        )


class MessageObject(ApiObject):
    """The model's turn."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[TextBlock | ThinkingBlock | ToolUseBlock] = Field(default=[])
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    usage: MessageUsage


class TokenCount(ApiObject):
    """How long a conversation is for the model."""

    input_tokens: int


def stop_reason(finished: Finished) -> StopReason:
    if finished.stop is not None:
        return "stop_sequence"
    reasons: dict[str, StopReason] = {"length": "max_tokens", "tool_calls": "tool_use"}
    return reasons.get(finished.reason, "end_turn")
