"""The parts of an Anthropic message: https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ominix_core.server.schemas import hints
from ominix_core.server.schemas.base import MOST_ITEMS, ApiRequest, Json, Neutral, Text
from ominix_core.server.schemas.images import Base64Source, UrlSource


class Block(ApiRequest):
    """A part of a message. `cache_control` is taken as the hint that it is: what is repeated is always reused."""

    neutral: ClassVar[Neutral] = hints.BLOCK


class TextBlock(Block):
    """Text."""

    neutral: ClassVar[Neutral] = hints.TEXT_BLOCK

    type: Literal["text"]
    text: Text


class ImageBlock(Block):
    """An image."""

    type: Literal["image"]
    source: Annotated[Base64Source | UrlSource, Field(discriminator="type")]


class ToolUseBlock(Block):
    """A call that the model made."""

    neutral: ClassVar[Neutral] = hints.TOOL_USE_BLOCK

    type: Literal["tool_use"]
    id: Text
    name: Text
    input: Json


def _as_text_blocks(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


TextBlocks = Annotated[list[TextBlock], BeforeValidator(_as_text_blocks, str | list[TextBlock])]


class PlainTextSource(ApiRequest):
    """A document's text."""

    type: Literal["text"]
    media_type: Literal["text/plain"] = "text/plain"
    data: Text

    @property
    def text(self) -> str:
        return self.data


class ContentSource(ApiRequest):
    """A document in pieces of text."""

    type: Literal["content"]
    content: TextBlocks

    @property
    def text(self) -> str:
        return joined_text(self.content)


class DocumentBlock(Block):
    """A document that is text; the model is shown its title and context before it."""

    neutral: ClassVar[Neutral] = hints.DOCUMENT_BLOCK

    type: Literal["document"]
    source: Annotated[PlainTextSource | ContentSource, Field(discriminator="type")]
    title: Text | None = None
    context: Text | None = None

    @property
    def text(self) -> str:
        return "\n".join(filter(None, (self.title, self.context, self.source.text)))


ResultBlock = Annotated[TextBlock | ImageBlock | DocumentBlock, Field(discriminator="type")]
ResultBlocks = Annotated[list[ResultBlock], BeforeValidator(_as_text_blocks, str | list[ResultBlock])]


class ToolResultBlock(Block):
    """What a call came to. Its images are shown to the model with the message that it comes in."""

    type: Literal["tool_result"]
    tool_use_id: Text
    content: ResultBlocks = Field(default=[])
    is_error: bool = False


class ThinkingBlock(Block):
    """A thought of the model; it is shown to it again if its chat template has a place for thoughts."""

    type: Literal["thinking"]
    thinking: Text
    signature: str = ""


class RedactedThinkingBlock(Block):
    """A thought that only Anthropic's own servers can read."""

    type: Literal["redacted_thinking"]
    data: str = ""


ContentBlock = Annotated[
    TextBlock | ImageBlock | DocumentBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedThinkingBlock,
    Field(discriminator="type"),
]
Content = Annotated[
    list[ContentBlock], Field(max_length=MOST_ITEMS), BeforeValidator(_as_text_blocks, str | list[ContentBlock])
]


def joined_text(blocks: Sequence[TextBlock | ImageBlock | DocumentBlock]) -> str:
    """All their text."""
    return "\n".join(block.text for block in blocks if not isinstance(block, ImageBlock))
