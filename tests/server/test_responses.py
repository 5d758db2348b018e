"""The Responses API through the official client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from ominix_core.hub import Hub
from ominix_core.server.keys import KeyStore
from tests.server.openai_schema import assert_conforms

WEATHER: Any = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
THINKS_AND_CALLS = (
    '<think>Which city?</think>I look.<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'
)


def stream(http: httpx.Client, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Every event of a streamed response; each is named by its type."""
    text = http.post("/v1/responses", json=body | {"stream": True}).text
    events = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            name, data = lines
            events.append(json.loads(data.removeprefix("data: ")))
            assert name == f"event: {events[-1]['type']}"
    return events


def test_an_answer(shared_client: openai.OpenAI) -> None:
    response = shared_client.responses.create(model="tiny", input="Hello", max_output_tokens=8, temperature=0)
    assert response.id.startswith("resp_")
    assert response.output_text
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage is not None
    assert response.usage.output_tokens == 8


def test_it_is_the_same_answer_as_in_a_chat(shared_client: openai.OpenAI) -> None:
    response = shared_client.responses.create(
        model="tiny", instructions="Be brief.", input="Hello", max_output_tokens=8, temperature=0
    )
    messages: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    chat = shared_client.chat.completions.create(model="tiny", messages=messages, max_tokens=8, temperature=0)
    assert response.output_text == chat.choices[0].message.content


def test_a_stream_builds_the_same_response(shared_client: openai.OpenAI) -> None:
    asked: Any = {"model": "tiny", "input": "Hello", "max_output_tokens": 8, "temperature": 0}
    whole = shared_client.responses.create(**asked)
    with shared_client.responses.stream(**asked) as events:
        seen = list(events)
    deltas = [event.delta for event in seen if event.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text
    last: Any = seen[-1]
    assert last.type == "response.incomplete"
    assert last.response.output_text == whole.output_text


async def test_the_async_client(shared_server: Any) -> None:
    async with openai.AsyncOpenAI(base_url=f"{shared_server.url}/v1", api_key="unused") as client:
        response = await client.responses.create(model="tiny", input="Hello", max_output_tokens=2)
        assert response.usage is not None


def test_a_stored_response_is_continued(shared_client: openai.OpenAI) -> None:
    first = shared_client.responses.create(
        model="tiny", input="Hello", instructions="Be brief.", max_output_tokens=8, temperature=0
    )
    second = shared_client.responses.create(
        model="tiny", input="More", previous_response_id=first.id, max_output_tokens=8, temperature=0
    )
    turns: Any = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "More"},
    ]
    stateless = shared_client.responses.create(
        model="tiny", input=turns, max_output_tokens=8, temperature=0, store=False
    )
    assert second.output_text == stateless.output_text
    assert second.previous_response_id == first.id
    assert shared_client.responses.retrieve(second.id).output_text == second.output_text
    with pytest.raises(openai.NotFoundError):
        shared_client.responses.retrieve(stateless.id)


def test_a_streamed_response_can_be_continued_as_soon_as_it_ends(shared_http: httpx.Client) -> None:
    body = {"model": "tiny", "input": "Hello", "max_output_tokens": 2}
    last = stream(shared_http, body)[-1]["response"]
    assert shared_http.post("/v1/responses", json=body | {"previous_response_id": last["id"]}).status_code == 200


def test_a_deleted_response_is_gone(shared_client: openai.OpenAI) -> None:
    response = shared_client.responses.create(model="tiny", input="Hello", max_output_tokens=1)
    shared_client.responses.delete(response.id)
    for ask in (shared_client.responses.retrieve, shared_client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            ask(response.id)
    with pytest.raises(openai.NotFoundError) as caught:
        shared_client.responses.create(model="tiny", input="More", previous_response_id=response.id)
    assert caught.value.param == "previous_response_id"


def test_the_input_is_listed_in_pages(shared_client: openai.OpenAI) -> None:
    turns: Any = [{"role": "user", "content": f"turn {index}"} for index in range(3)]
    response = shared_client.responses.create(model="tiny", input=turns, max_output_tokens=1)
    page = shared_client.responses.input_items.list(response.id, limit=2, order="asc")
    assert page.has_more
    texts = [item.content[0].text for item in page]  # type: ignore[union-attr]
    assert texts == ["turn 0", "turn 1", "turn 2"]
    newest: Any = shared_client.responses.input_items.list(response.id, limit=1).data[0]
    assert newest.content[0].text == "turn 2"


def test_responses_belong_to_their_key(http: httpx.Client, hub: Hub, loaded: str) -> None:
    keys = KeyStore(hub.home.api_keys)
    mine, other = ({"x-api-key": keys.create(name)[1]} for name in ("mine", "other"))
    made = http.post("/v1/responses", json={"input": "Hello", "max_output_tokens": 1}, headers=mine).json()["id"]
    assert http.get(f"/v1/responses/{made}", headers=mine).status_code == 200
    assert http.get(f"/v1/responses/{made}", headers=other).status_code == 404
    assert http.delete(f"/v1/responses/{made}", headers=other).status_code == 404


def test_thoughts_and_calls_are_items(scripted_client: Callable[[str], openai.OpenAI]) -> None:
    client = scripted_client(THINKS_AND_CALLS)
    response: Any = client.responses.create(model="", input="Hello", tools=[WEATHER])
    thought, message, call = response.output
    assert (thought.type, thought.content[0].text) == ("reasoning", "Which city?")
    assert (message.type, message.content[0].text) == ("message", "I look.")
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "Rome"})
    assert response.status == "completed"

    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    turns: Any = [{"role": "user", "content": "Hello"}, *response.output, result]
    assert client.responses.create(model="", input=turns, tools=[WEATHER]).status == "completed"
    continued = client.responses.create(model="", input=[result], previous_response_id=response.id, tools=[WEATHER])
    assert continued.status == "completed"


def test_every_event_and_object_conforms(scripted_client: Callable[[str], openai.OpenAI]) -> None:
    client = scripted_client(THINKS_AND_CALLS)
    body = {"model": "", "input": "Hello", "tools": [WEATHER], "include": ["message.output_text.logprobs"]}
    body |= {"top_logprobs": 2, "metadata": {"run": "1"}, "text": {"format": {"type": "text"}}}
    assert_conforms(body, "CreateResponse")
    with httpx.Client(base_url=str(client.base_url).removesuffix("/v1/")) as http:
        events = stream(http, body)
        for item in events:
            if "response" in item:
                assert_conforms(item["response"], "Response")
            assert_conforms(item, "ResponseStreamEvent")
        response = http.post("/v1/responses", json=body).json()
        assert_conforms(response, "Response")
        assert_conforms(http.get(f"/v1/responses/{response['id']}/input_items").json(), "ResponseItemList")
    assert [item["sequence_number"] for item in events] == list(range(len(events)))
    names = [item["type"].removeprefix("response.") for item in events]
    assert [name for index, name in enumerate(names) if name != names[index - 1]] == [
        "created",
        "in_progress",
        *("output_item.added", "content_part.added", "reasoning_text.delta"),
        *("reasoning_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        "completed",
    ]


def test_a_response_that_fails_on_the_way_says_so(http: httpx.Client, hub: Hub, loaded: str) -> None:
    body = {"input": "Hello", "max_output_tokens": 4000, "temperature": 0, "stream": True}
    with http.stream("POST", "/v1/responses", json=body) as response:
        lines = response.iter_lines()
        next(lines)
        hub.unload("tiny")
        last = [line for line in lines if line.startswith("data: ")][-1]
    failed = json.loads(last.removeprefix("data: "))
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert "unloaded" in failed["response"]["error"]["message"]


def test_json_of_a_schema(shared_client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"age": {"type": "integer", "maximum": 99}},
        "required": ["age"],
        "additionalProperties": False,
    }
    text: Any = {"format": {"type": "json_schema", "name": "person", "schema": schema, "strict": True}}
    response = shared_client.responses.create(model="tiny", input="Hello", max_output_tokens=300, text=text)
    assert set(json.loads(response.output_text)) == {"age"}


PICK: Any = {
    "type": "function",
    "name": "pick",
    "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "pick"}])
def test_a_tool_must_be_called(shared_client: openai.OpenAI, choice: Any) -> None:
    """The model writes noise: only the grammar makes it a call."""
    response: Any = shared_client.responses.create(
        model="tiny", input="Hello", tools=[PICK], tool_choice=choice, max_output_tokens=100
    )
    (call,) = response.output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "pick", {"city": "Rome"})
    assert_conforms(json.loads(response.model_dump_json(exclude_unset=True)), "Response")
    echoed = response.tool_choice
    assert (echoed if isinstance(echoed, str) else echoed.model_dump()) == choice


def test_some_of_the_tools_and_one_call_alone(shared_client: openai.OpenAI) -> None:
    allowed: Any = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "pick"}]}
    response: Any = shared_client.responses.create(
        model="tiny",
        input="Hello",
        tools=[PICK, WEATHER],
        tool_choice=allowed,
        parallel_tool_calls=False,
        max_output_tokens=100,
    )
    assert [call.name for call in response.output] == ["pick"]
    assert response.tool_choice.model_dump() == allowed
    assert response.parallel_tool_calls is False
    assert_conforms(json.loads(response.model_dump_json(exclude_unset=True)), "Response")


def test_a_call_s_arguments_come_as_they_are_written(scripted_client: Callable[[str], openai.OpenAI]) -> None:
    client = scripted_client(THINKS_AND_CALLS)
    with client.responses.stream(model="", input="Hello", tools=[WEATHER]) as events:
        pieces = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert len(pieces) > 3
    assert json.loads("".join(pieces)) == {"city": "Rome"}


def test_tokens_are_counted_as_the_model_reads_them(shared_client: openai.OpenAI) -> None:
    asked: Any = {"model": "tiny", "instructions": "Be brief.", "tools": [PICK]}
    first = shared_client.responses.create(input="Hello", max_output_tokens=3, **asked)
    counted = shared_client.responses.input_tokens.count(input="Hello", **asked)
    assert first.usage is not None
    assert counted.input_tokens == first.usage.input_tokens
    assert_conforms(counted.model_dump(), "TokenCountsResource")
    more = shared_client.responses.input_tokens.count(input="More", previous_response_id=first.id, **asked)
    second = shared_client.responses.create(input="More", previous_response_id=first.id, max_output_tokens=1, **asked)
    assert second.usage is not None
    assert more.input_tokens == second.usage.input_tokens


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "x"}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice.tools"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"input": []}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"include": ["file_search_call.results"]}, "include[0]"),
        ({"reasoning": {"mode": "deep"}}, "reasoning.mode"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(shared_http: httpx.Client, extra: dict[str, Any], param: str) -> None:
    response = shared_http.post("/v1/responses", json={"model": "tiny", "input": "Hello", **extra})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
