"""What a request can ask of its answer: stop strings, a form, log probabilities, tools, reasoning."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ominix_core.generation import (
    ChatMessage,
    ChatRequest,
    CompletionRequest,
    Failed,
    Finished,
    GenerationEvent,
    Grammar,
    PrefillProgress,
    ReasoningDelta,
    Sampling,
    TextDelta,
    ToolCall,
    ToolCalled,
)
from ominix_core.hub import Hub
from tests.conftest import local_entry
from tests.support.chat import GREEDY, ask, collect
from tests.support.tiny_models import make_tiny_llm, scripted_llm

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@pytest.fixture
def loaded(hub: Hub) -> Hub:
    hub.load("tiny").result(60)
    return hub


def events(hub: Hub, request: ChatRequest | CompletionRequest, model: str = "tiny") -> list[GenerationEvent]:
    return list(hub.generate(model, request))


def test_a_stop_string_ends_the_answer_before_it(loaded: Hub) -> None:
    whole, _ = collect(loaded.generate("tiny", ask("hello", 40)))
    stop = whole[10:13]
    request = ChatRequest(messages=[ChatMessage("user", "hello")], max_tokens=40, sampling=GREEDY, stop=(stop,))
    text, end = collect(loaded.generate("tiny", request))
    assert text == whole[: whole.index(stop)]
    assert isinstance(end, Finished)
    assert (end.reason, end.stop) == ("stop", stop)


def test_a_prompt_is_counted_without_an_answer(loaded: Hub) -> None:
    text, end = collect(loaded.generate("tiny", ask("hello", 0)))
    _, answered = collect(loaded.generate("tiny", ask("hello", 1)))
    assert isinstance(end, Finished)
    assert isinstance(answered, Finished)
    assert (text, end.usage.completion_tokens) == ("", 0)
    assert end.usage.prompt_tokens == answered.usage.prompt_tokens


def test_text_that_only_begins_like_a_stop_string_is_not_lost(loaded: Hub) -> None:
    whole, _ = collect(loaded.generate("tiny", ask("hello", 12)))
    request = ChatRequest(
        messages=[ChatMessage("user", "hello")], max_tokens=12, sampling=GREEDY, stop=(f"{whole[-2:]} and more",)
    )
    assert collect(loaded.generate("tiny", request))[0] == whole


def test_a_completion_continues_plain_text(loaded: Hub) -> None:
    request = CompletionRequest(prompt="once upon", max_tokens=8, sampling=GREEDY)
    _, end = collect(loaded.generate("tiny", request))
    assert isinstance(end, Finished)
    assert end.usage.prompt_tokens == len("once upon")
    assert end.usage.completion_tokens == 8


def test_prefill_progress_comes_before_the_answer(loaded: Hub) -> None:
    seen = events(loaded, ask("x" * 600))
    progress = [event for event in seen if isinstance(event, PrefillProgress)]
    assert isinstance(seen[0], PrefillProgress)
    assert len(progress) > 1
    assert progress[-1].done == progress[-1].total > 600
    assert [event.done for event in progress] == sorted(event.done for event in progress)


def test_logprobs_are_those_of_the_tokens(loaded: Hub) -> None:
    request = ChatRequest(messages=[ChatMessage("user", "hi")], max_tokens=6, sampling=GREEDY, logprobs=4)
    deltas = [event for event in events(loaded, request) if isinstance(event, TextDelta)]
    tokens = [entry for delta in deltas for entry in delta.logprobs]
    assert len(tokens) == 6
    for entry in tokens:
        assert entry.logprob <= 0
        assert len(entry.top) == 4
        assert entry.top[0].logprob == pytest.approx(entry.logprob), "greedy takes the likeliest"
        assert sum(math.exp(other.logprob) for other in entry.top) <= 1.0001
    assert b"".join(entry.raw for entry in tokens).decode("utf-8", "replace") == "".join(d.text for d in deltas)


def test_logit_bias_forces_a_token(loaded: Hub) -> None:
    biased = Sampling(temperature=0, logit_bias={66: 100.0})
    text, _ = collect(loaded.generate("tiny", ask("hello", 5, biased)))
    assert len(set(text)) == 1


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


class TestGrammar:
    def test_json_schema(self, loaded: Hub) -> None:
        request = ChatRequest(
            messages=[ChatMessage("user", "who?")],
            max_tokens=400,
            sampling=Sampling(temperature=1.0, seed=2),
            grammar=Grammar("json_schema", json.dumps(PERSON)),
        )
        text, end = collect(loaded.generate("tiny", request))
        assert isinstance(end, Finished)
        assert end.reason == "stop"
        answer = json.loads(text)
        assert set(answer) == {"name", "age"}
        assert isinstance(answer["age"], int)

    @pytest.mark.parametrize("seed", range(4))
    def test_white_space_comes_to_an_end(self, loaded: Hub, seed: int) -> None:
        """The model writes noise, of which free white space between the parts would be most."""
        schema = {"type": "object", "properties": {key: {"type": "boolean"} for key in "abc"}, "required": ["a", "b"]}
        request = ChatRequest(
            messages=[ChatMessage("user", "who?")],
            max_tokens=600,
            sampling=Sampling(temperature=1.0, seed=seed, logit_bias={10: 5.0, 32: 5.0, 198: 5.0, 220: 5.0}),
            grammar=Grammar("json_schema", json.dumps(schema | {"additionalProperties": False})),
        )
        text, end = collect(loaded.generate("tiny", request))
        assert isinstance(end, Finished)
        assert end.reason == "stop"
        assert {"a", "b"} <= json.loads(text).keys()

    def test_regex_beside_plain_requests(self, loaded: Hub) -> None:
        plain = loaded.generate("tiny", ask("hello", 24))
        request = ChatRequest(
            messages=[ChatMessage("user", "when?")],
            sampling=GREEDY,
            grammar=Grammar("regex", r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
        )
        text, _ = collect(loaded.generate("tiny", request))
        assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text)
        assert collect(plain)[0] == collect(loaded.generate("tiny", ask("hello", 24)))[0]

    @pytest.mark.parametrize("grammar", [Grammar("regex", "("), Grammar("json_schema", '{"type": "nothing"}')])
    def test_a_wrong_grammar_is_refused_by_its_fault(self, loaded: Hub, grammar: Grammar) -> None:
        request = ChatRequest(messages=[ChatMessage("user", "x")], grammar=grammar)
        _, end = collect(loaded.generate("tiny", request))
        assert isinstance(end, Failed)
        assert end.code == "invalid_response_format"
        assert "response format" in end.message


class TestSections:
    """Reasoning and tool calls, with a model that always writes one given text."""

    @pytest.fixture
    def scripted(
        self, hub: Hub, add_models: Callable[..., None], tmp_path: Path
    ) -> Iterator[Callable[[str], Callable[[ChatRequest], list[GenerationEvent]]]]:
        hubs: list[Hub] = []

        def load(script: str) -> Callable[[ChatRequest], list[GenerationEvent]]:
            add_models(local_entry("scripted", scripted_llm(tmp_path / "scripted", script)))
            other = Hub(hub.home, hub.settings)
            hubs.append(other)
            other.load("scripted").result(60)
            return lambda request: events(other, request, "scripted")

        yield load
        for other in hubs:
            other.close()

    def test_reasoning_is_split_from_the_answer(self, scripted: Any) -> None:
        seen = scripted("<think>let me see</think>Paris")(ask("capital?", 200))
        assert "".join(e.text for e in seen if isinstance(e, ReasoningDelta)) == "let me see"
        assert "".join(e.text for e in seen if isinstance(e, TextDelta)) == "Paris"
        assert 0 < seen[-1].usage.reasoning_tokens < seen[-1].usage.completion_tokens

    def test_a_tool_call_is_read(self, scripted: Any) -> None:
        call = '{"name": "weather", "arguments": {"city": "Rome"}}'
        ask_weather = scripted(f"I look.<tool_call>{call}</tool_call>")
        seen = ask_weather(
            ChatRequest(messages=[ChatMessage("user", "?")], max_tokens=200, sampling=GREEDY, tools=[WEATHER])
        )
        (called,) = [event for event in seen if isinstance(event, ToolCalled)]
        assert called.call.name == "weather"
        assert json.loads(called.call.arguments) == {"city": "Rome"}
        assert "".join(e.text for e in seen if isinstance(e, TextDelta)) == "I look."
        assert seen[-1].reason == "tool_calls"

    @pytest.mark.parametrize("broken", ["no json", '{"arguments": {}}', "[1]"])
    def test_a_broken_tool_call_stays_text(self, scripted: Any, broken: str) -> None:
        seen = scripted(f"<tool_call>{broken}</tool_call>")(
            ChatRequest(messages=[ChatMessage("user", "?")], max_tokens=200, sampling=GREEDY, tools=[WEATHER])
        )
        assert "".join(e.text for e in seen if isinstance(e, TextDelta)) == f"<tool_call>{broken}</tool_call>"
        assert seen[-1].reason == "stop"

    def test_tools_and_their_answers_reach_the_template(self, scripted: Any) -> None:
        seen = scripted("done")(
            ChatRequest(
                messages=[
                    ChatMessage("user", "?"),
                    ChatMessage("assistant", tool_calls=(ToolCall("c1", "weather", '{"city": "Rome"}'),)),
                    ChatMessage("tool", "sunny", tool_call_id="c1"),
                ],
                sampling=GREEDY,
                tools=[WEATHER],
            )
        )
        assert isinstance(seen[-1], Finished)

    def test_tools_are_refused_by_a_model_without_them(self, tmp_path: Path, hub: Hub, add_models: Any) -> None:
        folder = make_tiny_llm(tmp_path / "plain")
        (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
        add_models(local_entry("plain", folder))
        with Hub(hub.home, hub.settings) as other:
            other.load("plain").result(60)
            request = ChatRequest(messages=[ChatMessage("user", "?")], tools=[WEATHER])
            _, end = collect(other.generate("plain", request))
        assert isinstance(end, Failed)
        assert "cannot call tools" in end.message
