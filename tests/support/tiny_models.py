"""Tiny random language models in the folder layouts that mlx-lm loads: noise as text, but real in everything else."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from ominix_core.mlx_setup import open_file_limit_kept, prepare

SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"]
SPECIAL_TOKENS += ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
SPECIAL_TOKENS += ["<start_of_image>", "<end_of_image>", "<image_soft_token>"]
# Every id of the padded vocabulary needs a token, because detokenizers look each one up.
SPECIAL_TOKENS += [f"<|reserved_{index}|>" for index in range(32 - len(SPECIAL_TOKENS))]
VOCABULARY = 256 + len(SPECIAL_TOKENS)

CHAT_TEMPLATE = """{%- for tool in tools or [] %}{{ tool | tojson }}
{% endfor %}{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}
{%- for tool_call in message.tool_calls or [] %}{% set tool_call = tool_call.function %}
<tool_call>{"name": "{{ tool_call.name }}", "arguments": {{ tool_call.arguments | tojson }}}</tool_call>
{%- endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

_BASE: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-6,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 4096,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}
_MIXTURE = {"moe_intermediate_size": 64, "num_experts_per_tok": 2, "norm_topk_prob": True}

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": None},
    "qwen2": {},
    "qwen3": {},
    "qwen3_moe": {**_MIXTURE, "num_experts": 4, "decoder_sparse_step": 1, "mlp_only_layers": []},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "glm4": {"attention_bias": True, "partial_rotary_factor": 0.5},
    "glm4_moe": {
        **_MIXTURE,
        "attention_bias": True,
        "partial_rotary_factor": 0.5,
        "n_group": 1,
        "topk_group": 1,
        "n_shared_experts": 1,
        "n_routed_experts": 4,
        "routed_scaling_factor": 1.0,
        "first_k_dense_replace": 1,
        "use_qk_norm": True,
        "rope_scaling": None,
    },
}


def make_tiny_llm(folder: Path, architecture: str = "qwen3", *, seed: int = 0, **config: Any) -> Path:
    """Write a model of about 0.5 MB to `folder`; keywords override its config.json. One token is one byte of text."""
    prepare()
    import mlx.core as mx
    from mlx.utils import tree_flatten

    with open_file_limit_kept():
        from mlx_lm.utils import _get_classes

    folder.mkdir(parents=True, exist_ok=True)
    end = write_byte_tokenizer(folder)
    full = {"model_type": architecture, **_BASE, **ARCHITECTURES[architecture], "eos_token_id": end, **config}
    model_class, arguments_class = _get_classes(dict(full))
    mx.random.seed(seed)
    weights = dict(tree_flatten(model_class(arguments_class.from_dict(full)).parameters()))
    mx.eval(weights)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(full, indent=1))
    return folder


def byte_alphabet() -> list[str]:
    """The 256 characters that stand for the bytes in a byte-level tokenizer."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def write_byte_tokenizer(folder: Path, chat_template: str = CHAT_TEMPLATE, **settings: Any) -> int:
    """Write a tokenizer of the 256 bytes and the special tokens; returns the id of the end-of-turn token."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(vocab={char: index for index, char in enumerate(byte_alphabet())}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    visible = {"<think>", "</think>", "<tool_call>", "</tool_call>"}
    tokenizer.add_special_tokens(
        [AddedToken(token, special=token not in visible, normalized=False) for token in SPECIAL_TOKENS]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        **settings,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 4096,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(chat_template)
    end: int = tokenizer.token_to_id("<|im_end|>")
    return end


def scripted_llm(folder: Path, script: str) -> Path:
    """A model that answers every conversation with `script` and then stops.

    The script is cut into distinct pieces, each a token of its own. Attention and MLP are silent, the embedding gives
    each token a direction of its own, and the output matrix maps it to its successor: first piece after the newline
    that ends the prompt, end of turn after the last piece.
    """
    prepare()
    import mlx.core as mx
    from tokenizers import AddedToken, Tokenizer

    make_tiny_llm(folder, "llama")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pieces = _distinct_pieces(script)
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in pieces])
    tokenizer.save(str(folder / "tokenizer.json"))

    chain = [tokenizer.token_to_id(token) for token in ("Ċ", *pieces, "<|im_end|>")]
    vocabulary = tokenizer.get_vocab_size()
    width = vocabulary + -vocabulary % 16
    config = json.loads((folder / "config.json").read_text())
    config |= {"vocab_size": vocabulary, "hidden_size": width, "num_hidden_layers": 1, "head_dim": width // 4}
    weights = _silent_llama(config)
    successor = [[0.0] * width for _ in range(vocabulary)]
    for token, following in itertools.pairwise(chain):
        successor[following][token] = 10.0
    weights["lm_head.weight"] = mx.array(successor)
    weights["model.embed_tokens.weight"] = mx.eye(vocabulary, width)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _distinct_pieces(script: str) -> list[str]:
    """Cut so that no piece occurs twice, and none is a token that the tokenizer has already."""
    pieces: list[str] = []
    start = 0
    for end in range(1, len(script) + 1):
        piece = script[start:end]
        if len(piece) > 1 and piece not in pieces:
            pieces.append(piece)
            start = end
    if start < len(script):
        pieces[-1] += script[start:]
    return pieces


def _silent_llama(config: dict[str, Any]) -> dict[str, Any]:
    """The weights of a llama that passes every token on unchanged."""
    import mlx.core as mx
    from mlx.utils import tree_flatten

    with open_file_limit_kept():
        from mlx_lm.utils import _get_classes

    model_class, arguments_class = _get_classes(dict(config))
    model = model_class(arguments_class.from_dict(config))
    return {
        name: mx.ones_like(array) if "norm" in name else mx.zeros_like(array)
        for name, array in tree_flatten(model.parameters())
    }


def make_endless_llm(folder: Path) -> Path:
    """A tiny model whose answers only end at max tokens: its end of turn lies outside its vocabulary and template."""
    from tokenizers import Tokenizer

    make_tiny_llm(folder, eos_token_id=VOCABULARY)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE.replace("<|im_end|>", ""))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens(["<|never|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"eos_token": "<|never|>"}))
    return folder
