"""The calls of one answer: how they are counted and told, whatever the form in which a model writes them."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from ominix_core.engines.output.values import Parameters, is_json
from ominix_core.generation import ChatRequest, TextRequest, ToolCall, ToolCallDelta, ToolCalled, ToolCallStarted

CallEvent = ToolCallStarted | ToolCallDelta | ToolCalled


class NotACall(ValueError):
    """What is written between the markers is no call, or what it should mean is not plain."""


class Calls:
    """The calls of one answer.

    Attributes:
        made: How many there are.
        tools: The functions that the request offers, as OpenAI describes them.
        parameters: What they take.
    """

    def __init__(self, request: TextRequest) -> None:
        self.made = 0
        self.tools = request.tools if isinstance(request, ChatRequest) else []
        self.parameters = Parameters(self.tools)
        self._most = 1 if isinstance(request, ChatRequest) and not request.parallel_calls else sys.maxsize
        self._id = self._name = ""
        self._arguments: list[str] = []

    @property
    def full(self) -> bool:
        """Whether the answer may hold no further call."""
        return self.made >= self._most

    def start(self, name: str, call_id: str | None = None) -> ToolCallStarted:
        """A call's name is known, and its arguments, of which `more` tells, are an object."""
        self._id, self._name = call_id or f"call_{uuid.uuid4().hex[:24]}", name
        self._arguments.clear()
        return ToolCallStarted(self.made, self._id, name)

    def more(self, arguments: str) -> Iterator[ToolCallDelta]:
        if arguments:
            self._arguments.append(arguments)
            yield ToolCallDelta(self.made, arguments)

    def finish(self) -> ToolCalled:
        self.made += 1
        return ToolCalled(self.made - 1, ToolCall(self._id, self._name, "".join(self._arguments)))

    def whole(self, name: Any, arguments: Any, call_id: str | None = None) -> Iterator[CallEvent]:
        """A call that could only be told at its end; its arguments are an object or JSON text. Raises NotACall."""
        if not isinstance(name, str) or not name.strip():
            raise NotACall
        if not isinstance(arguments, str):
            if not isinstance(arguments, dict) or not is_json(arguments):
                raise NotACall
            arguments = msgspec.json.encode(arguments).decode()
        if self.full:
            return
        yield self.start(name.strip(), call_id)
        yield from self.more(arguments)
        yield self.finish()


class CallSection(Protocol):
    """Reads what follows a marker that opens calls, in pieces.

    Attributes:
        rest: What follows the section's end; None while it is open.
        ended_by: The marker that has ended it; "" if none has.
    """

    rest: str | None
    ended_by: str

    def add(self, text: str) -> Iterator[CallEvent]:
        """What this piece tells for certain. Raises NotACall if the section turns out to hold none."""
        ...

    def end(self, *, cut: bool) -> Iterator[CallEvent]:
        """The answer is over, cut short or by the model itself. Raises NotACall."""
        ...

    def untold(self) -> str:
        """What has been read since the last call that was told, as it was written."""
        ...
