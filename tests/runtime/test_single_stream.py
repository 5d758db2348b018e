"""Draft models, quantized KV caches and adapters: settings that change how an answer is computed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ominix_core.errors import LoadError
from ominix_core.generation import ChatMessage, ChatRequest, Finished, Grammar, TextDelta
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.support.chat import GREEDY, ask, collect
from tests.support.tiny_models import make_tiny_llm


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "big": make_tiny_llm(root / "big", head_dim=32),
        "small": make_tiny_llm(root / "small", num_hidden_layers=1, head_dim=32, seed=5),
        "narrow": make_tiny_llm(root / "narrow", head_dim=16),
        "windowed": make_tiny_llm(
            root / "windowed",
            "llama",
            head_dim=32,
            layer_types=["sliding_attention", "full_attention"],
            sliding_window=16,
        ),
    }


@pytest.fixture
def make_hub(home: Home, add_models: Callable[..., None], folders: dict[str, Path]) -> Iterator[Callable[..., Hub]]:
    add_models(*(local_entry(name, folder) for name, folder in folders.items()))
    hubs: list[Hub] = []

    def make(**settings: Any) -> Hub:
        hub = Hub(home, Settings(**{"isolation": "thread", "prompt_cache_gb": 0} | settings))
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        hub.close()


QUESTIONS = ["hello", "tell me a story " * 20, "x"]


def answers(hub: Hub, model: str) -> list[str]:
    hub.load(model).result(60)
    return [collect(hub.generate(model, ask(question, 24)))[0] for question in QUESTIONS]


def test_a_draft_model_changes_no_greedy_token(make_hub: Callable[..., Hub]) -> None:
    expected = answers(make_hub(), "big")
    assert answers(make_hub(draft_models={"big": "small"}), "big") == expected


def test_a_perfect_draft_changes_nothing_either(make_hub: Callable[..., Hub]) -> None:
    expected = answers(make_hub(), "big")
    assert answers(make_hub(draft_models={"big": "big"}), "big") == expected


def test_a_grammar_holds_beside_a_draft_model(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub(draft_models={"big": "small"})
    hub.load("big").result(60)
    request = ChatRequest(messages=[ChatMessage("user", "?")], sampling=GREEDY, grammar=Grammar("regex", "[a-z]{5}"))
    text, _ = collect(hub.generate("big", request))
    assert len(text) == 5
    assert text.isalpha()


def test_requests_wait_for_each_other_and_can_be_cancelled(make_hub: Callable[..., Hub]) -> None:
    hub = make_hub(draft_models={"big": "small"})
    expected = answers(hub, "big")
    running = hub.generate("big", ask(QUESTIONS[1], 2000))
    next(event for event in running if isinstance(event, TextDelta))
    waiting = hub.generate("big", ask(QUESTIONS[0], 24))
    gone = hub.generate("big", ask(QUESTIONS[2], 24))
    gone.cancel()
    running.cancel()
    for cancelled in (running, gone):
        _, end = collect(cancelled)
        assert isinstance(end, Finished)
        assert end.reason == "cancelled"
    assert collect(waiting)[0] == expected[0]


@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantized_kv_cache_answers_and_is_reused(make_hub: Callable[..., Hub], bits: int) -> None:
    hub = make_hub(kv_bits=bits)
    hub.load("big").result(60)
    first, _ = collect(hub.generate("big", ask(QUESTIONS[1], 24)))
    again, end = collect(hub.generate("big", ask(QUESTIONS[1], 24)))
    assert isinstance(end, Finished)
    assert end.usage.cached_tokens > 300
    assert again == first


@pytest.mark.parametrize(
    ("model", "reason"),
    [("narrow", "its head dimension is 16"), ("windowed", "some of its layers see a sliding window only")],
)
def test_a_kv_cache_that_cannot_be_quantized_is_said(make_hub: Callable[..., Hub], model: str, reason: str) -> None:
    hub = make_hub(kv_bits=4)
    with pytest.raises(LoadError, match=f"{model} cannot be quantized: {reason}"):
        hub.load(model).result(60)


def test_a_lora_adapter_changes_the_answer(
    make_hub: Callable[..., Hub], folders: dict[str, Path], tmp_path: Path
) -> None:
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_lm.tuner.utils import linear_to_lora_layers
    from mlx_lm.utils import load_model

    model, _ = load_model(folders["big"])
    parameters = {"rank": 4, "scale": 50.0, "dropout": 0.0}
    linear_to_lora_layers(model, 2, parameters)
    weights = {name: array for name, array in tree_flatten(model.parameters()) if "lora" in name}
    weights = {name: mx.ones_like(array) * 0.1 if name.endswith("lora_b") else array for name, array in weights.items()}
    mx.save_safetensors(str(tmp_path / "adapters.safetensors"), weights)
    settings = {"fine_tune_type": "lora", "num_layers": 2, "lora_parameters": parameters}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    plain = answers(make_hub(), "big")
    assert answers(make_hub(adapters={"big": str(tmp_path)}), "big") != plain


def test_a_missing_adapter_is_a_clear_error(make_hub: Callable[..., Hub], tmp_path: Path) -> None:
    hub = make_hub(adapters={"big": str(tmp_path / "nowhere")})
    with pytest.raises(LoadError, match="nowhere"):
        hub.load("big").result(60)
