"""Weights that hold no numbers end a request with a sentence, not with endless nonsense."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.embedding import EmbeddingEngine
from ominix_core.generation import EmbeddingRequest, Embeddings, Failed, Finished, Sampling
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.support.chat import ask, collect
from tests.support.tiny_models import make_tiny_llm


def spoilt(folder: Path, source: Path, name: str = "model.norm.weight") -> Path:
    """A copy of which one array is NaN."""
    import mlx.core as mx

    shutil.copytree(source, folder)
    weights = mx.load(str(folder / "model.safetensors"))
    assert isinstance(weights, dict)
    weights[name] = mx.full(weights[name].shape, float("nan"))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    return folder


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llm(tmp_path_factory.mktemp("sound") / "sound")


@pytest.mark.parametrize("settings", [{}, {"draft_models": {"ill": "ill"}}], ids=["batch", "draft"])
@pytest.mark.parametrize("temperature", [0.0, pytest.param(1.0, marks=pytest.mark.slow)])
def test_a_request_ends_at_once(
    home: Home,
    add_models: Callable[..., None],
    tmp_path: Path,
    sound: Path,
    settings: dict[str, Any],
    temperature: float,
) -> None:
    add_models(local_entry("ill", spoilt(tmp_path / "ill", sound)), local_entry("well", sound))
    with Hub(home, Settings(isolation="thread", max_loaded_per_category=2, **settings)) as hub:
        hub.load("ill").result(60)
        sampling = Sampling(temperature=temperature, top_p=0.9, seed=1)
        for prompt in ("hello", "a long story " * 60):  # one is read by itself, the other in the batch
            running = [hub.generate("ill", ask(prompt, 200, sampling)) for _ in range(2)]
            for text, end in map(collect, running):
                assert text == ""
                assert isinstance(end, Failed)
                assert "yield no numbers (NaN)" in end.message
        hub.load("well").result(60)
        assert isinstance(collect(hub.generate("well", ask("hello")))[1], Finished)


def test_numbers_that_end_later_are_noticed(home: Home, add_models: Callable[..., None], tmp_path: Path) -> None:
    """One token has no numbers in its embedding; from where it is written on, nothing has."""
    import mlx.core as mx

    from tests.support.tiny_models import scripted_llm

    folder = scripted_llm(tmp_path / "later", "It begins well, and then it goes wrong for ever.")
    weights = mx.load(str(folder / "model.safetensors"))
    assert isinstance(weights, dict)
    embedding = weights["model.embed_tokens.weight"]
    embedding[290] = float("nan")  # a piece in the middle of the script
    mx.save_safetensors(str(folder / "model.safetensors"), weights | {"model.embed_tokens.weight": embedding})
    add_models(local_entry("later", folder))
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("later").result(60)
        text, end = collect(hub.generate("later", ask("hello", 2000)))
        assert text.startswith("It ")
        assert isinstance(end, Failed)
        assert "yield no numbers (NaN)" in end.message


def test_texts_are_not_embedded_as_nan(tmp_path: Path, sound: Path) -> None:
    engine = EmbeddingEngine()
    engine.load(spoilt(tmp_path / "ill", sound), LoadOptions(), lambda *_: None)
    engine.submit("1", EmbeddingRequest(texts=["hello", "you"]))
    events = []
    while engine.busy:
        events += [event for _, event in engine.step()]
    assert not any(isinstance(event, Embeddings) for event in events)
    assert isinstance(events[-1], Failed)
    assert "yield no numbers (NaN)" in events[-1].message
