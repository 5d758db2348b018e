"""The items of a response's input, and the conversation that they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from ominix_core.generation import ChatMessage, Role, ToolCall
from ominix_core.server.schemas import hints
from ominix_core.server.schemas.base import MOST_ITEMS, ApiRequest, Json, Neutral, Text
from ominix_core.server.schemas.images import InputImage, laid_out


class MessageText(ApiRequest):
    """A piece of a message's text, asked or answered."""

    neutral: ClassVar[Neutral] = hints.RESPONSE_TEXT

    type: Literal["input_text", "output_text"]
    text: Text


class Refusal(ApiRequest):
    """What a model said that would not answer."""

    type: Literal["refusal"]
    refusal: Text

    @property
    def text(self) -> str:
        return self.refusal


Part = Annotated[MessageText | InputImage | Refusal, Field(discriminator="type")]


def _as_texts(content: Any) -> Any:
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else content


Texts = Annotated[list[MessageText], BeforeValidator(_as_texts, str | list[MessageText])]
Parts = Annotated[list[Part], Field(max_length=MOST_ITEMS), BeforeValidator(_as_texts, str | list[Part])]


class _Item(ApiRequest):
    """What came out of a response may go into the next as it is; ids and states mean nothing then."""

    id: Text | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class MessageItem(_Item):
    """A message."""

    neutral: ClassVar[Neutral] = hints.RESPONSE_MESSAGE

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

    neutral: ClassVar[Neutral] = hints.RESPONSE_CALL

    type: Literal["function_call"]
    call_id: Text
    name: Text
    arguments: Text


class FunctionCallOutputItem(_Item):
    """What a call came to."""

    neutral: ClassVar[Neutral] = hints.RESPONSE_OUTPUT

    type: Literal["function_call_output"]
    call_id: Text
    output: Texts


class ReasoningItem(_Item):
    """A thought of the model; it is shown to it again if its chat template has a place for thoughts.

    Where the thought itself is not there, its summary stands for it; what is encrypted only its own server can read.
    """

    type: Literal["reasoning"]
    summary: list[Json] = Field(default=[])
    content: list[Json] = Field(default=[])
    encrypted_content: str | None = None

    @property
    def text(self) -> str:
        parts = [part.get("text") for part in self.content or self.summary]
        return "\n\n".join(part for part in parts if isinstance(part, str))


def _type_of(item: Any) -> str | None:
    return item.get("type", "message") if isinstance(item, dict) else None


InputItem = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[FunctionCallItem, Tag("function_call")]
    | Annotated[FunctionCallOutputItem, Tag("function_call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")],
    Discriminator(_type_of),
]


def conversation_of(items: Iterable[InputItem]) -> list[ChatMessage]:
    """The turns that these items are. Calls join the assistant's turn before them, and thoughts the one after them."""
    turns: list[ChatMessage] = []
    thoughts: list[str] = []
    for item in items:
        match item:
            case ReasoningItem():
                thoughts.append(item.text)
            case MessageItem():
                role: Role = "system" if item.role == "developer" else item.role
                parts = [part if isinstance(part, InputImage) else part.text for part in item.content]
                turns.append(ChatMessage(role, **laid_out(parts), reasoning=_thought(thoughts, role)))
            case FunctionCallItem():
                if not turns or turns[-1].role != "assistant" or thoughts:
                    turns.append(ChatMessage("assistant", reasoning=_thought(thoughts, "assistant")))
                call = ToolCall(item.call_id, item.name, item.arguments)
                turns[-1] = msgspec.structs.replace(turns[-1], tool_calls=(*turns[-1].tool_calls, call))
            case FunctionCallOutputItem():
                text = "\n".join(part.text for part in item.output)
                turns.append(ChatMessage("tool", text, tool_call_id=item.call_id))
    return turns


def _thought(thoughts: list[str], role: Role) -> str:
    """What of them belongs to a turn of this role, once. Another role's turn ends a thought that led nowhere."""
    text = "\n\n".join(filter(None, thoughts)) if role == "assistant" else ""
    thoughts.clear()
    return text
