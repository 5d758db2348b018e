"""Chat completions through the official client, on real inference."""

from __future__ import annotations

import json
from collections.abc import Callable
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
    assert usage.usage is not None
    assert whole.usage is not None
    assert usage.usage.completion_tokens == whole.usage.completion_tokens == 12
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


@pytest.mark.parametrize("stream", [False, True])
def test_several_answers_to_one_conversation(shared_client: openai.OpenAI, stream: bool) -> None:
    asked: Any = {"model": "tiny", "messages": HELLO, "max_tokens": 16, "temperature": 1}
    alone = [shared_client.chat.completions.create(**asked, seed=seed).choices[0].message.content for seed in (5, 6, 7)]
    if stream:
        *chunks, last = shared_client.chat.completions.create(
            **asked, seed=5, n=3, stream=True, stream_options={"include_usage": True}
        )
        choices = [chunk.choices[0] for chunk in chunks]
        texts = [
            "".join(choice.delta.content or "" for choice in choices if choice.index == index) for index in range(3)
        ]
        assert [choice.index for choice in choices[:3]] == [0, 1, 2]
        assert [choice.delta.role for choice in choices[:3]] == ["assistant"] * 3
        assert sorted(choice.index for choice in choices if choice.finish_reason == "length") == [0, 1, 2]
        usage = last.usage
    else:
        answer = shared_client.chat.completions.create(**asked, seed=5, n=3)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        texts, usage = [choice.message.content for choice in answer.choices], answer.usage
    assert texts == alone
    assert len(set(texts)) == 3
    assert usage.completion_tokens == 48
    single = shared_client.chat.completions.create(**asked).usage
    assert single is not None
    assert usage.prompt_tokens == single.prompt_tokens, "the prompt counts once"


def test_more_answers_than_a_client_may_have(shared_http: httpx.Client) -> None:
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 1, "n": 100}
    response = shared_http.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "too_many_answers"


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
    assert len({answer.usage.prompt_tokens for answer in answers if answer.usage}) == 1


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


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_come_apart_from_the_answer(scripted_client: Callable[[str], openai.OpenAI], stream: bool) -> None:
    client = scripted_client("<think>Let me see. </think>It is Paris.")
    asked: Any = {"model": "", "messages": HELLO, "stream": stream}
    if stream:
        asked["stream_options"] = {"include_usage": True}
        *chunks, last = client.chat.completions.create(**asked)
        deltas = [chunk.choices[0].delta for chunk in chunks]
        reasoning = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
        text, usage = "".join(delta.content or "" for delta in deltas), last.usage
    else:
        answer = client.chat.completions.create(**asked)
        message = answer.choices[0].message
        reasoning, text, usage = message.model_dump()["reasoning_content"], message.content, answer.usage
    assert (reasoning, text) == ("Let me see. ", "It is Paris.")
    assert usage.completion_tokens_details.reasoning_tokens > 0


def test_a_repeated_beginning_is_not_read_again(shared_client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "The same long beginning. " * 20}]
    usages = [
        shared_client.chat.completions.create(model="tiny", messages=messages, max_tokens=1).usage for _ in range(2)
    ]
    assert usages[1] is not None
    assert usages[1].prompt_tokens_details is not None
    assert (usages[1].prompt_tokens_details.cached_tokens or 0) > 400


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
