"""Where an answer ends, what form it has, and how likely its tokens were."""

from __future__ import annotations

from typing import Annotated, Any

import openai
import pydantic

HELLO: Any = [{"role": "user", "content": "Hello"}]


def test_a_stop_string_is_not_part_of_the_answer(shared_client: openai.OpenAI) -> None:
    def answer(**stop: Any) -> Any:
        return shared_client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=24, temperature=0, **stop)

    whole = answer().choices[0].message.content
    for stop in (whole[8:11], [whole[8:11], "never said"]):
        choice = answer(stop=stop).choices[0]
        assert choice.message.content == whole[: whole.index(whole[8:11])]
        assert choice.finish_reason == "stop"


def test_log_probabilities_whole_and_streamed(shared_client: openai.OpenAI) -> None:
    asked: Any = {"model": "tiny", "messages": HELLO, "max_tokens": 4, "temperature": 0}
    asked |= {"logprobs": True, "top_logprobs": 2}
    whole = shared_client.chat.completions.create(**asked).choices[0].logprobs
    assert whole is not None
    assert whole.content is not None
    assert len(whole.content) == 4
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 and token.bytes for token in whole.content)
    streamed = [
        token
        for chunk in shared_client.chat.completions.create(stream=True, **asked)
        if (logprobs := chunk.choices[0].logprobs)
        for token in logprobs.content or []
    ]
    assert [token.bytes for token in streamed] == [token.bytes for token in whole.content]


class Person(pydantic.BaseModel):
    name: Annotated[str, pydantic.Field(max_length=8)]
    age: Annotated[int, pydantic.Field(ge=0, le=99)]


def test_an_answer_keeps_to_a_json_schema(shared_client: openai.OpenAI) -> None:
    answer = shared_client.chat.completions.parse(
        model="tiny", messages=HELLO, max_tokens=300, temperature=1, seed=2, response_format=Person
    )
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_a_json_object(shared_client: openai.OpenAI) -> None:
    answer = shared_client.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=40, temperature=0, response_format={"type": "json_object"}
    )
    assert (answer.choices[0].message.content or "").lstrip().startswith("{")
