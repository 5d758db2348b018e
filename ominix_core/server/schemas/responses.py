"""What `POST /v1/responses` takes: https://platform.openai.com/docs/api-reference/responses/create."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from ominix_core.generation import ChatMessage, ChatRequest, Grammar
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.schemas import hints
from ominix_core.server.schemas.base import MOST_ITEMS, ApiRequest, Json, Neutral, Text
from ominix_core.server.schemas.chat import reasoning_options
from ominix_core.server.schemas.images import InputImage, PlacedImage
from ominix_core.server.schemas.response_items import InputItem, MessageItem
from ominix_core.server.schemas.sampling import JsonObjectFormat, JsonSchema, SampledRequest, TextFormat, grammar
from ominix_core.server.schemas.tool_choice import (
    Mode,
    ModeChoice,
    NamedFunction,
    OneTool,
    SomeTools,
    checked,
    spelled_out,
)


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

    neutral: ClassVar[Neutral] = hints.RESPONSE_FORMAT

    format: Annotated[TextFormat | JsonObjectFormat | FlatJsonSchemaFormat, Field(discriminator="type")] | None = None

    def grammar(self) -> Grammar | None:
        if isinstance(self.format, FlatJsonSchemaFormat):
            return self.format.grammar()
        return grammar(self.format)


class Reasoning(ApiRequest):
    """How much a model that can think should think."""

    neutral: ClassVar[Neutral] = hints.REASONING

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None


class NamedTool(NamedFunction):
    """One of the request's tools, by its name."""

    type: Literal["function"]


class FunctionChoice(OneTool):
    """This function must be called."""

    type: Literal["function"]


class AllowedChoice(SomeTools):
    """Some of the request's tools."""

    type: Literal["allowed_tools"]
    mode_: Literal["auto", "required"] = Field(alias="mode")
    tools: list[NamedTool] = Field(min_length=1)

    @property
    def mode(self) -> Mode:
        return self.mode_

    @property
    def only(self) -> tuple[str, ...]:
        return tuple(tool.name for tool in self.tools)


Choice = Annotated[
    ModeChoice | FunctionChoice | AllowedChoice,
    Field(discriminator="type"),
    BeforeValidator(spelled_out, Mode | ModeChoice | FunctionChoice | AllowedChoice),
]


class ResponseInput(ApiRequest):
    """What a model is to answer to."""

    neutral: ClassVar[Neutral] = hints.RESPONSE_COUNT

    model: str = ""
    input: Annotated[
        list[InputItem], Field(min_length=1, max_length=MOST_ITEMS), BeforeValidator(_as_items, str | list[InputItem])
    ]
    instructions: Text | None = None
    text: TextOptions = TextOptions()
    reasoning: Reasoning = Reasoning()
    tools: list[FunctionTool] = Field(default=[], max_length=128)
    tool_choice: Choice = ModeChoice(type="auto")
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None

    @field_validator("tool_choice")
    @classmethod
    def _is_among_the_tools(cls, choice: Choice, info: ValidationInfo) -> Choice:
        return checked(choice, {tool.name for tool in info.data.get("tools", [])})

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
        tools = [tool.to_hub() for tool in self.tools]
        return ChatRequest(
            messages=[*instructions, *conversation],
            max_tokens=0,
            grammar=self.text.grammar(),
            tools=self.tool_choice.offered(tools),
            must_call=self.tool_choice.must_call(tools),
            parallel_calls=self.parallel_tool_calls,
            template_options=reasoning_options(self.reasoning.effort),
        )


class ResponseRequest(ResponseInput, SampledRequest):
    """An answer to give. `include` may name `reasoning.encrypted_content`: reasoning is never hidden here."""

    neutral: ClassVar[Neutral] = hints.RESPONSE

    max_output_tokens: hints.Limit = None
    top_logprobs: int = Field(0, ge=0, le=20)
    include: list[Literal["message.output_text.logprobs", "reasoning.encrypted_content"]] = Field(default=[])
    store: bool = True
    stream: bool = False
    metadata: dict[Text, Text] = Field(default={}, max_length=16)
    user: Text | None = None

    def to_hub(self, entry: RegistryEntry, conversation: list[ChatMessage]) -> ChatRequest:
        """The hub's request, as of `to_count`."""
        wants_logprobs = "message.output_text.logprobs" in self.include
        return msgspec.structs.replace(
            self.to_count(conversation),
            max_tokens=self.max_output_tokens,
            sampling=self.sampling(entry),
            logprobs=self.top_logprobs if wants_logprobs else None,
        )
