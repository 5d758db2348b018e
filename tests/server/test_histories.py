"""Histories and fields that real clients send, through the official clients, over models with templates that object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import anthropic
import httpx
import openai
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.server.run import ApiServer
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.server.conftest import PATIENCE, api_server, running
from tests.support import chat_templates
from tests.support.tiny_models import scripted_llm

ANSWER = "Paris is the capital of France."
ASK: Any = {"role": "user", "content": "What is the capital of France?"}
AND: Any = {"role": "user", "content": "And its river?"}
SYSTEM: Any = {"role": "system", "content": "Be brief."}
SCHEMA: Any = {"type": "object", "properties": {"path": {"type": "string"}}}
PUT: Any = {"type": "function", "function": {"name": "put", "parameters": SCHEMA}}
CUT: Any = {"id": "call_1", "type": "function", "function": {"name": "put", "arguments": '{"path": '}}
CALLED: Any = {"role": "assistant", "content": None, "tool_calls": [CUT]}
RESULT: Any = {"role": "tool", "tool_call_id": "call_1", "name": "put", "content": None}
THOUGHT: Any = {"type": "thinking", "thinking": "Hm.", "signature": "x"}
TEMPLATES = {
    "strict": chat_templates.STRICT_SYSTEM,
    "alternate": chat_templates.ALTERNATE,
    "no-system": chat_templates.NO_SYSTEM,
    "tools": chat_templates.TOJSON,
}
MODELS = [*TEMPLATES]


@pytest.fixture(scope="module")
def objecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server whose models all answer ANSWER, each with a template of its own."""
    home = Home(tmp_path_factory.mktemp("home"))
    entries = []
    for name, template in TEMPLATES.items():
        folder: Path = scripted_llm(tmp_path_factory.mktemp("models") / name, ANSWER)
        settings = folder / "tokenizer_config.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"tool_parser_type": "json_tools"}))
        (folder / "chat_template.jinja").write_text(template)
        entries.append(local_entry(name, folder, defaults={"temperature": 0, "top_k": 1}))
    home.registry_override.write_text(json.dumps({"models": entries}))
    with Hub(home, Settings(isolation="thread", max_loaded_per_category=len(entries))) as hub:
        for name in TEMPLATES:
            hub.load(name).result(PATIENCE)
        with running(api_server(hub)) as server:
            yield server


@pytest.fixture
def gpt(objecting: ApiServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{objecting.url}/v1", api_key="x", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(objecting: ApiServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=objecting.url, api_key="x", max_retries=0) as client:
        yield client


@pytest.fixture
def raw(objecting: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=objecting.url, timeout=PATIENCE, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "messages",
    [
        [SYSTEM, {"role": "developer", "content": "Be kind."}, ASK],
        [SYSTEM, ASK, {"role": "assistant", "content": "Paris."}, SYSTEM, AND],
        [ASK, AND],
        [{**SYSTEM, "name": "rules"}, {**ASK, "name": "ann"}],
        [ASK, {"role": "assistant", "content": None}, AND],
        [ASK, {"role": "assistant", "content": None, "tool_calls": [], "annotations": [], "refusal": "No."}, AND],
        [ASK, {"role": "assistant", "content": None, "reasoning_content": "Hm."}, AND],
        [ASK, {"role": "assistant", "reasoning": "Hm.", "reasoning_details": [{}]}, AND],
        [{"role": "system", "content": []}, {"role": "user", "content": []}],
        [ASK, {**CALLED, "content": []}, RESULT],
        [ASK, CALLED, RESULT, AND],
        [ASK, {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, AND],
        [ASK, {"role": "assistant", "content": ""}],
        [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}],
    ],
    ids=range(14),
)
def test_any_history_is_answered(gpt: openai.OpenAI, model: str, messages: Any) -> None:
    answer = gpt.chat.completions.create(model=model, messages=messages)
    assert answer.choices[0].message.content == ANSWER


@pytest.mark.parametrize("model", MODELS)
def test_a_response_takes_instructions_in_every_form(gpt: openai.OpenAI, model: str) -> None:
    items: Any = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Put it there."},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "message", "role": "assistant", "phase": "commentary", "content": "I do."},
        {"type": "function_call", "call_id": "c1", "name": "put", "arguments": '{"path": '},
        {"type": "function_call_output", "call_id": "c1", "output": "not run"},
        {"role": "system", "content": "Now be brief."},
        {"role": "user", "content": "Go on."},
    ]
    answer = gpt.responses.create(
        model=model,
        input=items,
        instructions="A.",
        reasoning={"effort": "low", "summary": "detailed"},
        service_tier="flex",
        text={"verbosity": "low"},
        extra_body={"max_output_tokens": -1, "top_k": -1, "client_metadata": {"a": "b"}},
    )
    assert answer.output_text == ANSWER


@pytest.mark.parametrize("model", MODELS)
def test_a_message_takes_what_its_client_may_send(claude: anthropic.Anthropic, model: str) -> None:
    hint: Any = {"type": "ephemeral"}
    messages: Any = [
        {"role": "user", "content": "Look at this."},
        {
            "role": "user",
            "content": [
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "The river is the Seine."},
                    "title": "Rivers",
                    "cache_control": hint,
                },
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "More."}]}},
            ],
        },
        {"role": "system", "content": "Answer in French."},
        {
            "role": "assistant",
            "content": [
                THOUGHT,
                {"type": "redacted_thinking", "data": "x"},
                {"type": "tool_use", "id": "c1", "name": "put", "input": {}, "cache_control": hint},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "cache_control": hint}]},
        {"role": "user", "content": "Go on."},
    ]
    asked: Any = {"model": model, "messages": messages, "system": "Be brief.", "cache_control": hint}
    answer = claude.messages.create(max_tokens=99, metadata={"user_id": "u"}, speed="standard", **asked)
    assert answer.content[0].type == "text"
    assert answer.content[0].text == ANSWER
    counted = claude.messages.count_tokens(**asked, extra_body={"max_tokens": 5, "metadata": {}, "stream": True})
    assert counted.input_tokens == answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0)


def test_neighbours_are_one_turn_for_any_template(claude: anthropic.Anthropic) -> None:
    apart = claude.messages.count_tokens(model="tools", messages=[ASK, AND]).input_tokens
    whole = {"role": "user", "content": f"{ASK['content']}\n\n{AND['content']}"}
    assert claude.messages.count_tokens(model="tools", messages=[whole]).input_tokens == apart


def test_hints_and_what_is_off_change_nothing(gpt: openai.OpenAI) -> None:
    answer = gpt.chat.completions.create(
        model="strict",
        messages=[ASK],
        seed=-1,
        store=True,
        service_tier="flex",
        verbosity="low",
        prediction={"type": "content", "content": "Paris"},
        metadata={"a": "b"},
        user="ann",
        safety_identifier="x",
        prompt_cache_key="k",
        extra_body={"max_tokens": -1, "max_completion_tokens": -1, "top_k": -1, "add_generation_prompt": True},
    )
    assert answer.choices[0].message.content == ANSWER
    plain = gpt.completions.create(model="strict", prompt="Say it\n", max_tokens=-1)
    assert plain.choices[0].text == ANSWER, "without a limit it goes on to its end"


class TestPrefill:
    """Answers that go on from what the assistant has begun to say."""

    BEGUN: ClassVar[Any] = [ASK, {"role": "assistant", "content": "Paris is the"}]
    REST = " capital of France."

    @pytest.mark.parametrize("model", MODELS)
    def test_a_message_goes_on(self, claude: anthropic.Anthropic, model: str) -> None:
        answer = claude.messages.create(model=model, max_tokens=99, messages=self.BEGUN)
        assert answer.content[0].type == "text"
        assert answer.content[0].text == self.REST
        with claude.messages.stream(model=model, max_tokens=99, messages=self.BEGUN) as stream:
            assert stream.get_final_text() == self.REST

    def test_tools_may_be_offered(self, claude: anthropic.Anthropic) -> None:
        tools: Any = [{"name": "put", "input_schema": SCHEMA}]
        answer = claude.messages.create(model="tools", max_tokens=99, messages=self.BEGUN, tools=tools)
        assert answer.content[0].type == "text"
        assert answer.content[0].text == self.REST

    @pytest.mark.parametrize(
        ("extra", "reason"),
        [
            ({"messages": [ASK, {"role": "assistant", "content": "Paris is "}]}, "white space"),
            ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "could not think"),
            ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "has to be whole"),
            ({"tools": [{"name": "put", "input_schema": SCHEMA}], "tool_choice": {"type": "any"}}, "has to be whole"),
        ],
    )
    def test_what_cannot_go_on_is_refused(self, raw: httpx.Client, extra: dict[str, Any], reason: str) -> None:
        body = {"model": "tools", "max_tokens": 9, "messages": self.BEGUN, **extra}
        refused = raw.post("/v1/messages", json=body)
        assert refused.status_code == 400
        assert refused.json()["error"]["type"] == "invalid_request_error"
        assert reason in refused.json()["error"]["message"]

    def test_a_chat_goes_on_unless_it_is_told_not_to(self, gpt: openai.OpenAI) -> None:
        def said(**extra: Any) -> str | None:
            answer = gpt.chat.completions.create(model="tools", messages=self.BEGUN, extra_body=extra)
            return answer.choices[0].message.content

        assert said() == self.REST, "as Open WebUI's 'Continue Response' counts on"
        assert said(continue_final_message=True, add_generation_prompt=False) == self.REST
        assert said(continue_final_message=False) == ANSWER

    def test_a_form_is_begun_anew(self, gpt: openai.OpenAI) -> None:
        """Agents ask for a form once their conversation is over, which the assistant ends."""
        answer = gpt.chat.completions.create(
            model="tools",
            messages=self.BEGUN,
            max_tokens=60,
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": {"a": 1}}}},
        )
        assert json.loads(answer.choices[0].message.content or "") == {"a": 1}

    def test_a_response_is_a_new_item(self, gpt: openai.OpenAI) -> None:
        assert gpt.responses.create(model="tools", input=self.BEGUN).output_text == ANSWER
