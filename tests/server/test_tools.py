"""Tools in chat completions: calls whole and in pieces, calls that must or may not be made, strict arguments."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
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

HELLO: Any = [{"role": "user", "content": "Hello"}]


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


def test_a_call_s_arguments_come_as_they_are_written(weather_client: openai.OpenAI) -> None:
    chunks = weather_client.chat.completions.create(model="", messages=HELLO, tools=[WEATHER], stream=True)
    first, *more = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert first.id
    assert first.function is not None
    assert (first.index, first.type, first.function.name, first.function.arguments) == (0, "function", "weather", "")
    assert len(more) > 3
    assert {(call.index, call.id, call.type) for call in more} == {(0, None, None)}
    arguments = "".join(call.function.arguments or "" for call in more if call.function)
    assert json.loads(arguments) == {"city": "Rome"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_is_cut_short(weather_client: openai.OpenAI, stream: bool) -> None:
    """It is what it is, whole and streamed alike; that it was cut short, `finish_reason` says."""
    asked: Any = {"model": "", "messages": HELLO, "tools": [WEATHER], "max_tokens": 29}
    if stream:
        choices = [chunk.choices[0] for chunk in weather_client.chat.completions.create(**asked, stream=True)]
        calls = [call for choice in choices for call in choice.delta.tool_calls or []]
        arguments, reason = "".join(call.function.arguments or "" for call in calls if call.function), choices[-1]
    else:
        reason = weather_client.chat.completions.create(**asked).choices[0]
        (call,) = reason.message.tool_calls or []
        arguments = call.function.arguments  # type: ignore[union-attr]
    assert reason.finish_reason == "length"
    assert '{"city": "Rome"}'.startswith(arguments)
    assert 0 < len(arguments) < len('{"city": "Rome"}')


@pytest.mark.parametrize("parallel", [True, False])
def test_one_call_alone(scripted_client: Callable[[str], openai.OpenAI], parallel: bool) -> None:
    second = '<tool_call>{ "name": "weather", "arguments": {"town": "Oslo"} }</tool_call>'
    client = scripted_client(CALLS_WEATHER + second)
    choice = client.chat.completions.create(
        model="", messages=HELLO, tools=[WEATHER], parallel_tool_calls=parallel, max_tokens=200
    ).choices[0]
    calls = [call.function for call in choice.message.tool_calls or [] if call.type == "function"]
    made = [json.loads(call.arguments) for call in calls]
    assert made == ([{"city": "Rome"}, {"town": "Oslo"}] if parallel else [{"city": "Rome"}])
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
    written: dict[int, tuple[str, str]] = {}
    for number, call in enumerate(call for part in parts for call in part.tool_calls or []):
        index = call.index if stream else number
        name, arguments = written.get(index, (call.function.name, ""))
        written[index] = name, arguments + call.function.arguments
    *complete, _ = written.values()  # the last one may be cut short
    made = [(name, json.loads(arguments)) for name, arguments in complete]
    assert {name for name, _ in made} == {"clock", "pet"}
    assert len(made) > 2
    for name, arguments in made:
        if name == "pet":
            assert arguments == {"kind": "cat"}
        else:
            assert arguments["zone"] in ("UTC", "CET")
            assert isinstance(arguments["seconds"], bool)


def allowed(mode: str, *names: str) -> Any:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


def test_only_some_of_the_tools_are_allowed(shared_client: openai.OpenAI) -> None:
    asked: Any = {"model": "tiny", "messages": HELLO, "max_tokens": 200, "seed": 1}
    answer = shared_client.chat.completions.create(
        tools=[CLOCK, PET], tool_choice=allowed("required", "pet"), **asked
    ).choices[0]
    (call,) = answer.message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "pet"
    short: Any = asked | {"max_tokens": 1}
    some = shared_client.chat.completions.create(tools=[CLOCK, PET], tool_choice=allowed("auto", "pet"), **short)
    alone = shared_client.chat.completions.create(tools=[PET], **short)
    assert some.usage is not None
    assert alone.usage is not None
    assert some.usage.prompt_tokens == alone.usage.prompt_tokens, "the model is shown no others"


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


def tagged(**more: Any) -> Any:
    """A function of a set of tags, as pydantic describes one."""
    tags = {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "maxItems": 2}
    mail = {"type": "string", "pattern": "^(?!x)y", "maxLength": 3}
    parameters = {"type": "object", "properties": {"tags": tags, "mail": mail}, "required": ["tags", "mail"]}
    closed = {**parameters, "additionalProperties": False}
    return {"type": "function", "function": {"name": "tag", "parameters": closed, **more}}


def test_a_required_call_is_held_to_what_can_be_held(shared_client: openai.OpenAI) -> None:
    answer = shared_client.chat.completions.create(
        model="tiny", messages=HELLO, tools=[tagged()], tool_choice="required", max_tokens=200, seed=1
    ).choices[0]
    (call,) = answer.message.tool_calls or []
    assert call.type == "function"
    arguments = json.loads(call.function.arguments)
    assert set(arguments) == {"tags", "mail"}
    assert set(arguments["tags"]) <= {"a", "b"}


def test_a_strict_tool_is_refused_with_every_reason(shared_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        shared_client.chat.completions.create(model="tiny", messages=HELLO, tools=[tagged(strict=True)], max_tokens=9)
    for reason in ("tag: 'tags.uniqueItems' cannot be held", "'mail.pattern' cannot be held (look-around"):
        assert reason in refusal.value.message
    assert "\n" not in refusal.value.message


def test_a_function_without_parameters_takes_none(shared_client: openai.OpenAI) -> None:
    bare: Any = {"type": "function", "function": {"name": "now"}}
    answer = shared_client.chat.completions.create(
        model="tiny", messages=HELLO, tools=[bare], tool_choice="required", max_tokens=100
    ).choices[0]
    (call,) = answer.message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {}


@pytest.mark.parametrize("strict", [True, False])
def test_a_response_format_is_refused_only_if_it_is_strict(shared_http: httpx.Client, strict: bool) -> None:
    schema = tagged()["function"]["parameters"]
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": strict}}
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 5, "response_format": form}
    response = shared_http.post("/v1/chat/completions", json=body)
    assert response.status_code == (400 if strict else 200)
    if strict:
        message = response.json()["error"]["message"]
        assert "'tags.uniqueItems' cannot be held; 'mail.pattern' cannot be held" in message
    flat = {
        "model": "tiny",
        "input": "Hi",
        "max_output_tokens": 5,
        "text": {"format": {**form["json_schema"], **{"type": "json_schema"}}},
    }
    assert shared_http.post("/v1/responses", json=flat).status_code == response.status_code
    held = {
        "model": "tiny",
        "messages": HELLO,
        "max_tokens": 5,
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
    }
    assert shared_http.post("/v1/messages", json=held).status_code == 400, "Anthropic's forms are all strict"
