"""From what a model writes between its tool markers to calls, told as they are written where their form allows."""

from __future__ import annotations

import logging
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ominix_core.generation import ChatRequest, TextRequest, ToolCall, ToolCallDelta, ToolCalled, ToolCallStarted

logger = logging.getLogger(__name__)

CallEvent = ToolCallStarted | ToolCallDelta | ToolCalled

# How a call begins in the forms whose arguments are JSON as they stand, by the name of mlx-lm's parser.
_HEADS = {
    "json_tools": re.compile(r'\s*\{\s*"name"\s*:\s*"([^"\\]+)"\s*,\s*"arguments"\s*:\s*(?=\{)'),
    "mistral": re.compile(r"\s*([\w-]+)\s*\[ARGS\]\s*(?=\{)"),
}


class CallReader:
    """Reads the calls of one answer; its text comes in pieces.

    Attributes:
        made: How many calls there are.
    """

    def __init__(self, tokenizer: Any, request: TextRequest) -> None:
        self.made = 0
        self._tools = request.tools if isinstance(request, ChatRequest) else []
        self._most = 1 if isinstance(request, ChatRequest) and not request.parallel_calls else sys.maxsize
        self._parse_calls = tokenizer.tool_parser
        form = self._parse_calls.__module__.rpartition(".")[2] if self._parse_calls else ""
        self._head = _HEADS.get(form) if self._tools else None
        self._section = _Section()

    @property
    def full(self) -> bool:
        """Whether the answer may hold no further call."""
        return self.made >= self._most

    def add(self, text: str) -> Iterator[CallEvent]:
        """What this piece tells for certain."""
        section = self._section
        section.text += text
        while self._head is not None and not self.full:
            if section.call is None:
                head = self._head.match(section.text, section.told)
                if head is None:
                    return
                section.told = head.end()
                section.call = _OpenCall(_new_id(), head[1])
                yield ToolCallStarted(self.made, section.call.id, section.call.name)
            piece = section.call.take(section.text[section.told :])
            section.told += len(piece)
            if piece:
                yield ToolCallDelta(self.made, piece)
            if not section.call.complete:
                return
            yield self._end(section)

    def close(self) -> Iterator[CallEvent]:
        """The section is over: what could only be told at its end. Raises ValueError with its text if it is no call."""
        section, self._section = self._section, _Section()
        if section.call is not None:  # it is cut short, but told already
            yield self._end(section)
        elif section.text:
            for call in self._read(section)[: self._most - self.made]:
                yield ToolCallStarted(self.made, call.id, call.name)
                yield ToolCallDelta(self.made, call.arguments)
                yield ToolCalled(self.made, call)
                self.made += 1

    def _end(self, section: _Section) -> ToolCalled:
        call, section.call = section.call, None
        assert call is not None
        section.ended += 1
        self.made += 1
        return ToolCalled(self.made - 1, ToolCall(call.id, call.name, call.arguments))

    def _read(self, section: _Section) -> list[ToolCall]:
        """The calls that have not been told yet."""
        if not self._tools:
            raise ValueError(section.text)
        try:
            parsed = self._parse_calls(section.text, self._tools)
            calls = [_call_of(call) for call in (parsed if isinstance(parsed, list) else [parsed])]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if section.ended:
                return []
            logger.warning("a tool call could not be read (%s): %r", error, section.text)
            raise ValueError(section.text) from error
        return calls[section.ended :]


@dataclass
class _Section:
    """The text between two markers.

    Attributes:
        told: How many of its characters have been read for good.
        ended: How many of its calls have been told to their end.
    """

    text: str = ""
    told: int = 0
    call: _OpenCall | None = None
    ended: int = 0


@dataclass
class _OpenCall:
    """A call whose arguments, a JSON object, are being written."""

    id: str
    name: str
    complete: bool = False
    _pieces: list[str] = field(default_factory=list)
    _depth: int = 0
    _quoted: bool = False
    _escaped: bool = False

    @property
    def arguments(self) -> str:
        return "".join(self._pieces)

    def take(self, text: str) -> str:
        """So much of `text` as belongs to the object."""
        for end, char in enumerate(text, start=1):
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped = char == "\\"
                self._quoted = char != '"'
            elif char == '"':
                self._quoted = True
            elif char in "{[":
                self._depth += 1
            elif char in "}]":
                self._depth -= 1
                if not self._depth:
                    self.complete = True
                    text = text[:end]
                    break
        self._pieces.append(text)
        return text


def _call_of(parsed: dict[str, Any]) -> ToolCall:
    arguments = msgspec.json.encode(parsed.get("arguments") or {}).decode()
    return ToolCall(parsed.get("id") or _new_id(), parsed["name"], arguments)


def _new_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"
