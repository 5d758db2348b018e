"""A tiny Qwen3-ASR that hears the same words in everything."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ominix_core.mlx_setup import open_file_limit_kept, prepare
from tests.support.tiny_models import write_byte_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_AUDIO_MARKS = ["<|audio_start|>", "<|audio_pad|>", "<|audio_end|>", "<asr_text>"]
_AUDIO = {
    "num_mel_bins": 80,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "d_model": 16,
    "downsample_hidden_size": 8,
}


def scripted_qwen3_asr(folder: Path, script: str, language: str) -> Path:
    """It finds `language` (a name such as "German") to be spoken. Every word of the script may occur once only.

    Attention is silent; each token has a dimension of its own, and the MLP leads every token of the chain to the next.
    """
    prepare()
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from tokenizers import AddedToken, Tokenizer

    with open_file_limit_kept():
        from mlx_audio.stt.models.qwen3_asr import Model, ModelConfig

    folder.mkdir(parents=True, exist_ok=True)
    write_byte_tokenizer(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    words = [f" {word}" for word in script.split()]
    spoken = ["language", f" {language}"]
    tokenizer.add_special_tokens([AddedToken(mark, normalized=False) for mark in _AUDIO_MARKS])
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in (*spoken, *words)])
    tokenizer.save(str(folder / "tokenizer.json"))

    size = tokenizer.get_vocab_size()
    width = size + -size % 16
    config = _config(tokenizer, size, width, language)
    model = Model(ModelConfig.from_dict(config))
    weights = {
        name: mx.ones_like(array) if "norm" in name or name.startswith("audio_tower.ln") else mx.zeros_like(array)
        for name, array in tree_flatten(model.parameters())
    }
    weights["model.embed_tokens.weight"] = mx.eye(size, width)
    chain = [tokenizer.token_to_id(token) for token in ("Ċ", *spoken, "<asr_text>", *words, "<|im_end|>")]
    listen, lead = mx.zeros((width, width)), mx.zeros((width, width))
    for row, (token, following) in enumerate(itertools.pairwise(chain)):
        listen[row, token] = 1.0
        lead[following, row] = 1.0
    for name, array in {"gate_proj": listen, "up_proj": listen, "down_proj": lead}.items():
        weights[f"model.layers.0.mlp.{name}.weight"] = array
    half = {name: array.astype(mx.bfloat16) for name, array in weights.items()}
    mx.save_safetensors(str(folder / "model.safetensors"), half, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    listener = {"feature_size": 80, "sampling_rate": 16000, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
    (folder / "preprocessor_config.json").write_text(json.dumps(listener))
    return folder


def _config(tokenizer: Tokenizer, size: int, width: int, language: str) -> dict[str, Any]:
    start, pad, end, _ = map(tokenizer.token_to_id, _AUDIO_MARKS)
    text = {
        "model_type": "qwen3",
        "vocab_size": size,
        "hidden_size": width,
        "intermediate_size": width,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
    }
    thinker = {
        "audio_config": {**_AUDIO, "output_dim": width},
        "text_config": text,
        "audio_start_token_id": start,
        "audio_token_id": pad,
        "audio_end_token_id": end,
    }
    return {
        "model_type": "qwen3_asr",
        "torch_dtype": "bfloat16",
        "support_languages": ["English", language],
        "thinker_config": thinker,
    }
