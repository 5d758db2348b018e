"""A llama-architecture GGUF file as an MLX model folder: weights, configuration and tokenizer.

MLX reads Q4_0, Q4_1 and Q8_0 blocks natively as its own affine quantization with groups of 32, without loss. On a
Mac they are kept; on a CPU, where quantized matrices are slow, they become float32.

Source of the layout: llama.cpp's `convert_hf_to_gguf.py` (tensor names, row permutation of the query and key
projections), https://github.com/ggml-org/llama.cpp.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ominix_core.errors import DownloadError
from ominix_core.mlx_setup import prepare

GROUP_SIZE = 32

_BLOCK_MODULES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_TOP_MODULES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_CONTROL_TOKEN = 3


def convert_gguf(source: Path, target: Path) -> None:
    """Write `target` from the GGUF file `source`. Raises DownloadError if it is not a llama GGUF."""
    prepare()
    import mlx.core as mx

    try:
        loaded: Any = mx.load(str(source), return_metadata=True)
        tensors, metadata = loaded
    except (RuntimeError, ValueError) as error:
        raise DownloadError(f"{source.name} is not a readable GGUF file: {error}") from error
    if metadata.get("general.architecture") != "llama":
        raise DownloadError(f"{source.name} holds a '{metadata.get('general.architecture')}' model, not a llama one.")

    heads = metadata["llama.attention.head_count"].item()
    kv_heads = metadata["llama.attention.head_count_kv"].item()
    weights = {_name(name): _unpermuted(name, array, heads, kv_heads) for name, array in tensors.items()}
    config = _config(metadata, tied="lm_head.weight" not in weights)
    if mx.metal.is_available():
        config["quantization"] = _quantization(weights)
        # float32 norms would lift every activation to float32
        weights = {n: a.astype(mx.float16) if a.dtype == mx.float32 else a for n, a in weights.items()}
    else:
        weights = _dequantized(weights)
        config["dtype"] = "float32"

    target.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(target / "model.safetensors"), weights, metadata={"format": "mlx"})
    _write_json(target / "config.json", config)
    _write_json(
        target / "generation_config.json",
        {"bos_token_id": config["bos_token_id"], "eos_token_id": config["eos_token_id"]},
    )
    _write_tokenizer(metadata, target)


def _name(gguf_name: str) -> str:
    """The Hugging Face name of a GGUF tensor."""
    module, _, part = gguf_name.rpartition(".")
    if module.startswith("blk."):
        _, layer, block_module = module.split(".")
        return f"model.layers.{layer}.{_BLOCK_MODULES[block_module]}.{part}"
    return f"{_TOP_MODULES[module]}.{part}"


def _unpermuted(gguf_name: str, array: Any, heads: int, kv_heads: int) -> Any:
    """Undo llama.cpp's reordering of query and key rows; it moves whole rows, so packed weights keep their meaning."""
    import mlx.core as mx

    if ".attn_q." in gguf_name:
        count = heads
    elif ".attn_k." in gguf_name:
        count = kv_heads
    else:
        return array
    rows = array.reshape(count, array.shape[0] // count // 2, 2, *array.shape[1:])
    return mx.contiguous(rows.swapaxes(1, 2).reshape(array.shape))


def _bits(weights: dict[str, Any], module: str) -> int:
    packed, scales = weights[f"{module}.weight"], weights[f"{module}.scales"]
    return int(packed.shape[-1] * 32 // (scales.shape[-1] * GROUP_SIZE))


def _quantization(weights: dict[str, Any]) -> dict[str, Any]:
    """The `quantization` block of config.json: 4 bits, and an entry for each module that differs."""
    quantization: dict[str, Any] = {"group_size": GROUP_SIZE, "bits": 4, "mode": "affine"}
    for name in weights:
        module, _, part = name.rpartition(".")
        if part == "scales" and (bits := _bits(weights, module)) != 4:
            quantization[module] = {"group_size": GROUP_SIZE, "bits": bits, "mode": "affine"}
    return quantization


def _dequantized(weights: dict[str, Any]) -> dict[str, Any]:
    """Every weight as a dense float32 matrix."""
    import mlx.core as mx

    dense = {}
    for name, array in weights.items():
        module, _, part = name.rpartition(".")
        if f"{module}.scales" not in weights:
            dense[name] = array.astype(mx.float32)
        elif part == "weight":
            dense[name] = mx.dequantize(
                array,
                weights[f"{module}.scales"].astype(mx.float32),
                weights[f"{module}.biases"].astype(mx.float32),
                group_size=GROUP_SIZE,
                bits=_bits(weights, module),
            )
    return dense


def _config(metadata: dict[str, Any], *, tied: bool) -> dict[str, Any]:
    def value(key: str) -> Any:
        return metadata[f"llama.{key}"].item()

    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": value("embedding_length"),
        "intermediate_size": value("feed_forward_length"),
        "num_hidden_layers": value("block_count"),
        "num_attention_heads": value("attention.head_count"),
        "num_key_value_heads": value("attention.head_count_kv"),
        "head_dim": value("rope.dimension_count"),
        "hidden_act": "silu",
        "rms_norm_eps": round(value("attention.layer_norm_rms_epsilon"), 8),
        "rope_theta": value("rope.freq_base"),
        "vocab_size": value("vocab_size"),
        "max_position_embeddings": value("context_length"),
        "tie_word_embeddings": tied,
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"].item(),
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"].item(),
    }


def _write_tokenizer(metadata: dict[str, Any], target: Path) -> None:
    """Rebuild the byte-level BPE tokenizer of the SmolLM2 family, which splits numbers into digits."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    if metadata["tokenizer.ggml.pre"] != "smollm":
        raise DownloadError(f"Tokenizers of the kind '{metadata['tokenizer.ggml.pre']}' cannot be converted.")
    tokens = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = metadata["tokenizer.ggml.token_type"].tolist()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    tokenizer.save(str(target / "tokenizer.json"))

    named = {
        f"{name}_token": tokens[metadata[f"tokenizer.ggml.{key}_token_id"].item()]
        for name, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"))
    }
    context = metadata["llama.context_length"].item()
    _write_json(
        target / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": context, **named},
    )
    (target / "chat_template.jinja").write_text(metadata["tokenizer.chat_template"], encoding="utf-8")


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
