"""A tiny random model that speaks Harmony, as gpt-oss does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.tiny_models import make_tiny_llm

MARKS = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>", "<|constrain|>")
TEMPLATE = """<|start|>system<|message|>Reasoning: {{ reasoning_effort or "medium" }}<|end|>
{%- if tools %}<|start|>developer<|message|># Tools
namespace functions {
{%- for tool in tools %}
type {{ tool.function.name }} = (_: any) => any;
{%- endfor %}
}<|end|>{% endif %}
{%- for message in messages %}
{%- if message.tool_calls %}
{%- for call in message.tool_calls %}<|start|>assistant to=functions.{{ call.function.name }}<|channel|>commentary json
{%- endfor %}<|message|>{{ message.tool_calls[0].function.arguments | tojson }}<|call|>
{%- elif message.role == "assistant" %}<|start|>assistant<|channel|>final<|message|>{{ message.content }}<|end|>
{%- else %}<|start|>{{ message.role }}<|message|>{{ message.content }}<|end|>
{%- endif %}
{%- endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}"""


def make_tiny_harmony(folder: Path, **config: Any) -> Path:
    """A tiny model whose tokenizer has Harmony's markers as tokens."""
    make_tiny_llm(folder, "llama", **config)
    path = folder / "tokenizer.json"
    text = path.read_text()
    for number, mark in enumerate(MARKS, start=8):
        text = text.replace(f'"<|reserved_{number}|>"', f'"{mark}"')
    path.write_text(text)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder
