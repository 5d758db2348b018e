"""What Anthropic's Messages API takes: https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from ominix_core.generation import ChatMessage, ChatRequest, Grammar, ToolCall
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.schemas.base import MOST_ITEMS, ApiRequest, Count, Json, Neutral, Text
from ominix_core.server.schemas.images import Base64Source, PlacedImage, UrlSource
from ominix_core.server.schemas.sampling import SampledRequest
from ominix_core.server.schemas.tool_choice import Mode, OneTool, ToolChoice, checked


class Block(ApiRequest):
    """A part of a message. `cache_control` is taken as the hint that it is: what is repeated is always reused."""

    cache_control: dict[str, Any] | None = None


class TextBlock(Block):
    """Text."""

    neutral: ClassVar[Neutral] = {"citations": ([],)}

    type: Literal["text"]
    text: Text


class ImageBlock(Block):
    """An image."""

    type: Literal["image"]
    source: Annotated[Base64Source | UrlSource, Field(discriminator="type")]


class ToolUseBlock(Block):
    """A call that the model made."""

    neutral: ClassVar[Neutral] = {"caller": ()}

    type: Literal["tool_use"]
    id: Text
    name: Text
    input: Json


def _as_text_blocks(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


TextBlocks = Annotated[list[TextBlock], BeforeValidator(_as_text_blocks, str | list[TextBlock])]
ResultBlock = Annotated[TextBlock | ImageBlock, Field(discriminator="type")]
ResultBlocks = Annotated[list[ResultBlock], BeforeValidator(_as_text_blocks, str | list[ResultBlock])]


class ToolResultBlock(Block):
    """What a call came to. Its images are shown to the model with the message that it comes in."""

    type: Literal["tool_result"]
    tool_use_id: Text
    content: ResultBlocks = Field(default=[])
    is_error: bool = False


class ThinkingBlock(ApiRequest):
    """A thought of the model; it is not shown to it again."""

    type: Literal["thinking"]
    thinking: str
    signature: str = ""


ContentBlock = Annotated[
    TextBlock | ImageBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock, Field(discriminator="type")
]
Content = Annotated[
    list[ContentBlock], Field(max_length=MOST_ITEMS), BeforeValidator(_as_text_blocks, str | list[ContentBlock])
]


class MessageParam(ApiRequest):
    """One turn of the conversation."""

    role: Literal["user", "assistant"]
    content: Content

    @model_validator(mode="after")
    def _only_users_show_images(self) -> MessageParam:
        if self.role != "user" and self.images():
            raise ValueError("has an image, which only a user's message may have")
        return self

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
        texts = [block.text for block in self.content if isinstance(block, TextBlock)]
        calls = [block for block in self.content if isinstance(block, ToolUseBlock)]
        results = [
            ChatMessage("tool", _joined(block.content), tool_call_id=block.tool_use_id)
            for block in self.content
            if isinstance(block, ToolResultBlock)
        ]
        images = tuple(source.encoded for _, source in self.images())
        if results and not texts and not images:
            return results
        tool_calls = tuple(ToolCall(call.id, call.name, json.dumps(call.input)) for call in calls)
        return [*results, ChatMessage(self.role, "\n".join(texts), tool_calls, images=images)]


class ToolParam(Block):
    """A function that the model may call."""

    neutral: ClassVar[Neutral] = {
        "type": ("custom",),
        "defer_loading": (False,),
        "eager_input_streaming": (False,),
        "input_examples": ([],),
        "allowed_callers": (["direct"],),
    }

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
    """A conversation, as a model is shown it."""

    neutral: ClassVar[Neutral] = {
        "cache_control": (),
        "context_management": (),
        "output_format": (),
        "mcp_servers": ([],),
    }

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

    def images(self) -> list[PlacedImage]:
        """Every image; `to_hub` needs their bytes."""
        return [
            (f"messages[{index}].{place}", source)
            for index, message in enumerate(self.messages)
            for place, source in message.images()
        ]

    def to_hub(self, entry: RegistryEntry, max_tokens: int = 0, stop: tuple[str, ...] = ()) -> ChatRequest:
        """The hub's request; with no `max_tokens` it only counts."""
        system = [ChatMessage("system", _joined(self.system))] if self.system else []
        tools = [tool.to_hub() for tool in self.tools]
        asked = {"enabled": {"enable_thinking": True}, "disabled": {"enable_thinking": False}, "adaptive": {}}
        effort, form = self.output_config.effort, self.output_config.format
        return ChatRequest(
            messages=[*system, *(turn for message in self.messages for turn in message.to_hub())],
            max_tokens=max_tokens,
            sampling=self.sampling(entry),
            stop=stop,
            tools=self.tool_choice.offered(tools),
            must_call=self.tool_choice.must_call(tools),
            parallel_calls=not self.tool_choice.disable_parallel_tool_use,
            thinking_budget=self.thinking.budget_tokens,
            template_options=asked[self.thinking.type] | ({"reasoning_effort": effort} if effort else {}),
            grammar=Grammar("json_schema", msgspec.json.encode(form.schema_).decode()) if form else None,
        )


class MessageRequest(CountTokensRequest):
    """A conversation to continue."""

    neutral: ClassVar[Neutral] = {
        **CountTokensRequest.neutral,
        "container": (),
        "inference_geo": (),
        "service_tier": ("auto", "standard_only"),
    }

    max_tokens: Count
    stop_sequences: list[Annotated[Text, Field(min_length=1)]] = Field(default=[], max_length=16)
    stream: bool = False
    metadata: dict[str, str | None] | None = None


def _joined(blocks: Sequence[TextBlock | ImageBlock]) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, TextBlock))
