"""What chat completions do not take, and how they say so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

HELLO: Any = [{"role": "user", "content": "Hello"}]
JSON = {"type": "json_object"}


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"web_search_options": {}}, "web_search_options"),
        ({"temprature": 0.5}, "temprature"),
        ({"stream_options": {"include_everything": True}}, "stream_options.include_everything"),
        ({"messages": [{"role": "user", "content": "x", "mood": "glad"}]}, "messages[0].mood"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "y": 1}}},
            "response_format.json_schema.y",
        ),
    ],
)
def test_an_unsupported_parameter_is_refused_by_name(
    shared_http: httpx.Client, extra: dict[str, Any], param: str
) -> None:
    response = shared_http.post("/v1/chat/completions", json={"model": "tiny", "messages": HELLO, **extra})
    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["code"], error["param"], error["type"]) == ("unsupported_parameter", param, "invalid_request_error")
    assert param in error["message"]


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"seed": 2**63}, "seed"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"chat_template_kwargs": {"x": [{"y": -(10**30)}]}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"chat_template": "{{ 1 / 0 }}"}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"return_tensors": "pt"}}, "chat_template_kwargs"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stop": [""]}, "stop[0]"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"logit_bias": {"x": 1}}, "logit_bias.x"),
        ({"response_format": {"type": "yaml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            "tool_choice.allowed_tools.tools",
        ),
        ({"tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice.type"),
        ({"tool_choice": {"type": "auto", "function": {"name": "x"}}}, "tool_choice.function"),
        ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]}, "tools[0].function.name"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"continue_final_message": True}, None),
        ({"messages": [*HELLO, {"role": "assistant", "content": "x", "prefix": True}], "response_format": JSON}, None),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}]},
            "messages[0].content[0].type",
        ),
    ],
)
def test_a_bad_value_is_refused_by_name(shared_http: httpx.Client, extra: dict[str, Any], param: str | None) -> None:
    response = shared_http.post("/v1/chat/completions", json={"model": "tiny", "messages": HELLO, **extra})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_half_a_surrogate_pair_is_refused(shared_http: httpx.Client) -> None:
    body = '{"messages": [{"role": "user", "content": "\\ud83d"}]}'
    schema = ', "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"a": "\\ud83d"}}}}'
    asked = [
        ("/v1/chat/completions", body, "messages[0].content"),
        ("/v1/chat/completions", body.replace("\\ud83d", "x")[:-1] + schema, "response_format.json_schema.schema"),
        ("/v1/responses", '{"input": "x", "metadata": {"a": "\\ud83d"}}', "metadata.a"),
    ]
    for path, text, param in asked:
        response = shared_http.post(path, content=text, headers={"content-type": "application/json"})
        assert response.status_code == 400
        assert response.json()["error"]["param"] == param


def test_a_bias_on_a_token_that_the_model_does_not_have(shared_http: httpx.Client) -> None:
    """MLX itself would write outside its memory."""
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 1, "logit_bias": {"999999999": 1}}
    response = shared_http.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "logit_bias"


def test_top_logprobs_without_logprobs(shared_http: httpx.Client) -> None:
    body = {"model": "tiny", "messages": HELLO, "top_logprobs": 2}
    response = shared_http.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert "logprobs" in response.json()["error"]["message"]
