"""Chat completions through the official client, on real inference."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import httpx
import openai
import pydantic
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.server.run import ApiServer
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.server.conftest import api_server, running

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


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"store": True}, "store"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"temprature": 0.5}, "temprature"),
        ({"stream_options": {"include_everything": True}}, "stream_options.include_everything"),
        ({"messages": [{"role": "user", "content": "x", "name": "Ann"}]}, "messages[0].name"),
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
        ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]}, "tools[0].function.name"),
        ({"messages": [{"role": "assistant"}]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}]},
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


def test_top_logprobs_without_logprobs(shared_http: httpx.Client) -> None:
    body = {"model": "tiny", "messages": HELLO, "top_logprobs": 2}
    response = shared_http.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert "logprobs" in response.json()["error"]["message"]


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


WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": True,
    },
}
CALLS_WEATHER = 'I look.<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'


@pytest.fixture
def weather_client(scripted_client: Callable[[str], openai.OpenAI]) -> openai.OpenAI:
    return scripted_client(CALLS_WEATHER)


def test_a_tool_call(weather_client: openai.OpenAI) -> None:
    choice = weather_client.chat.completions.create(model="", messages=HELLO, tools=[WEATHER]).choices[0]
    (call,) = choice.message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": "Rome"}
    assert (choice.message.content, choice.finish_reason) == ("I look.", "tool_calls")


def test_a_streamed_tool_call(weather_client: openai.OpenAI) -> None:
    with weather_client.chat.completions.stream(model="", messages=HELLO, tools=[WEATHER]) as stream:
        choice = stream.get_final_completion().choices[0]
    (call,) = choice.message.tool_calls or []
    assert json.loads(call.function.arguments) == {"city": "Rome"}
    assert (choice.message.content, choice.finish_reason) == ("I look.", "tool_calls")


def test_a_tool_answer_goes_back(weather_client: openai.OpenAI) -> None:
    first = weather_client.chat.completions.create(model="", messages=HELLO, tools=[WEATHER]).choices[0].message
    (call,) = first.tool_calls or []
    turns: Any = [*HELLO, first.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    assert weather_client.chat.completions.create(model="", messages=turns, tools=[WEATHER]).choices


def test_tools_that_may_not_be_called_stay_unknown_to_the_model(weather_client: openai.OpenAI) -> None:
    choice = weather_client.chat.completions.create(
        model="", messages=HELLO, tools=[WEATHER], tool_choice="none"
    ).choices[0]
    assert choice.message.tool_calls is None
    assert choice.message.content == CALLS_WEATHER


CLOCK: Any = {
    "type": "function",
    "function": {
        "name": "clock",
        "parameters": {
            "type": "object",
            "properties": {"zone": {"enum": ["UTC", "CET"]}, "seconds": {"type": "boolean"}},
            "required": ["zone", "seconds"],
            "additionalProperties": False,
        },
    },
}


@pytest.mark.parametrize("temperature", [0, 2])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "clock"}}])
def test_a_tool_must_be_called(shared_client: openai.OpenAI, choice: Any, temperature: float) -> None:
    """ "tiny" writes noise: only the grammar makes it a call."""
    other: Any = {"type": "function", "function": {"name": "stop", "parameters": CLOCK["function"]["parameters"]}}
    tools = [CLOCK, other]
    answer = shared_client.chat.completions.create(
        model="tiny", messages=HELLO, tools=tools, tool_choice=choice, temperature=temperature, max_tokens=200, seed=1
    ).choices[0]
    (call,) = answer.message.tool_calls or []
    assert call.type == "function"
    assert call.function.name in (["clock", "stop"] if choice == "required" else ["clock"])
    arguments = json.loads(call.function.arguments)
    assert arguments["zone"] in ("UTC", "CET")
    assert isinstance(arguments["seconds"], bool)
    assert (answer.message.content, answer.finish_reason) == (None, "tool_calls")


PET: Any = {
    "type": "function",
    "function": {
        "name": "pet",
        "parameters": {
            "type": "object",
            "$defs": {"Kind": {"enum": ["cat"]}},
            "properties": {"kind": {"$ref": "#/$defs/Kind"}},
            "required": ["kind"],
            "additionalProperties": False,
        },
    },
}


def strict(tool: Any) -> Any:
    return {"type": "function", "function": tool["function"] | {"strict": True}}


@pytest.mark.parametrize("stream", [False, True])
def test_strict_tools_get_what_their_schemas_say(shared_client: openai.OpenAI, tiny_llm: Path, stream: bool) -> None:
    """A bias makes the noise begin one call after the other: only the grammar gives them their form."""
    tokenizer = json.loads((tiny_llm / "tokenizer.json").read_text())
    (begin,) = (token["id"] for token in tokenizer["added_tokens"] if token["content"] == "<tool_call>")
    tools = [strict(CLOCK), strict(PET)]
    asked: Any = {"model": "tiny", "messages": HELLO, "tools": tools, "max_tokens": 400, "seed": 4}
    asked["extra_body"] = {"logit_bias": {str(begin): 50}, "temperature": 1}
    answer: Any = shared_client.chat.completions.create(stream=stream, **asked)
    parts = [chunk.choices[0].delta for chunk in answer] if stream else [answer.choices[0].message]
    calls = [call.function for part in parts for call in part.tool_calls or []]
    made = [(call.name, json.loads(call.arguments)) for call in calls]
    assert {name for name, _ in made} == {"clock", "pet"}
    assert len(made) > 2
    for name, arguments in made:
        if name == "pet":
            assert arguments == {"kind": "cat"}
        else:
            assert arguments["zone"] in ("UTC", "CET")
            assert isinstance(arguments["seconds"], bool)


def test_parameters_may_refer_to_their_own_definitions(shared_client: openai.OpenAI) -> None:
    answer = shared_client.chat.completions.create(
        model="tiny", messages=HELLO, tools=[PET], tool_choice="required", max_tokens=100
    ).choices[0]
    (call,) = answer.message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"kind": "cat"}


def test_parameters_that_are_no_schema(shared_client: openai.OpenAI) -> None:
    tool: Any = {"type": "function", "function": {"name": "pet", "parameters": {"type": "animal"}}}
    with pytest.raises(openai.BadRequestError, match="A tool's parameters are not usable"):
        shared_client.chat.completions.create(model="tiny", messages=HELLO, tools=[tool], tool_choice="required")


def test_calls_of_another_form_cannot_be_held_to_anything(
    home: Home, add_models: Callable[..., None], tiny_llm: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_llm, tmp_path / "other")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"tool_parser_type": "qwen3_coder"}))
    add_models(local_entry("other", folder))
    forced = {"model": "other", "messages": HELLO, "tools": [CLOCK], "tool_choice": "required"}
    held = {"model": "other", "messages": HELLO, "tools": [strict(CLOCK)]}
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("other").result(60)
        with running(api_server(hub)) as server:
            refused = [httpx.post(f"{server.url}/v1/chat/completions", json=body) for body in (forced, held)]
    assert [response.status_code for response in refused] == [400, 400]
    assert [(error["code"], error["param"]) for error in (response.json()["error"] for response in refused)] == [
        ("unsupported_tool_choice", "tool_choice"),
        ("unsupported_strict", "tools"),
    ]


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
