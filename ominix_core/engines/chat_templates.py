"""Chat templates of a model by their names, from every place where transformers looks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ominix_core.memory import read_config

DEFAULT, TOOL_USE = "default", "tool_use"


def chat_templates(folder: Path) -> dict[str, str]:
    """The templates in `folder`; those in files of their own go before those in configurations.

    Where none is called "default", the only one, or that for tools, stands in for it.
    """
    templates: dict[str, str] = {}
    for file in ("chat_template.json", "processor_config.json", "tokenizer_config.json"):
        templates |= _named(read_config(folder, file).get("chat_template"))
    templates |= _read(folder / "chat_template.jinja", DEFAULT)
    for path in sorted((folder / "additional_chat_templates").glob("*.jinja")):
        templates |= _read(path, path.stem)
    if templates and DEFAULT not in templates:
        templates[DEFAULT] = templates.get(TOOL_USE) or next(iter(templates.values()))
    return templates


def template_for_tools(templates: dict[str, str]) -> str | None:
    """The one that conversations with tools are written with."""
    return templates.get(TOOL_USE) or templates.get(DEFAULT)


def chosen(template: Any, tools: Any) -> str | None:
    """Which of a tokenizer's or processor's templates suits a conversation; None if it has one alone, or none."""
    if not isinstance(template, dict):
        return None
    name = TOOL_USE if tools and TOOL_USE in template else DEFAULT
    found: str | None = template.get(name)
    return found


def as_transformers_keeps_them(templates: dict[str, str]) -> str | dict[str, str] | None:
    """For the attribute `chat_template`: a single template is no dictionary."""
    return templates if len(templates) > 1 else templates.get(DEFAULT)


def _named(value: Any) -> dict[str, str]:
    """What a configuration has under `chat_template`: a template, a dictionary of them, or a list of pairs."""
    if isinstance(value, str):
        return {DEFAULT: value}
    if isinstance(value, list):
        value = {pair.get("name"): pair.get("template") for pair in value if isinstance(pair, dict)}
    if not isinstance(value, dict):
        return {}
    return {name: text for name, text in value.items() if isinstance(name, str) and isinstance(text, str)}


def _read(path: Path, name: str) -> dict[str, str]:
    try:
        return {name: path.read_text("utf-8-sig")}
    except (OSError, UnicodeError):
        return {}
