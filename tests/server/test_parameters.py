"""Every parameter that OpenAI publishes, of every endpoint that is here: taken, or refused by its name."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from ominix_core.server.schemas.base import ApiRequest
from ominix_core.server.schemas.chat import ChatCompletionRequest
from ominix_core.server.schemas.completions import CompletionRequest
from ominix_core.server.schemas.embeddings import EmbeddingRequest
from ominix_core.server.schemas.hints import ANY
from ominix_core.server.schemas.image_generation import ImageEditRequest, ImageRequest
from ominix_core.server.schemas.responses import ResponseInput, ResponseRequest
from ominix_core.server.schemas.speech import SpeechRequest
from ominix_core.server.schemas.transcriptions import TranscriptionForm, TranslationForm
from tests.server.openai_schema import request_parameters


@dataclass(frozen=True)
class Endpoint:
    """An endpoint with its published schema, what reads its requests, and a request that asks for no more than it must.

    Attributes:
        files: The fields of its form that are files; an endpoint without any takes JSON.
        refused_files: Files that it does not take.
    """

    path: str
    schema: str
    kind: type[ApiRequest]
    least: dict[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    refused_files: tuple[str, ...] = ()

    def post(self, http: httpx.Client, **extra: Any) -> httpx.Response:
        body = self.least | extra
        if not self.files:
            return http.post(self.path, json=body)
        return http.post(self.path, data=body, files={name: ("a.bin", b"x") for name in self.files})


HELLO = [{"role": "user", "content": "Hello"}]
ENDPOINTS = [
    Endpoint("/v1/chat/completions", "CreateChatCompletionRequest", ChatCompletionRequest, {"messages": HELLO}),
    Endpoint("/v1/completions", "CreateCompletionRequest", CompletionRequest, {"prompt": "Hello"}),
    Endpoint("/v1/responses", "CreateResponse", ResponseRequest, {"input": "Hello"}),
    Endpoint("/v1/responses/input_tokens", "TokenCountsBody", ResponseInput, {"input": "Hello"}),
    Endpoint("/v1/embeddings", "CreateEmbeddingRequest", EmbeddingRequest, {"input": "Hello"}),
    Endpoint("/v1/audio/speech", "CreateSpeechRequest", SpeechRequest, {"input": "Hello"}),
    Endpoint("/v1/audio/transcriptions", "CreateTranscriptionRequest", TranscriptionForm, files=("file",)),
    Endpoint("/v1/audio/translations", "CreateTranslationRequest", TranslationForm, files=("file",)),
    Endpoint("/v1/images/generations", "CreateImageRequest", ImageRequest, {"prompt": "A fox"}),
    Endpoint(
        *("/v1/images/edits", "CreateImageEditRequest", ImageEditRequest, {"prompt": "A fox"}),
        files=("image",),
        refused_files=("mask",),
    ),
]
every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)


@every_endpoint
def test_every_published_parameter_is_taken_or_known(endpoint: Endpoint) -> None:
    known = {*endpoint.kind.model_fields, *endpoint.kind.neutral, *endpoint.files, *endpoint.refused_files}
    assert request_parameters(endpoint.schema) - known == set()


@every_endpoint
def test_what_is_not_supported_is_refused_by_its_name(shared_http: httpx.Client, endpoint: Endpoint) -> None:
    honoured = (name for name, values in endpoint.kind.neutral.items() if values is not ANY)
    for name in (*honoured, *endpoint.refused_files, "nonsense"):
        response = endpoint.post(shared_http, **{name: "something"})
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (400, "unsupported_parameter", name)


@every_endpoint
def test_what_asks_for_nothing_is_taken(shared_http: httpx.Client, endpoint: Endpoint) -> None:
    """Only the request is read here; which model answers, if any, is of no matter."""
    for name, values in endpoint.kind.neutral.items():
        asking_nothing = (None, "something", 5, {"a": [1.5]}) if values is ANY else (None, *values)
        for value in () if endpoint.files else asking_nothing:
            response = endpoint.post(shared_http, model="nothing like it", **{name: value})
            assert response.json()["error"]["code"] == "model_not_found", (name, value, response.text)


@pytest.mark.parametrize("query", ["stream=true", "starting_after=3", "include=reasoning.encrypted_content"])
def test_queries_that_are_not_supported(shared_http: httpx.Client, query: str) -> None:
    made = shared_http.post("/v1/responses", json={"input": "Hello", "max_output_tokens": 1}).json()["id"]
    response = shared_http.get(f"/v1/responses/{made}?{query}")
    name = query.partition("=")[0]
    assert (response.status_code, response.json()["error"]["param"]) == (400, name)
    assert shared_http.get(f"/v1/responses/{made}?stream=false").status_code == 200
    assert shared_http.get(f"/v1/responses/{made}/input_items?include[]=x").json()["error"]["param"] == "include"


def test_null_is_as_good_as_nothing(shared_http: httpx.Client) -> None:
    body = {name: None for name in ChatCompletionRequest.model_fields if name not in ("messages", "model")}
    response = shared_http.post("/v1/chat/completions", content=json.dumps(body | {"messages": HELLO, "max_tokens": 1}))
    assert response.status_code == 400, "no content type, no JSON"
    assert response.json()["error"]["code"] == "invalid_body"
    asked = body | {"messages": HELLO, "max_tokens": 1}
    assert shared_http.post("/v1/chat/completions", json=asked).status_code == 200
