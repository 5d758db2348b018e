"""What goes over the wire, held against OpenAI's published schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from tests.server.openai_schema import assert_conforms

CHAT: Any = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}


def events(response: httpx.Response) -> list[dict[str, Any]]:
    """The JSON of every server-sent event but `[DONE]`."""
    data = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(item) for item in data if item != "[DONE]"]


def test_the_list_of_models(shared_http: httpx.Client) -> None:
    assert_conforms(shared_http.get("/v1/models").json(), "ListModelsResponse")


def test_one_model(shared_http: httpx.Client) -> None:
    assert_conforms(shared_http.get("/v1/models/tiny").json(), "Model")


def test_a_chat_completion(shared_http: httpx.Client) -> None:
    assert_conforms(CHAT, "CreateChatCompletionRequest")
    assert_conforms(shared_http.post("/v1/chat/completions", json=CHAT).json(), "CreateChatCompletionResponse")


def test_log_probabilities(shared_http: httpx.Client) -> None:
    body = CHAT | {"logprobs": True, "top_logprobs": 3}
    assert_conforms(body, "CreateChatCompletionRequest")
    assert_conforms(shared_http.post("/v1/chat/completions", json=body).json(), "CreateChatCompletionResponse")
    for chunk in events(shared_http.post("/v1/chat/completions", json=body | {"stream": True})):
        assert_conforms(chunk, "CreateChatCompletionStreamResponse")


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_and_tool_calls(scripted_client: Callable[[str], openai.OpenAI], stream: bool) -> None:
    call = '{"name": "weather", "arguments": {"city": "Rome"}}'
    client = scripted_client(f"<think>Which city?</think>I look.<tool_call>{call}</tool_call>")
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    body = CHAT | {"model": "", "max_tokens": 200, "tools": [tool], "stream": stream}
    assert_conforms(body, "CreateChatCompletionRequest")
    response = httpx.post(f"{client.base_url}chat/completions", json=body)
    if stream:
        for chunk in events(response):
            assert_conforms(chunk, "CreateChatCompletionStreamResponse")
    else:
        assert_conforms(response.json(), "CreateChatCompletionResponse")


@pytest.mark.parametrize("include_usage", [False, True])
def test_chat_completion_chunks(shared_http: httpx.Client, include_usage: bool) -> None:
    body = CHAT | {"stream": True, "stream_options": {"include_usage": include_usage}}
    for chunk in events(shared_http.post("/v1/chat/completions", json=body)):
        assert_conforms(chunk, "CreateChatCompletionStreamResponse")


def test_a_completion(shared_http: httpx.Client) -> None:
    body = {"model": "tiny", "prompt": "once upon", "max_tokens": 3, "logprobs": 2}
    assert_conforms(body, "CreateCompletionRequest")
    assert_conforms(shared_http.post("/v1/completions", json=body).json(), "CreateCompletionResponse")


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/models/nothing"])
def test_errors(shared_http: httpx.Client, path: str) -> None:
    assert_conforms(shared_http.get(path).json(), "ErrorResponse")
