"""Tokenizers as their files have them: the splitting of tokenizer.json, every chat template, every end of an answer."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from ominix_core.engines.chat_templates import as_transformers_keeps_them, chat_templates, template_for_tools
from ominix_core.engines.ends import ends_of
from ominix_core.memory import read_config
from ominix_core.mlx_setup import open_file_limit_kept


def load_tokenizer(folder: Path, *, allow_code: bool = False) -> Any:
    """mlx-lm's wrapper of the tokenizer in `folder`, with `eos_token_ids` and `chat_template` from all of its files.

    Args:
        allow_code: Whether the checkpoint's own Python may be run.
    """
    with open_file_limit_kept():
        from mlx_lm.utils import load_tokenizer

    split_as_written(folder)
    templates = chat_templates(folder)
    options: dict[str, Any] = {"trust_remote_code": allow_code}
    if parser := _tool_parser(folder, templates):
        options["tool_parser_type"] = parser
    tokenizer = load_tokenizer(folder, options)
    if templates:
        tokenizer.chat_template = as_transformers_keeps_them(templates)
        tokenizer.has_chat_template = True
    tokenizer.eos_token_ids = ends_of(folder, tokenizer)
    return tokenizer


def _tool_parser(folder: Path, templates: dict[str, str]) -> str | None:
    """mlx-lm's name for the form of the calls; it infers none from a dictionary of templates, or a processor's."""
    from mlx_lm.tokenizer_utils import _infer_tool_parser

    if stated := read_config(folder, "tokenizer_config.json").get("tool_parser_type"):
        return str(stated)
    inferred: str | None = _infer_tool_parser(_OnlyTemplate(template_for_tools(templates)))
    return inferred


class _OnlyTemplate:
    """A tokenizer of which the template alone counts; mlx-lm looks at the vocabulary later, by itself."""

    def __init__(self, chat_template: str | None) -> None:
        self.chat_template = chat_template

    def get_vocab(self) -> dict[str, int]:
        return {}


def split_as_written(folder: Path) -> None:
    """Let transformers split text as the tokenizer.json of the model in `folder` says, whatever class it is for."""
    if any(next(folder.glob(pattern), None) for pattern in ("tokenizer.json", "*/tokenizer.json")):
        _patch_transformers()  # elsewhere it is not worth the second that its import takes


@functools.cache
def _patch_transformers() -> None:
    """Let its tokenizers read all of a tokenizer.json.

    Many of its classes (Qwen2Tokenizer, LlamaTokenizer, GemmaTokenizer and so on) take the vocabulary from the file
    alone and build the rest as their first models had it. Given the file as well, their base class reads all of it.
    """
    from transformers import TokenizersBackend

    built: Any = TokenizersBackend.convert_to_native_format.__func__  # type: ignore[attr-defined]

    def convert_to_native_format(cls: Any, *args: Any, **options: Any) -> Any:
        converted = built(cls, *args, **options)
        file = options.get("tokenizer_file")
        if file is not None and os.path.isfile(file) and "tokenizer_object" not in converted:
            converted["tokenizer_file"] = file
        return converted

    TokenizersBackend.convert_to_native_format = classmethod(convert_to_native_format)  # type: ignore[assignment]
