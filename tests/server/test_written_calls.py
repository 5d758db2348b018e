"""Calls that models write in their own ways, as clients of each API see them, whole and in streams."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

HELLO: Any = [{"role": "user", "content": "Hello"}]
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}, "text": {"type": "string"}}}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "put", "parameters": SCHEMA}}
RESPONSES_TOOL: Any = {"type": "function", "name": "put", "parameters": SCHEMA, "strict": False}
MESSAGES_TOOL: Any = {"name": "put", "input_schema": SCHEMA}

Calls = list[Any]


def chat(client: openai.OpenAI, *, stream: bool, **asked: Any) -> tuple[Calls, str]:
    asked = {"model": "", "messages": HELLO, "tools": [CHAT_TOOL], "max_tokens": 300, **asked}
    if stream:
        with client.chat.completions.stream(**asked) as events:
            choice: Any = events.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**asked).choices[0]
    calls = [json.loads(call.function.arguments) for call in choice.message.tool_calls or []]
    return calls, choice.message.content or ""


def responses(client: openai.OpenAI, *, stream: bool) -> tuple[Calls, str]:
    asked: Any = {"model": "", "input": HELLO, "tools": [RESPONSES_TOOL], "max_output_tokens": 300}
    if stream:
        with client.responses.stream(**asked) as events:
            response: Any = events.get_final_response()
    else:
        response = client.responses.create(**asked)
    calls = [json.loads(item.arguments) for item in response.output if item.type == "function_call"]
    return calls, response.output_text


def messages(client: openai.OpenAI, *, stream: bool, max_tokens: int = 300) -> tuple[Calls, str]:
    url = str(client.base_url).removesuffix("/v1/")
    asked: Any = {"model": "", "messages": HELLO, "tools": [MESSAGES_TOOL], "max_tokens": max_tokens}
    with anthropic.Anthropic(base_url=url, api_key="unused", max_retries=0) as claude:
        if stream:
            with claude.messages.stream(**asked) as events:
                message: Any = events.get_final_message()
        else:
            message = claude.messages.create(**asked)
    calls = [block.input for block in message.content if block.type == "tool_use"]
    return calls, "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize(
    ("script", "made", "content"),
    [
        pytest.param(
            '<tool_call>\n{"name": "put", "parameters": {"text": "line one\nends with </tool_call>\there",}}\n'
            '{"name": "put", "arguments": "{\\"path\\": 5}"}\n</tool_call>',
            [{"text": "line one\nends with </tool_call>\there"}, {"path": "5"}],
            "",
            id="json",
        ),
        pytest.param(
            "<think>With <tool_call> I could.</think>I do.<tool_call>\n<function=put>\n<parameter=text>\nNo "
            "</parameter> here.\n</parameter>\n<parameter=path>\nb.txt.\n</function>\n</tool_call>",
            [{"text": "No </parameter> here.", "path": "b.txt."}],
            "I do.",
            id="tags",
        ),
    ],
)
def test_calls_as_they_are_meant(
    scripted_client: Callable[[str], openai.OpenAI], script: str, made: Calls, content: str
) -> None:
    client = scripted_client(script)
    for ask in (chat, responses, messages):
        for stream in (False, True):
            assert ask(client, stream=stream) == (made, content)
    assert chat(client, stream=True, stop=["here", "b.txt"]) == (made, content), "what a call holds stops nothing"


def test_an_input_that_is_cut_short_is_what_there_is_of_it(scripted_client: Callable[[str], openai.OpenAI]) -> None:
    """Whole and streamed alike; that it was cut short, `stop_reason` says."""
    client = scripted_client(
        '<tool_call>{"name": "put", "arguments": {"path": "a\nb", "text": "and so on"}}</tool_call>'
    )
    seen = []
    for most in range(20, 40, 2):
        whole = messages(client, stream=False, max_tokens=most)
        assert messages(client, stream=True, max_tokens=most) == whole
        seen += whole[0]
    assert {} in seen
    assert {"path": "a\nb"} in seen
