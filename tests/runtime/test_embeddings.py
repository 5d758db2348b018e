"""Texts become vectors that do not depend on what else is in the request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ominix_core.generation import EmbeddingRequest, Embeddings, Failed, Finished, GenerationEvent
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.support.chat import ask, collect
from tests.support.tiny_models import make_tiny_llm


@pytest.fixture(params=["last token", "mean"])
def hub(request: pytest.FixtureRequest, home: Home, add_models: Callable[..., None], tmp_path: Path) -> Iterator[Hub]:
    folder = make_tiny_llm(tmp_path / "embedder")
    if request.param == "mean":
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    add_models(local_entry("embedder", folder, runtime={"engine": "mlx-lm-embedding", "api_type": "embeddings"}))
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("embedder").result(60)
        yield hub


def embed(hub: Hub, *texts: str | list[int], dimensions: int | None = None) -> list[GenerationEvent]:
    return list(hub.generate("embedder", EmbeddingRequest(list(texts), dimensions)))


def vectors(events: list[GenerationEvent]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    first = events[0]
    assert isinstance(first, Embeddings), events
    return np.array([np.frombuffer(raw, dtype="<f4") for raw in first.vectors])


def test_vectors_keep_their_order_and_do_not_depend_on_their_neighbours(hub: Hub) -> None:
    texts = ["a", "something much longer than the first " * 30, "b", "middle " * 20]
    together = vectors(embed(hub, *texts))
    alone = np.concatenate([vectors(embed(hub, text)) for text in texts])
    assert together.shape == (4, 64)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.abs(together[0] - together[2]).max() > 1e-3


def test_tokens_instead_of_text_and_shorter_vectors(hub: Hub) -> None:
    tokens = vectors(embed(hub, [65, 66]))
    short = vectors(embed(hub, [65, 66], dimensions=16))
    assert short.shape == (1, 16)
    expected = tokens[0, :16] / np.linalg.norm(tokens[0, :16])
    np.testing.assert_allclose(short[0], expected, atol=1e-5)


def test_usage_counts_every_token(hub: Hub) -> None:
    end = embed(hub, "abc", "de")[-1]
    assert isinstance(end, Finished)
    assert (end.usage.prompt_tokens, end.usage.completion_tokens) == (5, 0)


@pytest.mark.parametrize(
    ("text", "code"), [("", "invalid_input"), ([10**6], "invalid_input"), ("x" * 5000, "context_length_exceeded")]
)
def test_bad_input_is_refused(hub: Hub, text: str | list[int], code: str) -> None:
    end = embed(hub, "fine", text)[-1]
    assert isinstance(end, Failed)
    assert end.code == code


def test_a_conversation_is_refused(hub: Hub) -> None:
    _, end = collect(hub.generate("embedder", ask("hello")))
    assert isinstance(end, Failed)
    assert end.code == "wrong_kind_of_model"
