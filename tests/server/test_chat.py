"""Chat completions through the official client, on real inference."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest

from ominix_core.server.run import ApiServer

HELLO: Any = [{"role": "user", "content": "Hello"}]


def test_a_whole_answer(shared_client: openai.OpenAI) -> None:
    answer = shared_client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=8, temperature=0)
    choice = answer.choices[0]
    assert choice.message.content
    assert choice.message.role == "assistant"
    assert choice.finish_reason == "length"
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == "tiny"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8


def test_a_stream_gives_the_same_text(shared_client: openai.OpenAI) -> None:
    whole = shared_client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=12, temperature=0)
    chunks = list(
        shared_client.chat.completions.create(
            model="tiny",
            messages=HELLO,
            max_tokens=12,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    *answer, usage = chunks
    assert "".join(chunk.choices[0].delta.content or "" for chunk in answer) == whole.choices[0].message.content
    assert answer[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in answer[-2:]] == [None, "length"]
    assert usage.choices == []
    assert usage.usage == whole.usage
    assert len({(chunk.id, chunk.created, chunk.model, chunk.system_fingerprint) for chunk in chunks}) == 1


async def test_the_async_client_streams(shared_server: ApiServer) -> None:
    async with openai.AsyncOpenAI(base_url=f"{shared_server.url}/v1", api_key="unused") as client:
        stream = await client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=4, stream=True)
        reasons = [chunk.choices[0].finish_reason async for chunk in stream]
    assert reasons[-1] == "length"
    assert set(reasons[:-1]) == {None}


def test_the_stream_on_the_wire(shared_http: httpx.Client) -> None:
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 2, "stream": True}
    with shared_http.stream("POST", "/v1/chat/completions", json=body) as response:
        lines = list(response.iter_lines())
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    assert lines[-2:] == ["data: [DONE]", ""]
    first, last = json.loads(lines[0].removeprefix("data: ")), json.loads(lines[-4].removeprefix("data: "))
    assert first["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": "", "refusal": None},
            "logprobs": None,
            "finish_reason": None,
        }
    ]
    assert last["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"}]
    assert "usage" not in first


def test_without_usage_asked_for_no_chunk_has_any(shared_client: openai.OpenAI) -> None:
    for chunk in shared_client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=2, stream=True):
        assert chunk.choices
        assert chunk.usage is None


def test_a_seed_makes_the_answer_repeatable(shared_client: openai.OpenAI) -> None:
    texts = [
        shared_client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=16, temperature=1, seed=seed)
        .choices[0]
        .message.content
        for seed in (-7, -7, 8)
    ]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("model", ["", "tiny"])
def test_the_model_may_be_left_to_the_server(shared_client: openai.OpenAI, model: str) -> None:
    answer = shared_client.chat.completions.create(model=model, messages=HELLO, max_tokens=1)
    assert answer.model == "tiny"


def test_text_parts_and_the_developer_role(shared_client: openai.OpenAI) -> None:
    messages: Any = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "there"}]},
    ]
    as_strings: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello\nthere"}]
    answers = [
        shared_client.chat.completions.create(model="tiny", messages=turns, max_tokens=8, temperature=0)
        for turns in (messages, as_strings)
    ]
    assert answers[0].choices[0].message == answers[1].choices[0].message
    assert answers[0].usage.prompt_tokens == answers[1].usage.prompt_tokens


def test_an_answer_can_be_sent_back_as_it_came(shared_client: openai.OpenAI) -> None:
    answer = shared_client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=4)
    turns: Any = [*HELLO, answer.choices[0].message.model_dump(), *HELLO]
    assert shared_client.chat.completions.create(model="tiny", messages=turns, max_tokens=1).choices


def test_parameters_that_ask_for_nothing_are_taken(shared_client: openai.OpenAI) -> None:
    answer = shared_client.chat.completions.create(
        model="tiny",
        messages=HELLO,
        max_completion_tokens=1,
        n=1,
        frequency_penalty=0,
        presence_penalty=0.0,
        logprobs=False,
        stop=None,
        tools=[],
        response_format={"type": "text"},
        store=False,
        user="somebody",
        metadata={"run": "1"},
    )
    assert answer.choices


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"temprature": 0.5}, "temprature"),
        ({"stream_options": {"include_everything": True}}, "stream_options.include_everything"),
        ({"messages": [{"role": "assistant", "content": "x", "tool_calls": [{}]}]}, "messages[0].tool_calls"),
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
        ({"stream": "yes"}, "stream"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0].type",
        ),
    ],
)
def test_a_bad_value_is_refused_by_name(shared_http: httpx.Client, extra: dict[str, Any], param: str) -> None:
    response = shared_http.post("/v1/chat/completions", json={"model": "tiny", "messages": HELLO, **extra})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_half_a_surrogate_pair_is_refused(shared_http: httpx.Client) -> None:
    body = '{"messages": [{"role": "user", "content": "\\ud83d"}]}'
    response = shared_http.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "messages[0].content[0].text"


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_longer_than_the_context(shared_client: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        shared_client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "x" * 5000}], stream=stream
        )
    assert caught.value.code == "context_length_exceeded"


def test_an_unknown_model_brings_near_names(shared_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="tiny") as caught:
        shared_client.chat.completions.create(model="tinny", messages=HELLO)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_a_model_that_is_not_loaded_says_how_to_load_it(shared_client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="/v1/models/tiny-two/load") as caught:
        shared_client.with_options(max_retries=5).chat.completions.create(model="tiny-two", messages=HELLO)
    assert (caught.value.status_code, caught.value.code) == (503, "model_not_loaded")


def test_without_any_model_loaded_there_is_none_to_choose(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="No language model is loaded") as caught:
        client.chat.completions.create(model="", messages=HELLO)
    assert (caught.value.status_code, caught.value.code) == (503, "model_not_loaded")
