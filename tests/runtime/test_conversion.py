"""Converting a GGUF file keeps its meaning, on the CPU as on a Mac's GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ominix_core.conversion import convert
from ominix_core.errors import DownloadError
from ominix_core.mlx_setup import prepare


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"not a model")
    with pytest.raises(DownloadError, match=r"model\.gguf is not a readable GGUF file"):
        convert("gguf-llama", file, tmp_path / "out")


def test_an_unknown_converter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="no converter 'future'"):
        convert("future", tmp_path / "x", tmp_path / "out")


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A one-layer llama in float16, written by MLX's own GGUF writer, with a small byte-level tokenizer."""
    prepare()
    import mlx.core as mx

    from tests.support.tiny_models import VOCABULARY, byte_alphabet

    mx.random.seed(0)
    width, kv, hidden = 64, 32, 128
    shapes = {
        "token_embd": (VOCABULARY, width),
        "output_norm": (width,),
        "blk.0.attn_norm": (width,),
        "blk.0.ffn_norm": (width,),
        "blk.0.attn_q": (width, width),
        "blk.0.attn_k": (kv, width),
        "blk.0.attn_v": (kv, width),
        "blk.0.attn_output": (width, width),
        "blk.0.ffn_gate": (hidden, width),
        "blk.0.ffn_up": (hidden, width),
        "blk.0.ffn_down": (width, hidden),
    }
    weights = {f"{name}.weight": mx.random.normal(shape).astype(mx.float16) for name, shape in shapes.items()}
    metadata: dict[str, Any] = {
        "general.architecture": "llama",
        "llama.embedding_length": mx.array(width),
        "llama.feed_forward_length": mx.array(hidden),
        "llama.block_count": mx.array(1),
        "llama.attention.head_count": mx.array(4),
        "llama.attention.head_count_kv": mx.array(2),
        "llama.attention.layer_norm_rms_epsilon": mx.array(1e-5),
        "llama.rope.dimension_count": mx.array(16),
        "llama.rope.freq_base": mx.array(10000.0),
        "llama.context_length": mx.array(512),
        "llama.vocab_size": mx.array(VOCABULARY),
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": [*byte_alphabet(), "ab", *(f"<{i}>" for i in range(VOCABULARY - 257))],
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.token_type": mx.array([1] * 257 + [3] * (VOCABULARY - 257)),
        "tokenizer.chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}",
    }
    for index, name in enumerate(("bos", "eos", "unknown", "padding")):
        metadata[f"tokenizer.ggml.{name}_token_id"] = mx.array(257 + index)
    path = tmp_path / "tiny.gguf"
    mx.save_gguf(str(path), weights, metadata)
    return path


def test_query_and_key_rows_return_to_their_order(gguf: Path, tmp_path: Path) -> None:
    import mlx.core as mx

    convert("gguf-llama", gguf, tmp_path / "out")
    packed = mx.load(str(gguf))
    converted = mx.load(str(tmp_path / "out" / "model.safetensors"))
    query = converted["model.layers.0.self_attn.q_proj.weight"]
    assert query.dtype == mx.float32
    # llama.cpp interleaves the two halves of each head's rotary pairs: rows 0, 8, 1, 9 … of a head of 16
    interleaved = [head * 16 + half * 8 + pair for head in range(4) for pair in range(8) for half in range(2)]
    assert mx.allclose(query[mx.array(interleaved)], packed["blk.0.attn_q.weight"].astype(mx.float32))
    assert mx.allclose(
        converted["model.layers.0.self_attn.v_proj.weight"], packed["blk.0.attn_v.weight"].astype(mx.float32)
    )
