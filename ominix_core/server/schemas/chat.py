"""What `POST /v1/chat/completions` takes: https://platform.openai.com/docs/api-reference/chat/create."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from ominix_core.generation import ChatMessage, ChatRequest, ToolCall
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.schemas import hints
from ominix_core.server.schemas.base import MOST_ITEMS, ApiRequest, Json, Neutral, Text
from ominix_core.server.schemas.images import ImageUrl, PlacedImage, laid_out
from ominix_core.server.schemas.sampling import PenalizedRequest, ResponseFormat, grammar, repeated
from ominix_core.server.schemas.tool_choice import (
    Mode,
    ModeChoice,
    NamedFunction,
    SomeTools,
    ToolChoice,
    checked,
    spelled_out,
)


class TextPart(ApiRequest):
    """A piece of a message's text."""

    neutral: ClassVar[Neutral] = hints.PART

    type: Literal["text"]
    text: Text

    @property
    def said(self) -> str:
        return self.text


class RefusalPart(ApiRequest):
    """What an assistant said that would not answer."""

    type: Literal["refusal"]
    refusal: Text

    @property
    def said(self) -> str:
        return self.refusal


class ImagePart(ApiRequest):
    """An image of a user's message."""

    neutral: ClassVar[Neutral] = hints.PART

    type: Literal["image_url"]
    image_url: ImageUrl


def _as_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


Part = Annotated[TextPart | ImagePart | RefusalPart, Field(discriminator="type")]
Content = Annotated[list[Part], Field(max_length=MOST_ITEMS), BeforeValidator(_as_parts, str | list[Part])]


class CalledFunction(ApiRequest):
    """The function of a tool call; `arguments` is JSON text."""

    name: Text
    arguments: Text


class MessageToolCall(ApiRequest):
    """A tool call that an assistant message made."""

    id: Text
    type: Literal["function"] = "function"
    function: CalledFunction


class Message(ApiRequest):
    """One turn of the conversation. A model is shown its old thoughts if its chat template has a place for them.

    With `prefix` the answer goes on from this last message, as with `continue_final_message`.
    """

    neutral: ClassVar[Neutral] = hints.CHAT_MESSAGE

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content = Field(default=[])
    name: Text | None = None
    tool_calls: list[MessageToolCall] = Field(default=[])
    tool_call_id: Text | None = None
    reasoning_content: Text | None = None
    reasoning: Text | None = None
    refusal: Text | None = None
    prefix: bool = False

    @model_validator(mode="after")
    def _holds_together(self) -> Message:
        if self.role == "user" and "content" not in self.model_fields_set:
            raise ValueError("needs content")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("has tool_calls, which only an assistant makes")
        if (self.tool_call_id is None) != (self.role != "tool"):
            raise ValueError("needs tool_call_id exactly if its role is tool")
        if self.role != "user" and any(isinstance(part, ImagePart) for part in self.content):
            raise ValueError("has an image, which only a user's message may have")
        return self

    def to_hub(self) -> ChatMessage:
        parts = [part.image_url if isinstance(part, ImagePart) else part.said for part in self.content]
        return ChatMessage(
            "system" if self.role == "developer" else self.role,
            **laid_out(parts or [self.refusal or ""]),
            tool_calls=tuple(
                ToolCall(call.id, call.function.name, call.function.arguments) for call in self.tool_calls
            ),
            tool_call_id=self.tool_call_id,
            name=self.name,
            reasoning=self.reasoning_content or self.reasoning or "",
        )


class Function(ApiRequest):
    """A function that the model may call. With `strict` its arguments are held to the schema."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")
    description: Text | None = None
    parameters: Json | None = None
    strict: bool | None = None


class Tool(ApiRequest):
    """A tool: always a function."""

    neutral: ClassVar[Neutral] = hints.CHAT_TOOL

    type: Literal["function"]
    function: Function


class NamedTool(ApiRequest):
    """One of the request's tools, by its name."""

    type: Literal["function"]
    function: NamedFunction


class FunctionChoice(ToolChoice):
    """This function must be called."""

    type: Literal["function"]
    function: NamedFunction

    @property
    def mode(self) -> Mode:
        return "required"

    @property
    def only(self) -> tuple[str, ...]:
        return (self.function.name,)


class AllowedTools(ApiRequest):
    """Some of the request's tools, and whether one of them must be called."""

    mode: Literal["auto", "required"]
    tools: list[NamedTool] = Field(min_length=1)


class AllowedChoice(SomeTools):
    """Some of the request's tools."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools

    @property
    def mode(self) -> Mode:
        return self.allowed_tools.mode

    @property
    def only(self) -> tuple[str, ...]:
        return tuple(tool.function.name for tool in self.allowed_tools.tools)


Choice = Annotated[
    ModeChoice | FunctionChoice | AllowedChoice,
    Field(discriminator="type"),
    BeforeValidator(spelled_out, Mode | ModeChoice | FunctionChoice | AllowedChoice),
]


class StreamOptions(ApiRequest):
    """What a stream carries besides the answer."""

    neutral: ClassVar[Neutral] = hints.CHAT_STREAM

    include_usage: bool = False


class ChatCompletionRequest(PenalizedRequest):
    """A conversation to continue. `chat_template_kwargs` are further arguments of the model's chat template.

    If it ends with text of the assistant, the answer goes on from there, as in Ollama, llama.cpp and what Open WebUI's
    "Continue Response" counts on. With `continue_final_message` false it is a new message, as it also is where a form
    or a call is asked for, which has to be a whole one.
    """

    neutral: ClassVar[Neutral] = hints.CHAT

    messages: list[Message] = Field(min_length=1, max_length=MOST_ITEMS)
    n: int = Field(1, ge=1, le=128)
    max_completion_tokens: hints.Limit = None
    max_tokens: hints.Limit = None
    logprobs: bool = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    tools: list[Tool] = Field([], max_length=128)
    tool_choice: Choice = ModeChoice(type="auto")
    parallel_tool_calls: bool = True
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    chat_template_kwargs: Json = Field(default={})
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    continue_final_message: bool | None = None

    @field_validator("tool_choice")
    @classmethod
    def _is_among_the_tools(cls, choice: Choice, info: ValidationInfo) -> Choice:
        return checked(choice, {tool.function.name for tool in info.data.get("tools", [])})

    @model_validator(mode="after")
    def _asks_for_logprobs_at_all(self) -> ChatCompletionRequest:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("needs logprobs for its top_logprobs")
        return self

    @model_validator(mode="after")
    def _can_go_on(self) -> ChatCompletionRequest:
        if self._must_go_on and not self._has_begun:
            raise ValueError("has 'continue_final_message', but does not end with text of the assistant to go on from")
        if self._must_go_on and self._wants_a_form:
            raise ValueError("has 'continue_final_message', which goes with no response_format and no required call")
        return self

    @property
    def _must_go_on(self) -> bool:
        return bool(self.continue_final_message) or self.messages[-1].prefix

    @property
    def _has_begun(self) -> bool:
        last = self.messages[-1]
        return last.role == "assistant" and not last.tool_calls and bool(last.to_hub().content)

    @property
    def _wants_a_form(self) -> bool:
        return grammar(self.response_format) is not None or self.tool_choice.mode == "required"

    @property
    def _goes_on(self) -> bool:
        return self._has_begun and self.continue_final_message is not False and not self._wants_a_form

    def images(self) -> list[PlacedImage]:
        """Every image; `to_hub` needs their bytes."""
        return [
            (f"messages[{index}].content[{place}].image_url", part.image_url)
            for index, message in enumerate(self.messages)
            for place, part in enumerate(message.content)
            if isinstance(part, ImagePart)
        ]

    def to_hub(self, entry: RegistryEntry) -> list[ChatRequest]:
        """The hub's request, once for each answer."""
        tools = [tool.model_dump(exclude_none=True) for tool in self.tools]
        request = ChatRequest(
            messages=[message.to_hub() for message in self.messages],
            max_tokens=self.max_completion_tokens or self.max_tokens,
            sampling=self.sampling(entry),
            stop=tuple(self.stop),
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            grammar=grammar(self.response_format),
            tools=self.tool_choice.offered(tools),
            must_call=self.tool_choice.must_call(tools),
            parallel_calls=self.parallel_tool_calls,
            template_options=reasoning_options(self.reasoning_effort) | self.chat_template_kwargs,
            prefill=self._goes_on,
        )
        return repeated(request, self.n)


def reasoning_options(effort: str | None) -> dict[str, Any]:
    """The chat-template arguments by which models that think are told how much; others ignore them."""
    if effort is None:
        return {}
    if effort == "none":
        return {"enable_thinking": False}
    return {"enable_thinking": True, "reasoning_effort": effort}
