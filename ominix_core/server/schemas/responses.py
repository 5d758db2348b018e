"""What `POST /v1/responses` takes: https://platform.openai.com/docs/api-reference/responses/create."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ominix_core.generation import ChatMessage, ChatRequest, Grammar, Role, ToolCall
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.schemas.base import ApiRequest, Count, Json, Neutral, Text
from ominix_core.server.schemas.chat import reasoning_options
from ominix_core.server.schemas.images import InputImage, PlacedImage
from ominix_core.server.schemas.sampling import JsonObjectFormat, JsonSchema, SampledRequest, TextFormat, grammar


class MessageText(ApiRequest):
    """A piece of a message's text, asked or answered."""

    neutral: ClassVar[Neutral] = {"annotations": ([],), "logprobs": ([],)}

    type: Literal["input_text", "output_text"]
    text: Text


Part = Annotated[MessageText | InputImage, Field(discriminator="type")]


def _as_texts(content: Any) -> Any:
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else content


Texts = Annotated[list[MessageText], BeforeValidator(_as_texts, str | list[MessageText])]
Parts = Annotated[list[Part], BeforeValidator(_as_texts, str | list[Part])]


class _Item(ApiRequest):
    """What came out of a response may go into the next as it is; ids and states mean nothing then."""

    id: Text | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class MessageItem(_Item):
    """A message."""

    neutral: ClassVar[Neutral] = {"phase": ()}

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Parts

    @model_validator(mode="after")
    def _only_users_show_images(self) -> MessageItem:
        if self.role != "user" and any(isinstance(part, InputImage) for part in self.content):
            raise ValueError("has an image, which only a user's message may have")
        return self


class FunctionCallItem(_Item):
    """A call that the model made; `arguments` is JSON text."""

    neutral: ClassVar[Neutral] = {"caller": (), "namespace": ()}

    type: Literal["function_call"]
    call_id: Text
    name: Text
    arguments: Text


class FunctionCallOutputItem(_Item):
    """What a call came to."""

    neutral: ClassVar[Neutral] = {"caller": (), "namespace": (), "name": ()}

    type: Literal["function_call_output"]
    call_id: Text
    output: Texts


class ReasoningItem(_Item):
    """A thought of the model; it is not shown to it again."""

    type: Literal["reasoning"]
    summary: list[Json] = Field(default=[])
    content: list[Json] = Field(default=[])
    encrypted_content: str | None = None


def _type_of(item: Any) -> str | None:
    return item.get("type", "message") if isinstance(item, dict) else None


InputItem = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[FunctionCallItem, Tag("function_call")]
    | Annotated[FunctionCallOutputItem, Tag("function_call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")],
    Discriminator(_type_of),
]


def _as_items(value: Any) -> Any:
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


class FunctionTool(ApiRequest):
    """A function that the model may call. With `strict` its arguments are held to the schema."""

    neutral: ClassVar[Neutral] = {"output_schema": (), "defer_loading": (False,), "allowed_callers": ()}

    type: Literal["function"]
    name: str = Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")
    description: Text | None = None
    parameters: Json | None = None
    strict: bool | None = None

    def to_hub(self) -> dict[str, Any]:
        return {"type": "function", "function": self.model_dump(exclude={"type"}, exclude_none=True)}


class FlatJsonSchemaFormat(JsonSchema):
    """JSON that keeps to a schema."""

    type: Literal["json_schema"]


class TextOptions(ApiRequest):
    """The form of the answer's text."""

    neutral: ClassVar[Neutral] = {"verbosity": ("medium",)}

    format: Annotated[TextFormat | JsonObjectFormat | FlatJsonSchemaFormat, Field(discriminator="type")] | None = None

    def grammar(self) -> Grammar | None:
        if isinstance(self.format, FlatJsonSchemaFormat):
            return self.format.grammar()
        return grammar(self.format)


class Reasoning(ApiRequest):
    """How much a model that can think should think."""

    neutral: ClassVar[Neutral] = {"summary": ("auto",), "generate_summary": ("auto",), "mode": (), "context": ("auto",)}

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None


class ToolChoice(ApiRequest):
    """Whether the answer may or must be the call of a tool, and of which."""

    type: Literal["none", "auto", "required", "function"]
    name: Text | None = None

    def must_call(self, tools: list[FunctionTool]) -> tuple[str, ...]:
        """Names of the functions of which the answer must call one."""
        if self.name is not None:
            return (self.name,)
        return tuple(tool.name for tool in tools) if self.type == "required" else ()

    def echo(self) -> str | dict[str, str]:
        """As OpenAI writes it in a response."""
        return self.type if self.name is None else {"type": "function", "name": self.name}


def _as_choice(choice: Any) -> Any:
    return {"type": choice} if isinstance(choice, str) else choice


class ResponseInput(ApiRequest):
    """What a model is to answer to."""

    neutral: ClassVar[Neutral] = {
        "conversation": (),
        "parallel_tool_calls": (True,),
        "personality": (),
        "truncation": ("disabled",),
    }

    model: str = ""
    input: Annotated[list[InputItem], Field(min_length=1), BeforeValidator(_as_items, str | list[InputItem])]
    instructions: Text | None = None
    text: TextOptions = TextOptions()
    reasoning: Reasoning = Reasoning()
    tools: list[FunctionTool] = Field(default=[], max_length=128)
    tool_choice: Annotated[ToolChoice, BeforeValidator(_as_choice, str | ToolChoice)] = ToolChoice(type="auto")
    previous_response_id: str | None = None

    @field_validator("tool_choice")
    @classmethod
    def _is_among_the_tools(cls, choice: ToolChoice, info: ValidationInfo) -> ToolChoice:
        names = [tool.name for tool in info.data.get("tools", [])]
        if (choice.type == "function") != (choice.name is not None):
            raise ValueError("needs name exactly if its type is function")
        if choice.type == "required" and not names:
            raise ValueError("needs tools")
        if choice.name is not None and choice.name not in names:
            raise ValueError(f"names '{choice.name}', which is not among the tools")
        return choice

    def images(self) -> list[PlacedImage]:
        """Every image of the input; its conversation needs their bytes."""
        return [
            (f"input[{index}].content[{place}]", part)
            for index, item in enumerate(self.input)
            if isinstance(item, MessageItem)
            for place, part in enumerate(item.content)
            if isinstance(part, InputImage)
        ]

    def to_count(self, conversation: list[ChatMessage]) -> ChatRequest:
        """The hub's request that only counts. `conversation` is everything said, without the instructions."""
        instructions = [ChatMessage("system", self.instructions)] if self.instructions else []
        return ChatRequest(
            messages=[*instructions, *conversation],
            max_tokens=0,
            grammar=self.text.grammar(),
            tools=[tool.to_hub() for tool in self.tools if self.tool_choice.type != "none"],
            must_call=self.tool_choice.must_call(self.tools),
            template_options=reasoning_options(self.reasoning.effort),
        )


class ResponseRequest(ResponseInput, SampledRequest):
    """An answer to give. `include` may name `reasoning.encrypted_content`: reasoning is never hidden here."""

    neutral: ClassVar[Neutral] = {
        **ResponseInput.neutral,
        "background": (False,),
        "context_management": (),
        "max_tool_calls": (),
        "moderation": (),
        "prompt": (),
        "prompt_cache_options": (),
        "prompt_cache_retention": ("in_memory",),
        "service_tier": ("auto", "default"),
        "stream_options": ({}, {"include_obfuscation": False}),
    }

    max_output_tokens: Count | None = None
    top_logprobs: int = Field(0, ge=0, le=20)
    include: list[Literal["message.output_text.logprobs", "reasoning.encrypted_content"]] = Field(default=[])
    store: bool = True
    stream: bool = False
    metadata: dict[Text, Text] = Field(default={}, max_length=16)
    user: Text | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    def to_hub(self, entry: RegistryEntry, conversation: list[ChatMessage]) -> ChatRequest:
        """The hub's request, as of `to_count`."""
        wants_logprobs = "message.output_text.logprobs" in self.include
        return msgspec.structs.replace(
            self.to_count(conversation),
            max_tokens=self.max_output_tokens,
            sampling=self.sampling(entry),
            logprobs=self.top_logprobs if wants_logprobs else None,
        )


def conversation_of(items: Iterable[InputItem]) -> list[ChatMessage]:
    """The turns that these items are. Calls join the assistant's turn before them."""
    turns: list[ChatMessage] = []
    for item in items:
        match item:
            case MessageItem():
                role: Role = "system" if item.role == "developer" else item.role
                images = tuple(part.encoded for part in item.content if isinstance(part, InputImage))
                turns.append(ChatMessage(role, _text(item.content), images=images))
            case FunctionCallItem():
                if not turns or turns[-1].role != "assistant":
                    turns.append(ChatMessage("assistant"))
                call = ToolCall(item.call_id, item.name, item.arguments)
                turns[-1] = msgspec.structs.replace(turns[-1], tool_calls=(*turns[-1].tool_calls, call))
            case FunctionCallOutputItem():
                turns.append(ChatMessage("tool", _text(item.output), tool_call_id=item.call_id))
    return turns


def _text(content: Sequence[MessageText | InputImage]) -> str:
    return "\n".join(part.text for part in content if isinstance(part, MessageText))
