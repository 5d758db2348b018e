"""Plain completions through the official client."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest


def test_a_text_is_continued_as_it_stands(shared_client: openai.OpenAI) -> None:
    answer = shared_client.completions.create(model="tiny", prompt="Hello", temperature=0)
    assert answer.id.startswith("cmpl-")
    assert answer.choices[0].text
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len("Hello")
    assert answer.usage.completion_tokens == 16


def test_a_stream_gives_the_same_text(shared_client: openai.OpenAI) -> None:
    asked: Any = {"model": "tiny", "prompt": ["once upon"], "temperature": 0, "max_tokens": 8}
    whole = shared_client.completions.create(**asked)
    *pieces, last = shared_client.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
    assert [piece.choices[0].finish_reason for piece in pieces[-2:]] == [None, "length"]
    assert last.choices == []
    assert last.usage.completion_tokens == 8


def test_log_probabilities_say_where_their_tokens_are(shared_client: openai.OpenAI) -> None:
    asked: Any = {"model": "tiny", "prompt": "once upon", "temperature": 0, "max_tokens": 5, "logprobs": 2}
    logprobs: Any = shared_client.completions.create(**asked).choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.top_logprobs) == 5
    assert logprobs.text_offset[0] == 0
    assert logprobs.text_offset == sorted(logprobs.text_offset)
    streamed: list[Any] = [
        piece.choices[0].logprobs
        for piece in shared_client.completions.create(**asked, stream=True)
        if piece.choices[0].logprobs
    ]
    assert [token for piece in streamed for token in piece.tokens] == logprobs.tokens


@pytest.mark.parametrize("stream", [False, True])
def test_several_texts_with_several_continuations_each(shared_client: openai.OpenAI, stream: bool) -> None:
    asked: Any = {"model": "tiny", "max_tokens": 6, "temperature": 1, "seed": 3, "n": 2, "logprobs": 0}
    alone = [shared_client.completions.create(prompt=prompt, **asked) for prompt in ("once", "upon a")]
    expected = [choice.text for answer in alone for choice in answer.choices]
    if stream:
        *pieces, last = shared_client.completions.create(
            prompt=["once", "upon a"], **asked, stream=True, stream_options={"include_usage": True}
        )
        choices: list[Any] = [piece.choices[0] for piece in pieces]
        texts = ["".join(choice.text for choice in choices if choice.index == index) for index in range(4)]
        for index in range(4):
            offsets = [at for c in choices if c.index == index and c.logprobs for at in c.logprobs.text_offset]
            assert offsets == sorted(offsets)
            assert offsets[0] == 0
        usage = last.usage
    else:
        answer = shared_client.completions.create(prompt=["once", "upon a"], **asked)
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
        texts, usage = [choice.text for choice in answer.choices], answer.usage
    assert texts == expected
    assert usage.prompt_tokens == len("once") + len("upon a")
    assert usage.completion_tokens == 24


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"echo": True}, "echo"),
        ({"best_of": 2}, "best_of"),
        ({"suffix": "end"}, "suffix"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, 2]}, "prompt[0]"),
        ({"n": 0}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(shared_http: httpx.Client, extra: dict[str, Any], param: str) -> None:
    response = shared_http.post("/v1/completions", json={"model": "tiny", "prompt": "x", **extra})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_an_empty_prompt(shared_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="empty"):
        shared_client.completions.create(model="tiny", prompt="")
