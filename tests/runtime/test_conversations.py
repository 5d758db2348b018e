"""Histories that clients send, with templates of every family: each is answered, and nothing that was said is lost."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ominix_core.engines.prompt import chat_template, encode, laid_out
from ominix_core.errors import RequestError
from ominix_core.generation import ChatMessage, ChatRequest, ToolCall
from tests.support.chat_templates import TEMPLATES
from tests.support.tiny_models import write_byte_tokenizer

# The last one is no template but Python of mlx-lm, which wants arguments as the text of an object.
ALL = [*TEMPLATES, "deepseek v32"]
PUT = {
    "type": "function",
    "function": {"name": "put", "description": "d", "parameters": {"type": "object", "properties": {"path": {}}}},
}


def system(text: str) -> ChatMessage:
    return ChatMessage("system", text)


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


def said(text: str, *calls: ToolCall, reasoning: str = "") -> ChatMessage:
    return ChatMessage("assistant", text, calls, reasoning=reasoning)


def call(arguments: str, number: int = 1) -> ToolCall:
    return ToolCall(f"call_00000000000{number}", "put", arguments)


def result(text: str, number: int = 1) -> ChatMessage:
    return ChatMessage("tool", text, tool_call_id=f"call_00000000000{number}")


# Each word that begins with W and a digit must reach the model, in the order of its number.
HISTORIES: dict[str, list[ChatMessage]] = {
    "plain": [user("W1")],
    "instructed": [system("W1"), user("W2"), said("W3"), user("W4")],
    "two instructions": [system("W1"), system("W2"), user("W3")],
    "instruction in the middle": [system("W1"), user("W2"), said("W3"), system("W4"), user("W5")],
    "instruction after the question": [user("W1"), system("W2"), said("W3"), user("W4")],
    "instruction at the end": [user("W1"), said("W2"), user("W3"), system("W4")],
    "instruction alone": [system("W1")],
    "questions in a row": [user("W1"), user("W2"), said("W3"), user("W4")],
    "answers in a row": [user("W1"), said("W2"), said("W3"), user("W4")],
    "greeted": [said("W1"), user("W2")],
    "instructed and greeted": [system("W1"), said("W2"), user("W3")],
    "ends with an answer": [user("W1"), said("W2")],
    "answer without text": [user("W1"), said(""), user("W2")],
    "question without text": [user(""), said("W1"), user("W2")],
    "only a thought": [user("W1"), said("", reasoning="hm"), user("W2")],
    "called": [user("W1"), said("", call('{"path": "W2"}')), result("W3"), said("W4"), user("W5")],
    "called, not answered": [user("W1"), said("", call('{"path": "W2"}')), result("W3")],
    "called without result": [user("W1"), said("", call('{"path": "W2"}')), user("W3")],
    "asked after the result": [user("W1"), said("", call('{"path": "W2"}')), result("W3"), user("W4")],
    "thought and called": [user("W1"), said("", call('{"path": "W2"}'), reasoning="hm"), result("W3")],
    "called twice": [user("W1"), said("", call('{"path": "W2"}'), call('{"path": "W4"}', 2)), result("W5", 2)],
    "results out of order": [
        *(user("W1"), said("", call('{"path": "x"}'), call('{"path": "y"}', 2))),
        *(result("W3", 2), result("W2"), said("W4"), user("W5")),
    ],
    "instruction before the result": [
        *(user("W1"), said("", call('{"path": "W2"}')), system("W4"), result("W3"), user("W5")),
    ],
    "result without call": [user("W1"), result("W2"), said("W3"), user("W4")],
    "result without text": [user("W1"), said("", call('{"path": "W2"}')), result(""), said("W3"), user("W4")],
    "named": [ChatMessage("user", "W1", name="ann"), ChatMessage("assistant", "W2", name="bob"), user("W3")],
    **{
        f"arguments {arguments!r}": [user("W1"), said("", call(arguments)), result("W2"), said("W3"), user("W4")]
        for arguments in ("", " ", "null", "[]", "42", "true", '{"path": ', "NaN", '{"a": null}')
    },
    **{
        f"arguments {arguments}": [user("W1"), said("", call(arguments)), result("W3")]
        for arguments in ('"W2"', '{"path": "W2', "{'a': 'W2'}", '["W2"]', '{"a": {"b": ["W2"]}}', "put W2")
    },
}


@functools.cache
def tokenizer(folder: Path, template: str) -> Any:
    from mlx_lm.utils import load_tokenizer

    folder = folder / template.replace(" ", "-")
    folder.mkdir()
    own = {} if template in TEMPLATES else {"chat_template_type": template.replace(" ", "_")}
    write_byte_tokenizer(folder, TEMPLATES.get(template, ""), tool_parser_type="json_tools", **own)
    loaded = load_tokenizer(folder)
    return loaded, chat_template(loaded)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("templates")
    tokenizer.cache_clear()


def prompt(folder: Path, template: str, *turns: ChatMessage, **options: Any) -> str:
    """The whole text that the model reads."""
    wrapper, own = tokenizer(folder, template)
    return str(wrapper.decode(encode(wrapper, own, ChatRequest(messages=list(turns), **options)).tokens))


@pytest.mark.parametrize("tools", [[], [PUT]], ids=["", "tools"])
@pytest.mark.parametrize("template", ALL)
def test_every_history_reaches_the_model_whole(folder: Path, template: str, tools: list[dict[str, Any]]) -> None:
    lost = {}
    for name, turns in HISTORIES.items():
        text = prompt(folder, template, *turns, tools=tools)
        words = re.findall(r"W\d", " ".join(repr(turn) for turn in turns))
        found = re.findall(r"W\d", text)
        if found != sorted(words) or ("put" not in text and any(turn.tool_calls for turn in turns)):
            lost[name] = text
    assert not lost


@pytest.mark.parametrize("template", ["coder", "strict system"])
def test_arguments_that_are_no_mapping_are_shown_as_a_parameter(folder: Path, template: str) -> None:
    shown = {
        arguments: prompt(folder, template, user("Go"), said("", call(arguments)), result("Done"))
        for arguments in ("", "null", "[]", "42", '{"path": ')
    }
    assert all("<parameter" not in shown[empty] for empty in ("", "null", "[]"))
    assert "<parameter=arguments>\n42\n</parameter>" in shown["42"]
    assert '<parameter=arguments>\n{"path": \n</parameter>' in shown['{"path": ']


def test_templates_that_write_arguments_as_json_keep_what_they_get(folder: Path) -> None:
    def shown(arguments: str) -> str:
        text = prompt(folder, "tojson", user("Go"), said("", call(arguments)), result("Done"))
        return text.partition('"arguments": ')[2].partition("}</tool_call>")[0]

    assert shown("42") == "42"
    assert shown('{"path": "a"}') == '{"path": "a"}'
    assert shown('{"path": ') == '"{\\"path\\": "'
    assert shown("") == "{}"


def test_later_instructions_stay_where_they_were_said(folder: Path) -> None:
    turns = [system("First"), user("Hi"), said("Hello"), system("Then"), user("Go on")]
    assert "<|im_start|>system\nThen<|im_end|>" in prompt(folder, "chatml", *turns)
    assert "<|im_start|>user\nThen<|im_end|>\n<|im_start|>user\nGo on" in prompt(folder, "strict system", *turns)
    assert "<start_of_turn>user\nFirst\n\nHi<end_of_turn>" in prompt(folder, "no system", *turns)
    assert "<start_of_turn>user\nThen\n\nGo on<end_of_turn>" in prompt(folder, "no system", *turns)
    before = prompt(folder, "strict system", *turns[:3]).removesuffix("<|im_start|>assistant\n")
    assert prompt(folder, "strict system", *turns).startswith(before), "or all that is cached would be read again"


def test_thoughts_reach_templates_that_have_a_place_for_them(folder: Path) -> None:
    asked = [user("Go"), said("", call('{"path": "a"}'), reasoning="I should write."), result("Done")]
    assert "<think>I should write.</think>" in prompt(folder, "coder", *asked)
    assert "analysis<|message|>I should write.<|end|>" in prompt(folder, "harmony", *asked)
    assert "I should write" not in prompt(folder, "chatml", *asked)
    spoken = [user("Go"), said("On it.", call('{"path": "a"}'), reasoning="I should write."), result("Done")]
    assert "analysis<|message|>I should write.\n\nOn it.<|end|>" in prompt(folder, "harmony", *spoken)


def test_ids_are_what_the_template_wants(folder: Path) -> None:
    text = prompt(folder, "mistral", user("Go"), said("", call("{}"), call("{}", 2)), result("A", 2), result("B"))
    first, second = re.findall(r"\] (\w+)\[/TOOL_RESULTS|(?<=[AB] )(\w+)\[/TOOL_RESULTS", text)
    assert first != second
    assert all(len("".join(name)) == 9 for name in (first, second))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("minimal", "low"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "medium"),
        ("xhigh", "xhigh"),
        ("max", "xhigh"),
    ],
)
def test_an_effort_is_the_nearest_that_the_template_knows(folder: Path, asked: str, told: str) -> None:
    options = {"enable_thinking": True, "reasoning_effort": asked}
    assert prompt(folder, "effort", user("Hi"), template_options=options).startswith(f"[{told}]")


def test_an_effort_that_no_scale_has_is_refused_in_the_templates_words(folder: Path) -> None:
    with pytest.raises(RequestError, match="refuses this conversation: Unknown effort huge") as refusal:
        prompt(folder, "effort", user("Hi"), template_options={"reasoning_effort": "huge"})
    assert str(refusal.value).count("refuses") == 1


@pytest.mark.parametrize(
    "function", [{"name": "put"}, {"name": "put", "parameters": {}}, {"name": "put", "parameters": {"type": "object"}}]
)
def test_a_tool_without_parameters_has_none(folder: Path, function: dict[str, Any]) -> None:
    text = prompt(folder, "coder", user("Hi"), tools=[{"type": "function", "function": function}])
    assert '"parameters": {"type": "object", "properties": {}}' in text
    prompt(folder, "harmony", user("Hi"), tools=[{"type": "function", "function": function}])


@pytest.mark.parametrize("template", ALL)
def test_what_the_assistant_has_begun_is_gone_on_with(folder: Path, template: str) -> None:
    text = prompt(folder, template, user("Where?"), said('{"capital": "'), prefill=True)
    assert text.endswith('{"capital": "')
    assert text.count("Where?") == 1
    spaced = prompt(folder, template, user("Where?"), said("It is \n"), prefill=True)
    assert spaced.endswith("It is \n")


def test_a_template_that_changes_an_answer_cannot_go_on_with_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TEMPLATES, "upper", TEMPLATES["chatml"].replace("message.content", "message.content | upper"))
    with pytest.raises(RequestError, match="cannot continue what the assistant has begun"):
        prompt(folder, "upper", user("Where?"), said("In Paris"), prefill=True)


def test_an_empty_answer_at_the_end_has_not_begun(folder: Path) -> None:
    assert prompt(folder, "chatml", user("Hi"), said("")) == prompt(folder, "chatml", user("Hi"))


def test_images_keep_their_place_when_turns_are_joined(folder: Path) -> None:
    wrapper, own = tokenizer(folder, "alternate")
    first = ChatMessage("user", "Look:\nand say", images=(b"1",), image_places=(5,))
    turns, _ = laid_out(wrapper, own, ChatRequest(messages=[first, ChatMessage("user", "And this?", images=(b"2",))]))
    assert [part.get("text", "image") for part in turns[0]["content"]] == [
        *("Look:", "image", "and say\n\n", "image", "And this?"),
    ]


def test_what_is_tried_is_tried_once(folder: Path) -> None:
    wrapper, own = tokenizer(folder, "strict system")
    rendered = 0
    render = own.render

    def counted(*arguments: Any) -> str:
        nonlocal rendered
        rendered += 1
        return str(render(*arguments))

    own.abilities(with_tools=False)._render = counted
    request = ChatRequest(messages=[system("A"), user("B"), system("C")])
    encode(wrapper, own, request)
    tried = rendered
    encode(wrapper, own, request)
    assert rendered == tried
