"""What models need and what a machine gives, against numbers worked out by hand."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ominix_core import memory
from ominix_core.guard import MemoryGuard
from ominix_core.memory import GB, KVCache, Machine, Need
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings

GIB = 1 << 30

QWEN3_8B = {
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 4096,
    "vocab_size": 151936,
    "sliding_window": None,
}


def _attention(layers: int, heads: int, hidden: int) -> dict[str, Any]:
    return {"num_hidden_layers": layers, "num_attention_heads": heads, "hidden_size": hidden}


@pytest.mark.parametrize(
    "config",
    [
        {"max_position_embeddings": "many"},
        {"thinker_config": "none", "text_config": ["none"]},
        {"text_config": {"model_type": ["a", "list"], "num_hidden_layers": {}}},
    ],
)
def test_a_configuration_that_makes_no_sense_is_weighed_all_the_same(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    entry = read_entry(
        {"id": "odd", "name": "Odd", "category": "LLM", "source": {"type": "Local", "path": str(tmp_path)}}
    )
    verdict = MemoryGuard(Settings(), read_machine=lambda: Machine(64 * GIB, 64 * GIB)).weigh(entry, tmp_path, 0)
    assert verdict.need.kv_cache == 0


class TestKVCache:
    @pytest.mark.parametrize(
        ("config", "per_token"),
        [
            (QWEN3_8B, 147_456),
            (
                {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096},
                131_072,
            ),
            (
                {"num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "hidden_size": 3584},
                57_344,
            ),
            ({"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}, 512),
        ],
        ids=["qwen3-8b", "mistral-7b", "qwen2-7b", "every head has its own cache"],
    )
    def test_full_attention(self, config: dict[str, Any], per_token: int) -> None:
        cache = memory.kv_cache_of(config, 2)
        assert cache.bytes_for(256) == per_token * 256
        assert cache.bytes_for(257) == per_token * 512, "it grows in steps of 256"

    def test_sliding_layers_stop_at_their_window(self) -> None:
        kinds = (["sliding_attention"] * 5 + ["full_attention"]) * 4
        config = QWEN3_8B | {"num_hidden_layers": 24, "layer_types": kinds, "sliding_window": 1024}
        cache = memory.kv_cache_of(config, 2)
        layer = 2 * 8 * 128 * 2
        assert cache.bytes_for(8192) == layer * (4 * 8192 + 20 * 1024)

    def test_linear_layers_do_not_grow(self) -> None:
        config = QWEN3_8B | {"num_hidden_layers": 48, "full_attention_interval": 4}
        assert memory.kv_cache_of(config, 2).full_layer_bytes == 12 * 2 * 8 * 128 * 2

    def test_a_window_without_sliding_layers_changes_nothing(self) -> None:
        assert memory.kv_cache_of(QWEN3_8B | {"sliding_window": 4096}, 2) == memory.kv_cache_of(QWEN3_8B, 2)

    def test_latent_attention_keeps_one_compressed_vector(self) -> None:
        config = {"num_hidden_layers": 61, "num_attention_heads": 128, "kv_lora_rank": 512, "qk_rope_head_dim": 64}
        assert memory.kv_cache_of(config, 2).full_layer_bytes == 61 * 576 * 2

    def test_the_text_part_of_a_vision_model_counts(self) -> None:
        assert memory.kv_cache_of({"text_config": QWEN3_8B}, 2) == memory.kv_cache_of(QWEN3_8B, 2)

    def test_so_does_that_of_a_speech_model(self) -> None:
        config = {"thinker_config": {"text_config": QWEN3_8B, "audio_config": {"num_hidden_layers": 99}}}
        assert memory.kv_cache_of(config, 2) == memory.kv_cache_of(QWEN3_8B, 2)

    @given(
        full=st.integers(0, 10**6),
        sliding=st.integers(0, 10**6),
        window=st.integers(1, 64).map(lambda steps: steps * 256),
        room=st.integers(0, 10**12),
    )
    def test_what_fits_fits_and_one_step_more_does_not(self, full: int, sliding: int, window: int, room: int) -> None:
        cache = KVCache(full, sliding, window)
        tokens = cache.tokens_in(room)
        if 0 < tokens < 10**15:
            assert cache.bytes_for(tokens) <= room
            assert cache.bytes_for(tokens + 256) > room

    @given(st.dictionaries(st.sampled_from(sorted(QWEN3_8B)), st.none() | st.text() | st.integers() | st.floats()))
    def test_no_config_breaks_it(self, config: dict[str, Any]) -> None:
        assert memory.kv_cache_of(config, 2).bytes_for(1000) >= 0


class TestNeed:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "config.json").write_text(json.dumps(QWEN3_8B | {"torch_dtype": "bfloat16"}))
        (tmp_path / "model-1.safetensors").write_bytes(bytes(1_000_000))
        (tmp_path / "model-2.safetensors").write_bytes(bytes(3_000_000))
        return tmp_path

    def test_every_part_counts(self, folder: Path) -> None:
        need = memory.need_of(folder, 8192, dense_float32=False)
        assert need.weights == 4_200_000
        assert need.kv_cache == 147_456 * 8192
        assert need.activations == 2048 * (151_936 * 4 + 8 * 4096 * 2)
        assert need.total == need.weights + need.kv_cache + need.activations

    def test_only_files_of_the_index_count(self, folder: Path) -> None:
        index = {"weight_map": {"a": "model-1.safetensors", "b": "model-1.safetensors"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        assert memory.weight_bytes(folder) == 1_000_000

    def test_half_precision_doubles_on_a_cpu_unless_quantized(self, folder: Path) -> None:
        dense = memory.need_of(folder, 256, dense_float32=True)
        assert dense.weights == 8_400_000
        (folder / "config.json").write_text(json.dumps(QWEN3_8B | {"torch_dtype": "bfloat16", "quantization": {}}))
        assert memory.need_of(folder, 256, dense_float32=True).weights == 4_200_000

    def test_weights_in_numpys_format_count_where_there_are_no_others(self, tmp_path: Path) -> None:
        (tmp_path / "weights.npz").write_bytes(bytes(2_000_000))
        assert memory.weight_bytes(tmp_path) == 2_000_000

    def test_weights_as_pytorch_saves_them_are_counted_with_those_of_every_part(self, tmp_path: Path) -> None:
        for folder, size in (("", 2_000_000), ("vad", 500_000)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / "model.pt").write_bytes(bytes(size))
        assert memory.weight_bytes(tmp_path) == 2_500_000

    def test_a_speech_model_needs_room_for_a_chunk_not_for_a_conversation(self, folder: Path) -> None:
        entry = {"id": "speech", "name": "Speech", "source": {"type": "Unavailable"}}
        machine = Machine(64 * GIB, 64 * GIB)
        guard = MemoryGuard(Settings(context=32_768), read_machine=lambda: machine)
        chat, speech = (
            guard.weigh(read_entry(entry | {"category": category}), folder, 0).need for category in ("LLM", "ASR")
        )
        assert speech.weights == chat.weights
        assert speech.kv_cache < chat.kv_cache / 20
        assert speech.activations < chat.activations

    def test_the_registry_is_a_floor_only(self, folder: Path) -> None:
        measured = memory.need_of(folder, 8192, dense_float32=False)
        assert memory.need_of(folder, 8192, dense_float32=False, floor=1).total == measured.total
        assert memory.need_of(folder, 8192, dense_float32=False, floor=20 * GB).total == 20 * GB


class TestVerdict:
    def test_the_words_of_a_refusal(self) -> None:
        need = Need(weights=8 * GB, kv_cache=GB, activations=GB // 2)
        verdict = memory.judge(need, 61 * GB // 10, "balanced", KVCache(147_456), others_loaded=True)
        assert not verdict.fits
        assert verdict.message == "Needs 9.5 GB, only 6.1 GB available. Unload another model first."

    def test_a_smaller_context_is_offered_if_it_would_do(self) -> None:
        need = Need(weights=4 * GB, kv_cache=2 * GB, activations=GB // 2)
        verdict = memory.judge(need, 6 * GB, "balanced", KVCache(147_456), others_loaded=False)
        assert "Close other programs first." in verdict.message
        assert "a context of 9,984 tokens" in verdict.message
        assert 15 * GB // 10 >= 147_456 * 9_984

    def test_off_always_fits(self) -> None:
        assert memory.judge(Need(10**15, 0, 0), 0, "off", KVCache(), others_loaded=False).fits

    @pytest.mark.parametrize(
        ("machine", "used", "level", "room"),
        [
            (Machine(16 * GIB, 12 * GIB), 0, "balanced", 8 * GIB),
            (Machine(8 * GIB, 6 * GIB), 0, "balanced", 4 * GIB),
            (Machine(64 * GIB, 20 * GIB), 0, "safe", 20 * GIB),
            (Machine(64 * GIB, 60 * GIB, 48 * GIB), 10 * GIB, "aggressive", 38 * GIB),
            (Machine(16 * GIB, GIB), 20 * GIB, "safe", 0),
        ],
        ids=["reserve", "small machine", "what is free now", "what the GPU may wire", "never negative"],
    )
    def test_room(self, machine: Machine, used: int, level: memory.GuardLevel, room: int) -> None:
        assert memory.room_on(machine, used, level) == room

    def test_this_machine_can_be_read(self) -> None:
        machine = memory.read_machine()
        assert 0 < machine.available <= machine.total


class TestGpuLimit:
    @pytest.fixture
    def kernel(self, monkeypatch: pytest.MonkeyPatch) -> dict[bytes, int]:
        """What a Mac's kernel answers, by name."""
        known: dict[bytes, int] = {}

        class Library:
            @ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_char_p, *[ctypes.c_void_p] * 3, ctypes.c_size_t])
            def sysctlbyname(name: bytes, value: int, size: int, new: int, new_size: int) -> int:
                if name not in known:
                    return -1
                ctypes.c_int32.from_address(value).value = known[name]
                ctypes.c_size_t.from_address(size).value = 4
                return 0

        monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
        return known

    def test_what_the_user_set_counts_at_once(self, kernel: dict[bytes, int]) -> None:
        assert memory._gpu_limit(64 * GIB) == 48 * GIB
        kernel[b"iogpu.wired_limit_mb"] = 0
        assert memory._gpu_limit(16 * GIB) == 16 * GIB * 2 // 3
        kernel[b"iogpu.wired_limit_mb"] = 57_344
        assert memory._gpu_limit(64 * GIB) == 56 * GIB
