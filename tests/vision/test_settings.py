"""Quantized KV caches of models that see, and settings that cannot be honoured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ominix_core.errors import LoadError
from ominix_core.generation import ChatMessage
from tests.support.tiny_vision_models import make_tiny_vlm, picture
from tests.vision.conftest import Driver, asking, decoded, turn

RED, BLUE = picture("red"), picture("blue", 60, 100)
# Heads wide enough for a quantization group.
WIDE = {"hidden_size": 64, "head_dim": 32}
ROPE = {"type": "mrope", "rope_type": "default", "mrope_section": [4, 6, 6], "mrope_interleaved": True}

Drive = Callable[..., Driver]


@pytest.fixture(scope="module")
def wide_vlms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("wide")
    texts = {
        "qwen3_vl": WIDE | {"rope_scaling": ROPE},
        "smolvlm": WIDE | {"num_attention_heads": 2, "num_key_value_heads": 1},
        "gemma3": WIDE,
    }
    return {family: make_tiny_vlm(root / family, family, text=text) for family, text in texts.items()}


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("family", ["qwen3_vl", "smolvlm"])
def test_with_quantized_caches_greedy_tokens_are_those_of_mlx_vlm(
    family: str,
    bits: int,
    wide_vlms: dict[str, Path],
    drive: Drive,
    straight_from_mlx_vlm: Callable[..., list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = wide_vlms[family]
    messages = (turn("First", RED), ChatMessage("assistant", "a red one"), turn("Second", BLUE))
    driver = drive(folder, kv_bits=bits)
    # What is read together is not quantized yet, so both have to read all of it together.
    monkeypatch.setattr(driver.engine._pace, "chunk", lambda *_, **__: 4096)
    told = driver.ask(asking(*messages))
    direct = straight_from_mlx_vlm(folder, *messages, kv_bits=bits, kv_group_size=32, quantized_kv_start=0)
    assert decoded(told) == direct


@pytest.mark.parametrize("family", ["qwen3_vl", "smolvlm", "gemma3"])
def test_quantized_caches_take_less_memory(family: str, wide_vlms: dict[str, Path], drive: Drive) -> None:
    sizes = []
    for bits in (0, 4):
        driver = drive(wide_vlms[family], kv_bits=bits)
        driver.ask(asking(turn("x" * 250, RED)))
        sizes.append(driver.engine._prefixes.nbytes)
    whole, quantized = sizes
    assert quantized < whole * 0.75, "in Gemma 3 half of the layers keep a sliding window, as it is"


def test_requests_with_quantized_caches_take_turns_and_reuse_prefixes(wide_vlms: dict[str, Path], drive: Drive) -> None:
    folder = wide_vlms["qwen3_vl"]
    requests = {name: asking(turn(name, image), max_tokens=20) for name, image in (("red", RED), ("blue", BLUE))}
    alone = {name: drive(folder, kv_bits=8).ask(request).tokens for name, request in requests.items()}
    together = drive(folder, kv_bits=8)
    for name, request in requests.items():
        together.submit(request, name)
    together.step(8)
    assert all(len(told.tokens) > 3 for told in together.told.values()), "nobody waits for the other"
    together.finish()
    assert {name: told.tokens for name, told in together.told.items()} == alone
    history = (turn("red", RED), ChatMessage("assistant", together.told["red"].text), turn("and now?"))
    assert together.ask(asking(*history)).end.usage.cached_tokens > 10


def test_heads_that_no_group_fits_are_told_when_the_model_is_loaded(drive: Drive) -> None:
    with pytest.raises(
        LoadError, match="KV cache of qwen3_vl cannot be quantized: its head dimension is 16"
    ) as refusal:
        drive("qwen3_vl", kv_bits=8)
    assert "kv_bits = 0 in config.toml" in str(refusal.value)


def test_a_cache_that_cannot_be_quantized_is_told_when_the_model_is_loaded(
    wide_vlms: dict[str, Path], drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: Any, **__: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr("mlx_vlm.models.cache.KVCache.to_quantized", cannot)
    with pytest.raises(LoadError, match="The setting 'kv_bits' cannot be used with smolvlm") as refusal:
        drive(wide_vlms["smolvlm"], kv_bits=8)
    assert "kv_bits = 0 in config.toml" in str(refusal.value)
