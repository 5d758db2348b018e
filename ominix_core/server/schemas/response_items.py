"""The items of a response's input, and the conversation that they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from ominix_core.generation import ChatMessage, Role, ToolCall
from ominix_core.server.schemas.base import MOST_ITEMS, ApiRequest, Json, Neutral, Text
from ominix_core.server.schemas.images import InputImage


class MessageText(ApiRequest):
    """A piece of a message's text, asked or answered."""

    neutral: ClassVar[Neutral] = {"annotations": ([],), "logprobs": ([],)}

    type: Literal["input_text", "output_text"]
    text: Text


Part = Annotated[MessageText | InputImage, Field(discriminator="type")]


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
