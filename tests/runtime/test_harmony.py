"""A model that writes Harmony, held to forms: its thoughts stay free, what follows them does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ominix_core.generation import (
    ChatMessage,
    ChatRequest,
    Finished,
    GenerationEvent,
    Grammar,
    ReasoningDelta,
    Sampling,
    TextDelta,
    ToolCalled,
)
from ominix_core.hub import Hub
from tests.conftest import local_entry
from tests.support.harmony import MARKS, make_tiny_harmony

SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
Asking = Callable[..., list[GenerationEvent]]


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **more}}


@pytest.fixture
def harmony(hub: Hub, add_models: Callable[..., None], tmp_path: Path) -> Iterator[Asking]:
    """Asks a model that writes noise; a bias ends its thoughts soon."""
    folder = make_tiny_harmony(tmp_path / "harmony")
    tokens = {
        token["content"]: token["id"] for token in json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    }
    assert tokens.keys() >= set(MARKS)
    add_models(local_entry("harmony", folder))
    with Hub(hub.home, hub.settings) as other:
        other.load("harmony").result(60)

        def asking(*, end_bias: float = 8, seed: int = 1, **wanted: Any) -> list[GenerationEvent]:
            sampling = Sampling(temperature=1, seed=seed, logit_bias={tokens["<|end|>"]: end_bias})
            request = ChatRequest(messages=[ChatMessage("user", "?")], max_tokens=400, sampling=sampling, **wanted)
            return list(other.generate("harmony", request))

        yield asking


def test_an_answer_of_a_form(harmony: Asking) -> None:
    for seed in range(4):
        seen = harmony(grammar=Grammar("json_schema", json.dumps(SCHEMA)), seed=seed)
        assert isinstance(json.loads("".join(event.text for event in seen if isinstance(event, TextDelta)))["ok"], bool)
        assert isinstance(seen[-1], Finished)
        assert seen[-1].reason == "stop"


def test_a_budget_ends_thoughts(harmony: Asking) -> None:
    """Nothing but the budget would end them."""
    lengths = set()
    for seed in range(6):
        form = Grammar("json_schema", json.dumps(SCHEMA))
        seen = harmony(grammar=form, thinking_budget=5, end_bias=-100, seed=seed)
        assert isinstance(seen[-1], Finished)
        assert seen[-1].reason == "stop"
        lengths.add(seen[-1].usage.reasoning_tokens)
        assert bool(seen[-1].usage.reasoning_tokens) == any(isinstance(event, ReasoningDelta) for event in seen)
    assert max(lengths) > 0


@pytest.mark.parametrize("must_call", [("get",), ("put", "get")])
def test_a_tool_must_be_called(harmony: Asking, must_call: tuple[str, ...]) -> None:
    seen = harmony(tools=[tool("put"), tool("get")], must_call=must_call)
    (called,) = (event.call for event in seen if isinstance(event, ToolCalled))
    assert called.name in must_call
    assert isinstance(json.loads(called.arguments)["ok"], bool)
    assert isinstance(seen[-1], Finished)
    assert seen[-1].reason == "tool_calls"


def test_strict_arguments(harmony: Asking) -> None:
    calls = []
    for seed in range(8):
        seen = harmony(tools=[tool("put", strict=True), tool("get", strict=True)], seed=seed)
        calls += [event.call for event in seen if isinstance(event, ToolCalled)]
        if seen[-1].reason == "tool_calls":  # type: ignore[union-attr]
            assert isinstance(json.loads(calls[-1].arguments)["ok"], bool)
    assert calls
