"""Anthropic's Messages API through the official client."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.server.keys import KeyStore
from ominix_core.server.run import ApiServer
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.server.conftest import api_server, running

HELLO: Any = [{"role": "user", "content": "Hello"}]
WEATHER: Any = {"name": "weather", "description": "The weather", "input_schema": {"type": "object"}}
THINKS_AND_CALLS = (
    '<think>Which city?</think>I look.<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'
)


@pytest.fixture
def claude(shared_server: ApiServer) -> Iterator[anthropic.Anthropic]:
    """The official client, which does not repeat failed requests."""
    with anthropic.Anthropic(base_url=shared_server.url, api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
def thinking_claude(scripted_client: Callable[[str], openai.OpenAI]) -> Iterator[anthropic.Anthropic]:
    """A client of a server whose model thinks, speaks and calls a tool."""
    url = str(scripted_client(THINKS_AND_CALLS).base_url).removesuffix("/v1/")
    with anthropic.Anthropic(base_url=url, api_key="unused", max_retries=0) as client:
        yield client


def test_a_message(claude: anthropic.Anthropic) -> None:
    message: Any = claude.messages.create(model="tiny", max_tokens=8, messages=HELLO, extra_body={"temperature": 0})
    assert message.id.startswith("msg_")
    assert [block.type for block in message.content] == ["text"]
    assert message.content[0].text
    assert (message.stop_reason, message.stop_sequence) == ("max_tokens", None)
    assert message.usage.output_tokens == 8
    assert message.usage.input_tokens + message.usage.cache_read_input_tokens > 5


def test_it_is_the_same_answer_as_in_a_chat(claude: anthropic.Anthropic, shared_client: openai.OpenAI) -> None:
    asked: Any = {"max_tokens": 8, "system": "Be brief.", "messages": HELLO, "extra_body": {"temperature": 0}}
    message: Any = claude.messages.create(model="tiny", **asked)
    turns: Any = [{"role": "system", "content": "Be brief."}, *HELLO]
    chat = shared_client.chat.completions.create(model="tiny", messages=turns, max_tokens=8, temperature=0)
    assert message.content[0].text == chat.choices[0].message.content


def test_a_stream_builds_the_same_message(claude: anthropic.Anthropic) -> None:
    asked: Any = {"model": "tiny", "max_tokens": 8, "messages": HELLO, "extra_body": {"temperature": 0}}
    whole: Any = claude.messages.create(**asked)
    with claude.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        message: Any = stream.get_final_message()
    assert text == whole.content[0].text == message.content[0].text
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 8


async def test_the_async_client(shared_server: ApiServer) -> None:
    async with anthropic.AsyncAnthropic(base_url=shared_server.url, api_key="unused") as client:
        message = await client.messages.create(model="tiny", max_tokens=1, messages=HELLO)
        assert message.stop_reason == "max_tokens"


def test_a_stop_sequence_is_named(claude: anthropic.Anthropic) -> None:
    asked: Any = {"model": "tiny", "max_tokens": 24, "messages": HELLO, "extra_body": {"temperature": 0}}
    whole: Any = claude.messages.create(**asked)
    stop = whole.content[0].text[8:11]
    message: Any = claude.messages.create(**asked, stop_sequences=["never said", stop])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", stop)
    assert message.content[0].text == whole.content[0].text[: whole.content[0].text.index(stop)]


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_and_calls_are_blocks(thinking_claude: anthropic.Anthropic, stream: bool) -> None:
    asked: Any = {"model": "", "max_tokens": 200, "messages": HELLO, "tools": [WEATHER]}
    if stream:
        with thinking_claude.messages.stream(**asked) as events:
            message: Any = events.get_final_message()
    else:
        message = thinking_claude.messages.create(**asked)
    thought, text, call = message.content
    assert (thought.type, thought.thinking) == ("thinking", "Which city?")
    assert (text.type, text.text) == ("text", "I look.")
    assert (call.type, call.name, call.input) == ("tool_use", "weather", {"city": "Rome"})
    assert message.stop_reason == "tool_use"


@pytest.mark.parametrize("budget", [None, 5])
def test_a_thought_is_no_longer_than_its_budget(
    home: Home, add_models: Callable[..., None], tiny_llm: Path, tmp_path: Path, budget: int | None
) -> None:
    """The model's turn begins inside a thought, and as noise never ends it by itself."""
    folder = shutil.copytree(tiny_llm, tmp_path / "thinker")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant\n", "assistant\n<think>"))
    add_models(local_entry("thinker", folder, defaults={"temperature": 0}))
    thinking: Any = {"type": "enabled"} | ({"budget_tokens": budget} if budget else {})
    with (
        Hub(home, Settings(isolation="thread")) as hub,
        running(api_server(hub)) as server,
        anthropic.Anthropic(base_url=server.url, api_key="unused", max_retries=0) as claude,
    ):
        hub.load("thinker").result(60)
        message: Any = claude.messages.create(model="", max_tokens=40, messages=HELLO, thinking=thinking)
    if budget is None:
        (thought,) = message.content
        assert thought.type == "thinking"
    else:
        thought, text = message.content
        assert thought.thinking
        assert (thought.type, text.type) == ("thinking", "text")
    assert message.stop_reason == "max_tokens"


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "pick"}])
def test_a_tool_must_be_called(claude: anthropic.Anthropic, choice: Any) -> None:
    """The model writes noise: only the grammar makes it a call."""
    schema: Any = {"properties": {"city": {"enum": ["Rome"]}}, "required": ["city"], "additionalProperties": False}
    tool: Any = {"name": "pick", "input_schema": {"type": "object", **schema}}
    message: Any = claude.messages.create(
        model="tiny", max_tokens=100, messages=HELLO, tools=[tool], tool_choice=choice
    )
    (call,) = message.content
    assert (call.type, call.name, call.input) == ("tool_use", "pick", {"city": "Rome"})
    assert message.stop_reason == "tool_use"


def test_a_call_s_input_comes_as_it_is_written(thinking_claude: anthropic.Anthropic) -> None:
    asked: Any = {"model": "", "max_tokens": 200, "messages": HELLO, "tools": [WEATHER]}
    with thinking_claude.messages.stream(**asked) as events:
        pieces = [event.partial_json for event in events if event.type == "input_json"]
    assert len(pieces) > 3
    assert json.loads("".join(pieces)) == {"city": "Rome"}


def test_an_input_that_is_cut_short_is_passed_on_as_text(thinking_claude: anthropic.Anthropic) -> None:
    message: Any = thinking_claude.messages.create(model="", max_tokens=41, messages=HELLO, tools=[WEATHER])
    (written,) = message.content[-1].input.values()
    assert (list(message.content[-1].input), message.stop_reason) == (["INVALID_JSON"], "max_tokens")
    assert '{"city": "Rome"}'.startswith(written)


def test_json_of_a_schema(claude: anthropic.Anthropic) -> None:
    """The model writes noise: only the grammar makes it JSON."""
    age = {"type": "integer", "minimum": 0, "maximum": 99}
    schema = {"type": "object", "properties": {"age": age}, "required": ["age"], "additionalProperties": False}
    config: Any = {"format": {"type": "json_schema", "schema": schema}, "effort": "low"}
    message: Any = claude.messages.create(model="tiny", max_tokens=300, messages=HELLO, output_config=config)
    assert list(json.loads(message.content[0].text)) == ["age"]
    assert message.stop_reason == "end_turn"


def test_one_call_alone(scripted_client: Callable[[str], openai.OpenAI]) -> None:
    second = '<tool_call>{ "name": "weather", "arguments": {"town": "Oslo"} }</tool_call>'
    url = str(scripted_client(THINKS_AND_CALLS + second).base_url).removesuffix("/v1/")
    choice: Any = {"type": "auto", "disable_parallel_tool_use": True}
    with anthropic.Anthropic(base_url=url, api_key="unused", max_retries=0) as client:
        message: Any = client.messages.create(
            model="", max_tokens=200, messages=HELLO, tools=[WEATHER], tool_choice=choice
        )
    assert [block.input for block in message.content if block.type == "tool_use"] == [{"city": "Rome"}]
    assert message.stop_reason == "tool_use"


def test_a_tool_result_goes_back(thinking_claude: anthropic.Anthropic) -> None:
    first: Any = thinking_claude.messages.create(model="", max_tokens=200, messages=HELLO, tools=[WEATHER])
    result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "sunny"}
    turns: Any = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    message = thinking_claude.messages.create(model="", max_tokens=200, messages=turns, tools=[WEATHER])
    assert message.content


def test_the_order_of_the_events(shared_http: httpx.Client) -> None:
    body = {"model": "tiny", "max_tokens": 3, "messages": HELLO, "temperature": 0, "stream": True}
    lines = shared_http.post("/v1/messages", json=body).text.splitlines()
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert names == [item["type"] for item in data]
    kept = [name for name in names if name not in ("ping", "content_block_delta")]
    assert kept == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
    assert data[0]["message"]["usage"]["input_tokens"] > 5


def test_tokens_are_counted_as_the_model_reads_them(claude: anthropic.Anthropic) -> None:
    counted = claude.messages.count_tokens(model="tiny", messages=HELLO, system="Be brief.").input_tokens
    message = claude.messages.create(model="tiny", max_tokens=1, messages=HELLO, system="Be brief.")
    assert counted == message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0)


def test_a_conversation_longer_than_the_context_is_counted(claude: anthropic.Anthropic) -> None:
    long: Any = [{"role": "user", "content": "x" * 5000}]
    assert claude.messages.count_tokens(model="tiny", messages=long).input_tokens > 5000
    with pytest.raises(anthropic.BadRequestError, match="context"):
        claude.messages.create(model="tiny", max_tokens=1, messages=long)


def test_errors_have_anthropics_shape(shared_http: httpx.Client, claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="tiny"):
        claude.messages.create(model="tinny", max_tokens=1, messages=HELLO)
    body = shared_http.post("/v1/messages", json={"model": "tinny", "max_tokens": 1, "messages": HELLO}).json()
    assert body["type"] == "error"
    assert body["error"]["type"] == "not_found_error"


def test_a_wrong_key(http: httpx.Client, hub: Hub) -> None:
    KeyStore(hub.home.api_keys).create("editor")
    client = anthropic.Anthropic(base_url=str(http.base_url), api_key="wrong", max_retries=0)
    with client, pytest.raises(anthropic.AuthenticationError):
        client.messages.create(model="", max_tokens=1, messages=HELLO)


def test_a_stream_that_fails_on_the_way_says_so(http: httpx.Client, hub: Hub, loaded: str) -> None:
    body = {"max_tokens": 4000, "messages": HELLO, "temperature": 0, "stream": True}
    with http.stream("POST", "/v1/messages", json=body) as response:
        lines = response.iter_lines()
        next(lines)
        hub.unload("tiny")
        last = [line for line in lines if line.startswith("data: ")][-1]
    failed = json.loads(last.removeprefix("data: "))
    assert failed["type"] == "error"
    assert "unloaded" in failed["error"]["message"]


PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"thinking": {"type": "disabled", "budget_tokens": 9}}, "thinking"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tool_choice": {"type": "tool", "name": "x"}}, "tool_choice"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "yaml"}}}, "output_config.format.type"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "system", "content": [{"type": "thinking", "thinking": "x"}]}]}, "messages[0]"),
        ({"speed": "fast"}, "speed"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "messages[0].content[0].source"),
        (
            {"messages": [{"role": "user", "content": [{"type": "document", "source": PDF}]}]},
            "messages[0].content[0].source.type",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(shared_http: httpx.Client, extra: dict[str, Any], param: str) -> None:
    response = shared_http.post("/v1/messages", json={"model": "tiny", "max_tokens": 1, "messages": HELLO, **extra})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
