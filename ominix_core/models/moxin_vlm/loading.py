"""Reading a checkpoint: the authors' own layout, or the 8-bit one of OminiX."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from ominix_core.errors import DamagedModelError, LoadError
from ominix_core.memory import read_config, text_config
from ominix_core.models.moxin_vlm.model import MoxinVLM
from ominix_core.models.moxin_vlm.vision import TowerShape

DINO, SIGLIP = "vision_backbone.featurizer", "vision_backbone.fused_featurizer"
# What the checkpoint may leave unsaid; `memory` knows the sizes.
_TEXT_DEFAULTS = {"intermediate_size": 14336, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False}
_QUANTIZED = {"8bit": 8, "4bit": 4}
GROUP = 64

_NAMES = [
    (re.compile(r"^llm_backbone\.llm\."), "language_model."),
    (re.compile(r"^projector\.(?:projector\.)?0\."), "projector.fc1."),
    (re.compile(r"^projector\.(?:projector\.)?2\."), "projector.fc2."),
    (re.compile(r"^projector\.(?:projector\.)?4\."), "projector.fc3."),
    (re.compile(r"^vision_backbone\.featurizer\.0\."), f"{DINO}."),
    (re.compile(r"^vision_backbone\.featurizer\.1\."), f"{SIGLIP}."),
    (re.compile(r"\.register_tokens$"), ".reg_token"),
    (re.compile(r"\.scale_factor$"), ".gamma"),
    (re.compile(r"\.inner\.weight$"), ".weight"),
    (re.compile(r"(\.attn)\.out_proj\."), r"\1.proj."),
]
# The towers' features are those before their last norm; pooling and classification are for other uses of them.
_UNUSED = re.compile(r"^vision_backbone\.\w+\.(norm|fc_norm|head|attn_pool)\b|rotary_emb\.inv_freq$")


def load(folder: Path, variant: str = "") -> MoxinVLM:
    """The model in `folder`, its weights not yet read from disk. Raises LoadError.

    Args:
        variant: "8bit" or "4bit" quantizes a language model that is not quantized yet; empty leaves it as it is.
    """
    if variant and variant not in _QUANTIZED:
        raise LoadError(f"'{variant}' is no variant of {folder.name}: it can be loaded as 8bit, as 4bit or as it is.")
    weights = rename({name: array for path in sorted(folder.glob("*.safetensors")) for name, array in _read(path)})
    try:
        dino, siglip = TowerShape.of(weights, DINO), TowerShape.of(weights, SIGLIP)
    except (KeyError, ValueError) as error:
        raise DamagedModelError(f"{folder.name} holds no Moxin-VLM: its weights lack {error}.") from error
    model = MoxinVLM(dino, siglip, _text_arguments(folder))
    _use_quantized(model, weights)
    last_blocks = {f"{DINO}.blocks.{dino.depth}.", f"{SIGLIP}.blocks.{siglip.depth}."}
    used = [
        (name, array) for name, array in weights.items() if not any(name.startswith(block) for block in last_blocks)
    ]
    model.load_weights(used, strict=True)
    if variant and not any(name.endswith(".scales") for name in weights):
        nn.quantize(model.language_model, GROUP, _QUANTIZED[variant], class_predicate=_is_linear)
    return model


def _read(path: Path) -> Any:
    loaded: Any = mx.load(str(path))
    return loaded.items()


def _text_arguments(folder: Path) -> dict[str, Any]:
    return {**_TEXT_DEFAULTS, **text_config(read_config(folder)), "model_type": "mistral", "sliding_window": None}


def _is_linear(_: str, module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)


def rename(weights: dict[str, mx.array]) -> dict[str, mx.array]:
    """The weights of either layout under the names of `MoxinVLM`, convolutions with their channels last."""
    named: dict[str, mx.array] = {}
    for name, array in weights.items():
        for pattern, replacement in _NAMES:
            name = pattern.sub(replacement, name)
        if _UNUSED.search(name):
            continue
        if name.endswith("patch_embed.proj.weight") and array.shape[1] == 3:
            array = array.transpose(0, 2, 3, 1)
        named[name] = array
    for name in [name for name in named if name.startswith("vision_backbone.") and ".attn.q_proj." in name]:
        parts = [named.pop(name.replace(".q_proj.", f".{part}_proj.")) for part in "qkv"]
        named[name.replace(".q_proj.", ".qkv.")] = mx.concatenate(parts)
    return named


def _use_quantized(model: MoxinVLM, weights: dict[str, mx.array]) -> None:
    """Make quantized layers of those whose weights are; bits and group follow from the shapes."""

    def parameters(path: str, module: nn.Module) -> bool | dict[str, int]:
        scales = weights.get(f"{path}.scales")
        if scales is None or not hasattr(module, "to_quantized"):
            return False
        inputs = module.weight.shape[-1]
        bits = weights[f"{path}.weight"].shape[-1] * 32 // inputs
        return {"group_size": inputs // scales.shape[-1], "bits": bits}

    nn.quantize(model, class_predicate=parameters)


def image_size(folder: Path) -> int:
    """The side in pixels to which every image is resized."""
    sizes = read_config(folder).get("image_sizes") or [224]
    return int(sizes[0])


def image_token(folder: Path) -> int:
    """The token that stands for the image in a prompt: the tokenizer's padding, which is otherwise not in use."""
    return int(read_config(folder).get("pad_token_id") or 32000)


def longest_context(folder: Path) -> int:
    """In tokens, image included, as the model was trained."""
    return int(read_config(folder).get("llm_max_length") or 2048)


def load_tokenizer(folder: Path) -> Any:
    """mlx-lm's wrapper around the checkpoint's tokenizer.json."""
    from mlx_lm.tokenizer_utils import NaiveStreamingDetokenizer, SPMStreamingDetokenizer, TokenizerWrapper
    from transformers import PreTrainedTokenizerFast

    try:
        special = json.loads((folder / "special_tokens_map.json").read_bytes())
    except (OSError, ValueError):
        special = {}
    names = {name: _content(special.get(name, default)) for name, default in _SPECIAL_TOKENS.items()}
    make: Any = PreTrainedTokenizerFast  # it has no types
    tokenizer = make(tokenizer_file=str(folder / "tokenizer.json"), **names)
    detokenizer = SPMStreamingDetokenizer if "▁" in tokenizer.get_vocab() else NaiveStreamingDetokenizer
    return TokenizerWrapper(tokenizer, detokenizer, eos_token_ids=[tokenizer.eos_token_id])


_SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<PAD>"}


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)
