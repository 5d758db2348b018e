"""What people do with the official clients, each scenario with the blocking and with the async one."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Literal

import anthropic
import openai
import pydantic
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.server.keys import KeyStore
from ominix_core.server.run import ApiServer
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.server.conftest import api_server, running
from tests.support.tiny_models import scripted_llm

HELLO: Any = [{"role": "user", "content": "What is the weather in Rome?"}]
SCHEMA: Any = {
    "type": "object",
    "properties": {"city": {"enum": ["Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
SCRIPT = '<think>Which city?</think>I look.<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'

Kind = Literal["blocking", "async"]


async def done(answer: Any) -> Any:
    """What a call of either client comes to."""
    return await answer if inspect.isawaitable(answer) else answer


async def pieces(stream: Any) -> list[Any]:
    """All of a stream of either client."""
    stream = await done(stream)
    return [piece async for piece in stream] if hasattr(stream, "__aiter__") else list(stream)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("scenarios"))


@pytest.fixture(scope="module")
def keys(place: Home) -> KeyStore:
    return KeyStore(place.api_keys)


@pytest.fixture(scope="module")
def served(place: Home, tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server with a chat model that thinks and calls, and an embedding model; it asks for keys."""
    scripted = scripted_llm(tmp_path_factory.mktemp("models") / "scripted", SCRIPT)
    embedding = {"engine": "mlx-lm-embedding", "api_type": "embeddings"}
    models = [
        local_entry("scripted", scripted, defaults={"temperature": 0}),
        local_entry("tiny", tiny_llm),
        local_entry("embedder", tiny_llm, category="Embedding", runtime=embedding),
    ]
    place.registry_override.write_text(json.dumps({"models": models}))
    with Hub(place, Settings(isolation="thread", max_loaded_per_category=2)) as hub:
        for model in ("scripted", "tiny", "embedder"):
            hub.load(model).result(60)
        with running(api_server(hub, max_body_mb=0.02)) as server:
            yield server


@pytest.fixture(params=["blocking", "async"])
def kind(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


@pytest.fixture
async def client(served: ApiServer, keys: KeyStore, kind: Kind) -> AsyncIterator[Any]:
    """OpenAI's client, with a key that may use models."""
    make: Any = openai.OpenAI if kind == "blocking" else openai.AsyncOpenAI
    client = make(base_url=f"{served.url}/v1", api_key=keys.create("user")[1], max_retries=0)
    yield client
    await done(client.close())


@pytest.fixture
async def claude(served: ApiServer, keys: KeyStore, kind: Kind) -> AsyncIterator[Any]:
    """Anthropic's client, with a key that may use models."""
    make: Any = anthropic.Anthropic if kind == "blocking" else anthropic.AsyncAnthropic
    client = make(base_url=served.url, api_key=keys.create("user")[1], max_retries=0)
    yield client
    await done(client.close())


class City(pydantic.BaseModel):
    city: Literal["Rome"]


class TestOpenAI:
    async def test_a_tool_is_called_and_its_answer_goes_back(self, client: Any) -> None:
        asked: Any = {"model": "scripted", "messages": HELLO, "tools": [WEATHER]}
        first = (await done(client.chat.completions.create(**asked))).choices[0]
        (call,) = first.message.tool_calls
        assert (first.message.content, first.finish_reason) == ("I look.", "tool_calls")
        assert json.loads(call.function.arguments) == {"city": "Rome"}
        result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        turns = [*HELLO, first.message.model_dump(), result]
        assert (await done(client.chat.completions.create(**asked | {"messages": turns}))).choices

    async def test_a_tool_call_is_streamed(self, client: Any) -> None:
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        asked: Any = {"model": "scripted", "messages": HELLO, "tools": [WEATHER], **options}
        *chunks, last = await pieces(client.chat.completions.create(**asked))
        deltas = [chunk.choices[0].delta for chunk in chunks]
        assert "".join(delta.content or "" for delta in deltas) == "I look."
        assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "Which city?"
        first, *more = (call for delta in deltas for call in delta.tool_calls or [])
        assert (first.index, first.function.name, first.function.arguments) == (0, "weather", "")
        assert json.loads("".join(call.function.arguments for call in more)) == {"city": "Rome"}
        assert chunks[-1].choices[0].finish_reason == "tool_calls"
        assert last.usage.completion_tokens > 0

    async def test_an_answer_is_parsed_into_a_type(self, client: Any) -> None:
        asked: Any = {"model": "tiny", "messages": HELLO, "response_format": City, "max_tokens": 100, "seed": 1}
        answer = await done(client.chat.completions.parse(**asked))
        assert answer.choices[0].message.parsed == City(city="Rome")

    async def test_texts_become_vectors(self, client: Any) -> None:
        answer = await done(client.embeddings.create(model="embedder", input=["one", "two"]))
        assert [len(item.embedding) for item in answer.data] == [64, 64]

    async def test_responses_are_stored_or_not(self, client: Any) -> None:
        asked: Any = {"model": "tiny", "max_output_tokens": 4, "temperature": 0}
        first = await done(client.responses.create(input="Hello", **asked))
        second = await done(client.responses.create(input="More", previous_response_id=first.id, **asked))
        turns = [{"role": "user", "content": "Hello"}, *first.output, {"role": "user", "content": "More"}]
        stateless = await done(client.responses.create(input=turns, store=False, **asked))
        assert stateless.output_text == second.output_text
        assert (await done(client.responses.retrieve(second.id))).output_text == second.output_text
        with pytest.raises(openai.NotFoundError):
            await done(client.responses.retrieve(stateless.id))

    async def test_a_response_is_streamed(self, client: Any) -> None:
        tool = {"type": "function", "name": "weather", "parameters": SCHEMA}
        events = await pieces(client.responses.create(model="scripted", input="Hello", tools=[tool], stream=True))
        kinds = [item.type for item in events[-1].response.output]
        assert (events[-1].type, kinds) == ("response.completed", ["reasoning", "message", "function_call"])

    async def test_models_are_listed(self, client: Any) -> None:
        assert {model.id for model in await pieces(client.models.list())} >= {"scripted", "tiny", "embedder"}

    async def test_typed_errors(self, client: Any, keys: KeyStore) -> None:
        async def fails(**changes: Any) -> Any:
            asked: Any = {"model": "tiny", "messages": HELLO, "max_tokens": 1} | changes
            with pytest.raises(openai.APIStatusError) as caught:
                await done(client.chat.completions.create(**asked))
            return caught.value

        error = await fails(model="tinny")
        assert (type(error), error.code, error.param) == (openai.NotFoundError, "model_not_found", "model")
        assert "tiny" in error.message
        error = await fails(temperature=9)
        assert (type(error), error.param) == (openai.BadRequestError, "temperature")
        error = await fails(messages=[{"role": "user", "content": "x" * 30_000}])
        assert (error.status_code, error.code) == (413, "body_too_large")
        error = await fails(model="smollm2-135m")
        assert (type(error), error.status_code, error.code) == (openai.InternalServerError, 503, "model_not_loaded")
        with pytest.raises(openai.PermissionDeniedError):
            await done(client.post("/models/tiny/unload", cast_to=object))
        stranger = client.with_options(api_key="wrong")
        with pytest.raises(openai.AuthenticationError):
            await done(stranger.models.list())


class TestAnthropic:
    async def test_a_tool_is_called_and_its_answer_goes_back(self, claude: Any) -> None:
        tool = {"name": "weather", "input_schema": SCHEMA}
        asked: Any = {"model": "scripted", "max_tokens": 200, "messages": HELLO, "tools": [tool]}
        first = await done(claude.messages.create(**asked))
        assert [block.type for block in first.content] == ["thinking", "text", "tool_use"]
        assert first.content[-1].input == {"city": "Rome"}
        result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "sunny"}
        turns = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        assert (await done(claude.messages.create(**asked | {"messages": turns}))).content

    async def test_a_stream(self, claude: Any) -> None:
        tool = {"name": "weather", "input_schema": SCHEMA}
        asked: Any = {"model": "scripted", "max_tokens": 200, "messages": HELLO, "tools": [tool], "stream": True}
        events = await pieces(claude.messages.create(**asked))
        kinds = [event.content_block.type for event in events if event.type == "content_block_start"]
        assert kinds == ["thinking", "text", "tool_use"]
        assert events[-1].type == "message_stop"

    async def test_tokens_are_counted(self, claude: Any) -> None:
        counted = await done(claude.messages.count_tokens(model="tiny", messages=HELLO))
        assert counted.input_tokens > len(HELLO[0]["content"])

    async def test_typed_errors(self, claude: Any) -> None:
        async def fails(**changes: Any) -> Any:
            asked: Any = {"model": "tiny", "messages": HELLO, "max_tokens": 1} | changes
            with pytest.raises(anthropic.APIStatusError) as caught:
                await done(claude.messages.create(**asked))
            assert caught.value.body["type"] == "error"
            return caught.value

        error = await fails(model="tinny")
        assert isinstance(error, anthropic.NotFoundError)
        assert "tiny" in error.message
        assert isinstance(await fails(max_tokens=0), anthropic.BadRequestError)
        assert (await fails(messages=[{"role": "user", "content": "x" * 30_000}])).status_code == 413
        assert (await fails(model="smollm2-135m")).status_code == 503
        with pytest.raises(anthropic.AuthenticationError):
            await done(claude.with_options(api_key="wrong").messages.create(model="", max_tokens=1, messages=HELLO))


async def test_a_client_that_asks_too_often_is_told_when_to_come_back(hub: Hub, kind: Kind) -> None:
    secret = KeyStore(hub.home.api_keys).create("hasty")[1]
    make: Any = openai.OpenAI if kind == "blocking" else openai.AsyncOpenAI
    with running(api_server(hub, requests_per_minute=1)) as server:
        client = make(base_url=f"{server.url}/v1", api_key=secret, max_retries=0)
        await pieces(client.models.list())
        with pytest.raises(openai.RateLimitError) as caught:
            await pieces(client.models.list())
        assert int(caught.value.response.headers["retry-after"]) > 0
        await done(client.close())
