"""Embeddings through the official client."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.server.conftest import api_server, running
from tests.server.openai_schema import assert_conforms


@pytest.fixture
def embedder(home: Home, add_models: Callable[..., None], tiny_llm: Path) -> Iterator[openai.OpenAI]:
    """A client of a server that has an embedding model loaded."""
    runtime = {"engine": "mlx-lm-embedding", "api_type": "embeddings"}
    add_models(local_entry("embedder", tiny_llm, category="Embedding", runtime=runtime), local_entry("tiny", tiny_llm))
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("embedder").result(60)
        with (
            running(api_server(hub)) as server,
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client,
        ):
            yield client


def test_a_unit_vector_for_each_text_in_order(embedder: openai.OpenAI) -> None:
    texts = ["a cat", "quite another and longer text", "a cat"]
    answer = embedder.embeddings.create(model="", input=texts)
    assert answer.model == "embedder"
    assert [item.index for item in answer.data] == [0, 1, 2]
    vectors = [item.embedding for item in answer.data]
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-5)
    assert vectors[0] != pytest.approx(vectors[1], abs=1e-2)
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-4) for vector in vectors)
    assert answer.usage.prompt_tokens == sum(len(text) for text in texts)


def test_numbers_and_base64_say_the_same(embedder: openai.OpenAI) -> None:
    # The client asks for base64 where it is not told otherwise, and decodes it.
    encoded = embedder.embeddings.create(model="embedder", input="a cat").data[0].embedding
    plain = embedder.embeddings.create(model="embedder", input="a cat", encoding_format="float").data[0].embedding
    assert list(encoded) == pytest.approx(plain)


def test_tokens_and_texts_are_the_same(embedder: openai.OpenAI) -> None:
    shapes: list[Any] = ["aa", ["aa"], [66, 66], [[66, 66]]]
    answers = [embedder.embeddings.create(model="", input=shape, encoding_format="float") for shape in shapes]
    assert [len(answer.data) for answer in answers] == [1, 1, 1, 1]
    assert answers[0].data[0].embedding == pytest.approx(answers[1].data[0].embedding)
    assert answers[2].data[0].embedding == pytest.approx(answers[3].data[0].embedding)


def test_fewer_dimensions(embedder: openai.OpenAI) -> None:
    vector = embedder.embeddings.create(model="", input="a cat", dimensions=8).data[0].embedding
    assert len(vector) == 8
    assert math.hypot(*vector) == pytest.approx(1, abs=1e-4)


def test_the_body_conforms(embedder: openai.OpenAI) -> None:
    body = {"model": "embedder", "input": ["a", "b"], "encoding_format": "float"}
    assert_conforms(body, "CreateEmbeddingRequest")
    assert_conforms(httpx.post(f"{embedder.base_url}embeddings", json=body).json(), "CreateEmbeddingResponse")


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({"input": ""}, "invalid_input"),
        ({"input": []}, "invalid_value"),
        ({"input": ["a", 5]}, "invalid_value"),
        ({"input": [10**6]}, "invalid_input"),
        ({"input": "x" * 5000}, "context_length_exceeded"),
        ({"dimensions": 0}, "invalid_value"),
        ({"dimensions": 2**40}, "invalid_value"),
        ({"model": "tiny"}, "wrong_kind_of_model"),
    ],
)
def test_bad_input(embedder: openai.OpenAI, extra: dict[str, Any], code: str) -> None:
    body = {"model": "embedder", "input": "a", **extra}
    response = httpx.post(f"{embedder.base_url}embeddings", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == code


def test_an_embedding_model_does_not_chat(embedder: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no language model"):
        embedder.chat.completions.create(model="embedder", messages=[{"role": "user", "content": "Hello"}])
    with pytest.raises(openai.InternalServerError, match="No language model is loaded"):
        embedder.chat.completions.create(model="", messages=[{"role": "user", "content": "Hello"}])


def test_without_an_embedding_model(shared_client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="No embedding model is loaded"):
        shared_client.embeddings.create(model="", input="a")
