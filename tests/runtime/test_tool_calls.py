"""Reading tool calls out of what a model writes, in pieces of any size."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_lm.tool_parsers import json_tools, mistral, qwen3_coder

from ominix_core.engines.tool_calls import CallEvent, CallReader
from ominix_core.generation import ChatMessage, ChatRequest, ToolCallDelta, ToolCalled, ToolCallStarted

TOOLS: list[dict[str, Any]] = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
TRICKY = {"a": 'quoted " and \\', "b": {"c": ["}", "{", 1.5e3, None]}, "ü": "\n"}


def read(parse: Callable[..., Any], pieces: Sequence[str], **wanted: Any) -> list[CallEvent]:
    """What a section in these pieces tells. Raises ValueError if it is no call."""
    request = ChatRequest(messages=[ChatMessage("user", "?")], tools=TOOLS, **wanted)
    reader = CallReader(SimpleNamespace(tool_parser=parse), request)
    return [*(event for piece in pieces for event in reader.add(piece)), *reader.close()]


def calls_of(events: list[CallEvent]) -> list[tuple[str, Any]]:
    """Every call; what was told of it on the way must be the same."""
    calls = [event for event in events if isinstance(event, ToolCalled)]
    for index, called in enumerate(calls):
        assert called.index == index
        (started,) = (event for event in events if isinstance(event, ToolCallStarted) and event.index == index)
        assert (started.id, started.name) == (called.call.id, called.call.name)
        deltas = [event.arguments for event in events if isinstance(event, ToolCallDelta) and event.index == index]
        assert "".join(deltas) == called.call.arguments
    return [(called.call.name, json.loads(called.call.arguments)) for called in calls]


HERMES = f'\n{{"name": "weather", "arguments": {json.dumps(TRICKY)}}}\n'
MISTRAL = f"weather[ARGS]{json.dumps(TRICKY)}weather[ARGS]{{}}"


@pytest.mark.parametrize(
    ("parse", "text", "made"),
    [
        pytest.param(json_tools.parse_tool_call, HERMES, [("weather", TRICKY)], id="json"),
        pytest.param(mistral.parse_tool_call, MISTRAL, [("weather", TRICKY), ("weather", {})], id="mistral"),
    ],
)
@given(cuts=st.lists(st.integers(0, 200)))
def test_pieces_make_the_same_calls(
    parse: Callable[..., Any], text: str, made: list[tuple[str, Any]], cuts: list[int]
) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[begin:end] for begin, end in itertools.pairwise(places)]
    assert calls_of(read(parse, pieces)) == made


@pytest.mark.parametrize(
    ("parse", "text", "made"),
    [
        (json_tools.parse_tool_call, '{"arguments": {"a": 1}, "name": "weather"}', [("weather", {"a": 1})]),
        (json_tools.parse_tool_call, '{"name": "weather"}', [("weather", {})]),
        (json_tools.parse_tool_call, '[{"name": "a"}, {"name": "b", "arguments": {}}]', [("a", {}), ("b", {})]),
        (mistral.parse_tool_call, '[{"name": "weather", "arguments": {"a": 1}}]', [("weather", {"a": 1})]),
        (
            qwen3_coder.parse_tool_call,
            "<function=weather>\n<parameter=city>\nRome\n</parameter>\n</function>",
            [("weather", {"city": "Rome"})],
        ),
    ],
)
def test_what_cannot_be_told_on_the_way_is_told_at_the_end(
    parse: Callable[..., Any], text: str, made: list[tuple[str, Any]]
) -> None:
    assert calls_of(read(parse, list(text))) == made


def test_arguments_are_told_before_the_call_ends() -> None:
    request = ChatRequest(messages=[ChatMessage("user", "?")], tools=TOOLS)
    reader = CallReader(SimpleNamespace(tool_parser=json_tools.parse_tool_call), request)
    assert [type(event) for event in reader.add('{"name": "weather", "arguments": {"city":')] == [
        ToolCallStarted,
        ToolCallDelta,
    ]
    assert reader.made == 0
    (delta,) = reader.add(' "Ro')
    assert isinstance(delta, ToolCallDelta)
    assert delta.arguments == ' "Ro'


@pytest.mark.parametrize("text", ["no call", '{"arguments": {}}', "[1]"])
def test_what_is_no_call(text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("[", r"\[")):
        read(json_tools.parse_tool_call, [text])


@pytest.mark.parametrize("rest", ['{"city": "Ro', '{"city": Rome}}', '{"city": "Rome"} and so on'])
def test_what_was_told_stays_a_call(rest: str) -> None:
    events = read(json_tools.parse_tool_call, ['{"name": "weather", "arguments": ', rest])
    (called,) = (event for event in events if isinstance(event, ToolCalled))
    assert rest.startswith(called.call.arguments)
    assert called.call.arguments


def test_one_call_alone() -> None:
    assert calls_of(read(mistral.parse_tool_call, [MISTRAL], parallel_calls=False)) == [("weather", TRICKY)]
    several = '[{"name": "a"}, {"name": "b"}]'
    assert calls_of(read(json_tools.parse_tool_call, [several], parallel_calls=False)) == [("a", {})]
