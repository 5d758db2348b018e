"""What models that see need: the KV cache of their language model, also where their configuration says little."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ominix_core.memory import need_of, text_config

QWEN = {
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 2560,
}


@pytest.mark.parametrize("name", ["text_config", "llm_config", "language_config"])
def test_the_cache_is_that_of_the_language_model(name: str, tmp_path: Path) -> None:
    vision = {"num_hidden_layers": 99, "num_attention_heads": 99, "hidden_size": 9900}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vlm", name: QWEN, "vision_config": vision}))
    assert need_of(tmp_path, 4096, dense_float32=False).kv_cache == 4096 * 36 * 2 * 8 * 128 * 2


def test_gemma_3_keeps_most_layers_in_a_window_though_it_does_not_say_so(tmp_path: Path) -> None:
    text = {"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 34, "sliding_window": 1024}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma3", "text_config": text}))
    layer = 2 * 4 * 256 * 2
    assert need_of(tmp_path, 8192, dense_float32=False).kv_cache == 5 * layer * 8192 + 29 * layer * 1024


@pytest.mark.parametrize("config", [{}, {"text_config": None}, {"text_config": {}}, {"text_config": "odd"}])
def test_a_configuration_without_a_part_for_text_is_the_texts_own(config: dict[str, Any]) -> None:
    assert text_config(config | {"num_hidden_layers": 2})["num_hidden_layers"] == 2
