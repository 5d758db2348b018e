"""From an answer's events to an Anthropic message, and to the events of its stream on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from ominix_core.generation import (
    Finished,
    GenerationEvent,
    PrefillProgress,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCalled,
    ToolCallStarted,
)
from ominix_core.server.schemas.message_objects import (
    MessageObject,
    MessageUsage,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    stop_reason,
)

StreamEvent = dict[str, Any]


class MessageWriter:
    """Builds `message` from the events of its answer. Each method returns the stream events of what it changed."""

    def __init__(self, message: MessageObject) -> None:
        self.message = message
        self._begun = False
        self._open: TextBlock | ThinkingBlock | ToolUseBlock | None = None

    def add(self, part: GenerationEvent) -> Iterator[StreamEvent]:
        if not self._begun:
            self._begun = True
            if isinstance(part, PrefillProgress):
                self.message.usage.input_tokens = part.total
            yield {"type": "message_start", "message": self.message.model_dump()}
        match part:
            case PrefillProgress():
                yield {"type": "ping"}
            case TextDelta() if part.text:
                yield from self._add_text(part.text)
            case ReasoningDelta():
                yield from self._add_thinking(part.text)
            case ToolCallStarted():
                yield from self._close_block()
                self._open = ToolUseBlock(id=part.id, name=part.name, input={})
                yield from self._start_block(self._open)
            case ToolCallDelta():
                yield self._delta({"type": "input_json_delta", "partial_json": part.arguments})
            case ToolCalled() if isinstance(self._open, ToolUseBlock):
                self._open.input = _input(part.call.arguments)
                yield from self._close_block()
            case Finished():
                yield from self._finish(part)

    def _finish(self, finished: Finished) -> Iterator[StreamEvent]:
        yield from self._close_block()
        message = self.message
        message.usage = MessageUsage.of(finished.usage)
        message.stop_reason = stop_reason(finished)
        message.stop_sequence = finished.stop
        delta = {"stop_reason": message.stop_reason, "stop_sequence": message.stop_sequence}
        yield {"type": "message_delta", "delta": delta, "usage": message.usage.model_dump()}
        yield {"type": "message_stop"}

    def _add_text(self, text: str) -> Iterator[StreamEvent]:
        if not isinstance(self._open, TextBlock):
            yield from self._close_block()
            self._open = TextBlock(text="")
            yield from self._start_block(self._open)
        self._open.text += text
        yield self._delta({"type": "text_delta", "text": text})

    def _add_thinking(self, text: str) -> Iterator[StreamEvent]:
        if not isinstance(self._open, ThinkingBlock):
            yield from self._close_block()
            self._open = ThinkingBlock(thinking="")
            yield from self._start_block(self._open)
        self._open.thinking += text
        yield self._delta({"type": "thinking_delta", "thinking": text})

    def _start_block(self, block: TextBlock | ThinkingBlock | ToolUseBlock) -> Iterator[StreamEvent]:
        self.message.content.append(block)
        yield {"type": "content_block_start", "index": self._index, "content_block": block.model_dump()}

    def _close_block(self) -> Iterator[StreamEvent]:
        if self._open is not None:
            self._open = None
            yield {"type": "content_block_stop", "index": self._index}

    def _delta(self, delta: dict[str, str]) -> StreamEvent:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    @property
    def _index(self) -> int:
        return len(self.message.content) - 1


def _input(arguments: str) -> dict[str, Any]:
    """The arguments as an object; of those that were cut short what is whole, as clients read a stream that ends."""
    try:
        parsed = from_json(arguments or "{}", allow_partial=True)
    except ValueError:  # brackets too deep to read
        parsed = None
    return parsed if isinstance(parsed, dict) else {"INVALID_JSON": arguments}
