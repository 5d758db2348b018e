"""How a model's markers are known from its tokenizer and template."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ominix_core.engines.output.forms import FORMS
from ominix_core.engines.output.markup import HARMONY, markup_of, opens_thought
from tests.support.harmony import make_tiny_harmony
from tests.support.tiny_models import CHAT_TEMPLATE, write_byte_tokenizer


def load(folder: Path, template: str = CHAT_TEMPLATE, **renamed: str) -> object:
    """mlx-lm's wrapper of a tokenizer with this template, some of whose tokens have other names."""
    from mlx_lm.tokenizer_utils import load as load_tokenizer

    write_byte_tokenizer(folder, template)
    path = folder / "tokenizer.json"
    text = path.read_text()
    for number, name in renamed.items():
        text = text.replace(
            json.dumps(f"<|reserved_{number.removeprefix('r')}|>"), json.dumps(name, ensure_ascii=False)
        )
    path.write_text(text)
    return load_tokenizer(folder)


@pytest.mark.parametrize(
    ("template", "form"),
    [
        (CHAT_TEMPLATE, "json_tools"),
        ("{% for tool in tools %}<tool_call>{{ tool['name'] }}{% endfor %}", "json_tools"),
        ("<tool_call>\n<function=name>", "qwen3_coder"),
        ("<tool_call>{name}\n<arg_key>", "glm47"),
        ("<seed:tool_call>\n<function=name>", "seed"),
        ("<minimax:tool_call>", "minimax_m2"),
        ("<|tool_call>call:name{}<tool_call|>", "gemma4"),
        ("<start_function_call>", "function_gemma"),
        ("<|tool_call_start|>[name()]", "pythonic"),
        ("<|tool_calls_section_begin|>", "kimi_k2"),
        ("<｜tool▁calls▁begin｜>", "deepseek"),
        ("[TOOL_CALLS]", "mistral"),
        ("<|START_ACTION|>", "cohere"),
        ("<TOOLCALL>", "nemotron"),
        ("<|tool_call|>[]<|/tool_call|>", "phi4"),
        ('<|start_header_id|>{% if tools %}{"name": , "parameters": }{% endif %}', "llama3"),
        ("{{ messages }}", None),
    ],
)
def test_the_form_of_calls(tmp_path: Path, template: str, form: str | None) -> None:
    markup = markup_of(load(tmp_path, template))
    assert markup.form is (FORMS[form] if form else None)
    assert markup.can_call is (form is not None)


def test_templates_by_name(tmp_path: Path) -> None:
    """Where there is one for tools, it counts."""
    tokenizer: object = load(tmp_path)
    tokenizer.chat_template = {"default": "{{ messages }}", "tool_use": CHAT_TEMPLATE}  # type: ignore[attr-defined]
    assert markup_of(tokenizer).form is FORMS["json_tools"]


@pytest.mark.parametrize(
    ("start", "end"),
    [("[THINK]", "[/THINK]"), ("<seed:think>", "</seed:think>"), ("<|START_THINKING|>", "<|END_THINKING|>")],
)
def test_how_thoughts_begin_and_end(tmp_path: Path, start: str, end: str) -> None:
    write_byte_tokenizer(tmp_path)
    text = (tmp_path / "tokenizer.json").read_text()
    (tmp_path / "tokenizer.json").write_text(text.replace('"<think>"', f'"{start}"').replace('"</think>"', f'"{end}"'))
    from mlx_lm.tokenizer_utils import load as load_tokenizer

    tokenizer = load_tokenizer(tmp_path)
    markup = markup_of(tokenizer)
    assert markup.thinking is not None
    assert (markup.thinking.start, markup.thinking.end) == (start, end)
    assert [len(tokens) for tokens in markup.thought_tokens] == [1, 1]


@pytest.mark.parametrize(
    ("prompt", "opened"),
    [
        ("assistant\n<think>\n", True),
        ("assistant\n<think>", True),
        ("assistant\n<think>\n\n</think>\n\n", False),
        ("user\nWhat does <think> do?<|im_end|>\n<|im_start|>assistant\n", False),
        ("user\n<think><|im_end|>\n<|im_start|>assistant\n", False),
        ("assistant\n", False),
    ],
)
def test_whether_the_template_has_opened_a_thought(tmp_path: Path, prompt: str, opened: bool) -> None:
    tokenizer = load(tmp_path)
    assert opens_thought(tokenizer, tokenizer.encode(prompt, add_special_tokens=False)) is opened  # type: ignore[attr-defined]


class TestHarmony:
    def test_it_is_known_by_its_tokens(self, tmp_path: Path) -> None:
        from mlx_lm.tokenizer_utils import load as load_tokenizer

        markup = markup_of(load_tokenizer(make_tiny_harmony(tmp_path)))
        assert markup.channels is HARMONY
        assert markup.can_call
        assert [len(tokens) for tokens in markup.thought_tokens] == [2 + len("analysis"), 1]

    def test_it_is_known_by_its_template(self, tmp_path: Path) -> None:
        template = "<|start|>system<|message|>Help.<|end|>{{ messages }}<|start|>assistant"
        assert markup_of(load(tmp_path, template)).channels is HARMONY
