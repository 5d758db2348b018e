"""From an answer's events to a response object, and to the events of the Responses API on the way."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from ominix_core.generation import (
    Finished,
    GenerationEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from ominix_core.server.errors import ApiError
from ominix_core.server.schemas.chat_answers import Logprob
from ominix_core.server.schemas.response_objects import (
    FunctionCall,
    IncompleteDetails,
    ItemStatus,
    OutputItem,
    OutputMessage,
    OutputText,
    ReasoningItem,
    ReasoningText,
    ResponseError,
    ResponseObject,
    ResponseUsage,
)

StreamEvent = dict[str, Any]


class ResponseWriter:
    """Builds `response` from the events of its answer. Each method returns the stream events of what it changed."""

    def __init__(self, response: ResponseObject) -> None:
        self.response = response
        self._sequence = 0
        self._open: OutputItem | None = None

    def begin(self) -> Iterator[StreamEvent]:
        for name in ("created", "in_progress"):
            yield self._event(f"response.{name}", response=self.response)

    def add(self, part: GenerationEvent) -> Iterator[StreamEvent]:
        match part:
            case TextDelta():
                yield from self._add_text(part)
            case ReasoningDelta():
                yield from self._add_reasoning(part.text)
            case ToolCallStarted():
                yield from self._close_item("completed")
                self._open = FunctionCall(id=_new_id("fc"), call_id=part.id, name=part.name)
                yield from self._item_added(self._open)
            case ToolCallDelta():
                yield from self._add_arguments(part.arguments)
            case Finished():
                yield from self._finish(part)

    def fail(self, error: ApiError) -> Iterator[StreamEvent]:
        """The answer ended with `error`."""
        yield from self._close_item("incomplete")
        self.response.error = ResponseError(code="server_error", message=error.detail)
        self.response.status = "failed"
        yield self._event("response.failed", response=self.response)

    def _finish(self, finished: Finished) -> Iterator[StreamEvent]:
        complete = finished.reason != "length"
        yield from self._close_item("completed" if complete else "incomplete")
        self.response.usage = ResponseUsage.of(finished.usage)
        self.response.completed_at = int(time.time())
        self.response.status = "completed" if complete else "incomplete"
        if not complete:
            self.response.incomplete_details = IncompleteDetails(reason="max_output_tokens")
        yield self._event(f"response.{self.response.status}", response=self.response)

    # -- items --------------------------------------------------------------------------------------------------

    def _add_text(self, delta: TextDelta) -> Iterator[StreamEvent]:
        if not isinstance(self._open, OutputMessage):
            if not delta.text:
                return  # the log probabilities of a tool call's tokens; a call has no place for them
            yield from self._close_item("completed")
            self._open = OutputMessage(id=_new_id("msg"))
            yield from self._item_added(self._open)
            self._open.content.append(OutputText())
            yield self._part_event("content_part.added", part=self._open.content[0])
        logprobs = [Logprob.of(entry) for entry in delta.logprobs]
        self._open.content[0].text += delta.text
        self._open.content[0].logprobs += logprobs
        yield self._part_event("output_text.delta", delta=delta.text, logprobs=logprobs)

    def _add_reasoning(self, text: str) -> Iterator[StreamEvent]:
        if not isinstance(self._open, ReasoningItem):
            yield from self._close_item("completed")
            self._open = ReasoningItem(id=_new_id("rs"))
            yield from self._item_added(self._open)
            self._open.content.append(ReasoningText())
            yield self._part_event("content_part.added", part=self._open.content[0])
        self._open.content[0].text += text
        yield self._part_event("reasoning_text.delta", delta=text)

    def _add_arguments(self, text: str) -> Iterator[StreamEvent]:
        assert isinstance(self._open, FunctionCall), "a call is open"
        self._open.arguments += text
        yield self._item_event("function_call_arguments.delta", delta=text)

    def _item_added(self, item: OutputItem) -> Iterator[StreamEvent]:
        self.response.output.append(item)
        yield self._event("response.output_item.added", output_index=self._index, item=item)

    def _close_item(self, status: ItemStatus) -> Iterator[StreamEvent]:
        item = self._open
        if item is None:
            return
        item.status = status
        match item:
            case FunctionCall():
                done = {"name": item.name, "arguments": item.arguments}
                yield self._item_event("function_call_arguments.done", **done)
            case OutputMessage(content=[part]):
                yield self._part_event("output_text.done", text=part.text, logprobs=part.logprobs)
                yield self._part_event("content_part.done", part=part)
            case ReasoningItem(content=[part]):
                yield self._part_event("reasoning_text.done", text=part.text)
                yield self._part_event("content_part.done", part=part)
        yield self._event("response.output_item.done", output_index=self._index, item=item)
        self._open = None

    @property
    def _index(self) -> int:
        return len(self.response.output) - 1

    def _part_event(self, name: str, /, **fields: Any) -> StreamEvent:
        return self._item_event(name, content_index=0, **fields)

    def _item_event(self, name: str, /, **fields: Any) -> StreamEvent:
        assert self._open is not None, "an item is open"
        return self._event(f"response.{name}", item_id=self._open.id, output_index=self._index, **fields)

    def _event(self, type_: str, /, **fields: Any) -> StreamEvent:
        self._sequence += 1
        plain = {key: _plain(value) for key, value in fields.items()}
        return {"type": type_, "sequence_number": self._sequence - 1, **plain}


def _plain(value: Any) -> Any:
    """`value` as it is now: the objects go on changing."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"
