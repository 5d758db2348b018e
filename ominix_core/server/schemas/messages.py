"""What Anthropic's Messages API takes: https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import Field, ValidationInfo, field_validator, model_validator

from ominix_core.generation import ChatMessage, ChatRequest, Grammar, ToolCall
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.schemas import hints
from ominix_core.server.schemas.base import MOST_ITEMS, ApiRequest, Count, Json, Neutral, Text
from ominix_core.server.schemas.images import ImageSource, PlacedImage, laid_out
from ominix_core.server.schemas.message_blocks import (
    Block,
    Content,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    TextBlocks,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    joined_text,
)
from ominix_core.server.schemas.sampling import SampledRequest
from ominix_core.server.schemas.tool_choice import Mode, OneTool, ToolChoice, checked
from ominix_core.turns import joined_neighbours


class MessageParam(ApiRequest):
    """One turn of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: Content

    @model_validator(mode="after")
    def _holds_together(self) -> MessageParam:
        if self.role != "user" and self.images():
            raise ValueError("has an image, which only a user's message may have")
        if self.role == "system" and not all(isinstance(block, TextBlock) for block in self.content):
            raise ValueError("has more than text, but its role is system")
        return self

    @property
    def text(self) -> str:
        """All that it says."""
        return "\n".join(part for part in self._said() if isinstance(part, str))

    @property
    def calls(self) -> list[ToolUseBlock]:
        """The calls that it makes."""
        return [block for block in self.content if isinstance(block, ToolUseBlock)]

    def images(self) -> list[PlacedImage]:
        """Every image, by its place in this message."""
        found: list[PlacedImage] = []
        for index, block in enumerate(self.content):
            if isinstance(block, ImageBlock):
                found.append((f"content[{index}].source", block.source))
            elif isinstance(block, ToolResultBlock):
                inner = [(place, part) for place, part in enumerate(block.content) if isinstance(part, ImageBlock)]
                found += [(f"content[{index}].content[{place}].source", part.source) for place, part in inner]
        return found

    def to_hub(self) -> list[ChatMessage]:
        """Tool results are turns of their own, before the text that comes with them."""
        thoughts = [block.thinking for block in self.content if isinstance(block, ThinkingBlock)]
        results = [
            ChatMessage("tool", joined_text(block.content), tool_call_id=block.tool_use_id)
            for block in self.content
            if isinstance(block, ToolResultBlock)
        ]
        said = list(self._said())
        if results and not said:
            return results
        tool_calls = tuple(ToolCall(call.id, call.name, json.dumps(call.input)) for call in self.calls)
        reasoning = "\n\n".join(thoughts)
        return [*results, ChatMessage(self.role, **laid_out(said), tool_calls=tool_calls, reasoning=reasoning)]

    def _said(self) -> Iterator[str | ImageSource]:
        """Text and images in their order; those of results are shown with it."""
        for block in self.content:
            match block:
                case TextBlock() | DocumentBlock():
                    yield block.text
                case ImageBlock():
                    yield block.source
                case ToolResultBlock():
                    yield from (part.source for part in block.content if isinstance(part, ImageBlock))


class ToolParam(Block):
    """A function that the model may call."""

    neutral: ClassVar[Neutral] = hints.TOOL

    name: str = Field(pattern=r"^[a-zA-Z0-9_.-]{1,128}$")
    description: Text = ""
    input_schema: Json
    strict: bool = False

    def to_hub(self) -> dict[str, Any]:
        function: dict[str, Any] = {"name": self.name, "description": self.description, "parameters": self.input_schema}
        if self.strict:
            function["strict"] = True
        return {"type": "function", "function": function}


class MessageToolChoice(ToolChoice):
    """With `disable_parallel_tool_use` the answer ends with its first call."""

    disable_parallel_tool_use: bool = False


class KindChoice(MessageToolChoice):
    """Whether the model may or must call tools."""

    type: Literal["auto", "none", "any"]

    @property
    def mode(self) -> Mode:
        return "required" if self.type == "any" else self.type


class NamedChoice(OneTool, MessageToolChoice):
    """This tool must be called."""

    type: Literal["tool"]


Choice = Annotated[KindChoice | NamedChoice, Field(discriminator="type")]


class Thinking(ApiRequest):
    """Whether a model that can think should, and for how many tokens at the most."""

    neutral: ClassVar[Neutral] = {"display": ("summarized",)}

    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: Count | None = None

    @model_validator(mode="after")
    def _only_thinkers_have_a_budget(self) -> Thinking:
        if self.budget_tokens is not None and self.type == "disabled":
            raise ValueError("has budget_tokens, but is disabled")
        return self


class JsonFormat(ApiRequest):
    """JSON that keeps to a schema."""

    type: Literal["json_schema"]
    schema_: Json = Field(alias="schema")


class OutputConfig(ApiRequest):
    """The form of the answer's text, and how much a model that can think should think."""

    format: JsonFormat | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class CountTokensRequest(SampledRequest):
    """A conversation, as a model is shown it. If it ends with text of the assistant, the answer goes on from there."""

    neutral: ClassVar[Neutral] = hints.MESSAGE_COUNT

    messages: list[MessageParam] = Field(min_length=1, max_length=MOST_ITEMS)
    system: TextBlocks = Field(default=[])
    tools: list[ToolParam] = Field(default=[], max_length=128)
    tool_choice: Choice = KindChoice(type="auto")
    thinking: Thinking = Thinking(type="adaptive")
    output_config: OutputConfig = OutputConfig()

    @field_validator("tool_choice")
    @classmethod
    def _is_among_the_tools(cls, choice: Choice, info: ValidationInfo) -> Choice:
        return checked(choice, {tool.name for tool in info.data.get("tools", [])})

    @model_validator(mode="after")
    def _can_go_on(self) -> CountTokensRequest:
        if not self._goes_on:
            return self
        if self.messages[-1].text[-1:].isspace():
            raise ValueError("ends with white space of the assistant, from which no answer goes on well: strip it")
        if self.thinking.type == "enabled":
            raise ValueError("ends with text of the assistant, before which an answer could not think")
        if self.output_config.format or self.tool_choice.mode == "required":
            raise ValueError("ends with text of the assistant, but asks for a form or a call, which has to be whole")
        return self

    @property
    def _goes_on(self) -> bool:
        last = self.messages[-1]
        return last.role == "assistant" and bool(last.text) and not last.calls

    def images(self) -> list[PlacedImage]:
        """Every image; `to_hub` needs their bytes."""
        return [
            (f"messages[{index}].{place}", source)
            for index, message in enumerate(self.messages)
            for place, source in message.images()
        ]

    def to_hub(self, entry: RegistryEntry, max_tokens: int | None = 0, stop: Sequence[str] = ()) -> ChatRequest:
        """The hub's request; with 0 `max_tokens` it only counts."""
        system = [ChatMessage("system", joined_text(self.system))] if self.system else []
        turns = (turn for message in self.messages for turn in message.to_hub())
        tools = [tool.to_hub() for tool in self.tools]
        asked = {"enabled": {"enable_thinking": True}, "disabled": {"enable_thinking": False}, "adaptive": {}}
        effort, form = self.output_config.effort, self.output_config.format
        return ChatRequest(
            messages=joined_neighbours([*system, *turns], "user", "assistant"),
            max_tokens=max_tokens,
            sampling=self.sampling(entry),
            stop=tuple(stop),
            tools=self.tool_choice.offered(tools),
            must_call=self.tool_choice.must_call(tools),
            parallel_calls=not self.tool_choice.disable_parallel_tool_use,
            thinking_budget=self.thinking.budget_tokens,
            template_options=asked[self.thinking.type] | ({"reasoning_effort": effort} if effort else {}),
            grammar=Grammar("json_schema", msgspec.json.encode(form.schema_).decode()) if form else None,
            prefill=self._goes_on,
        )


class MessageRequest(CountTokensRequest):
    """A conversation to continue."""

    neutral: ClassVar[Neutral] = hints.MESSAGE

    max_tokens: hints.Limit
    stop_sequences: list[Annotated[Text, Field(min_length=1)]] = Field(default=[], max_length=16)
    stream: bool = False
