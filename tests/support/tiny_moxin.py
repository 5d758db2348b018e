"""A tiny Moxin-VLM whose weights anybody can make again, with or without MLX: its names and shapes are the real ones.

Needs NumPy alone, so that the script which makes the golden arrays can import it beside torch.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

SIDE, PATCH = 56, 14
PATCHES = (SIDE // PATCH) ** 2
DINO = {"width": 64, "depth": 3, "hidden": 256}
SIGLIP = {"width": 80, "depth": 4, "hidden": int(80 * 3.7362)}
VOCABULARY = 272
TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": VOCABULARY,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
}
CONFIG: dict[str, Any] = {
    "model_type": "prismatic",
    "image_sizes": [SIDE, SIDE],
    "llm_max_length": 512,
    "pad_token_id": VOCABULARY - 1,
    "text_config": TEXT,
}


def values(name: str, *shape: int) -> np.ndarray:
    """The numbers that belong to a name; RandomState is frozen, so they are the same in every version of NumPy."""
    drawn = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    around_one = name.endswith(("norm1.weight", "norm2.weight", "norm.weight", "layernorm.weight", "scale_factor"))
    scaled = 1 + 0.2 * drawn if around_one else 0.1 * drawn
    return scaled.astype(np.float32)


def tower_shapes(width: int, depth: int, hidden: int, registers: int) -> dict[str, tuple[int, ...]]:
    """The parameters of a tower under timm's names, its LayerScale as the checkpoint names it."""
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embed.proj.weight": (width, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (width,),
        "pos_embed": (1, PATCHES, width),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    if registers:
        shapes |= {"cls_token": (1, 1, width), "reg_token": (1, registers, width)}
    for number in range(depth):
        block = {
            "norm1.weight": (width,),
            "norm1.bias": (width,),
            "attn.qkv.weight": (3 * width, width),
            "attn.qkv.bias": (3 * width,),
            "attn.proj.weight": (width, width),
            "attn.proj.bias": (width,),
            "norm2.weight": (width,),
            "norm2.bias": (width,),
            "mlp.fc1.weight": (hidden, width),
            "mlp.fc1.bias": (hidden,),
            "mlp.fc2.weight": (width, hidden),
            "mlp.fc2.bias": (width,),
        }
        if registers:
            block |= {"ls1.scale_factor": (width,), "ls2.scale_factor": (width,)}
        shapes |= {f"blocks.{number}.{name}": shape for name, shape in block.items()}
    return shapes


def _projector_shapes() -> dict[str, tuple[int, ...]]:
    seen, hidden = DINO["width"] + SIGLIP["width"], TEXT["hidden_size"]
    layers = {"fc1": (4 * seen, seen), "fc2": (hidden, 4 * seen), "fc3": (hidden, hidden)}
    weights: dict[str, tuple[int, ...]] = {f"{name}.weight": shape for name, shape in layers.items()}
    return weights | {f"{name}.bias": shape[:1] for name, shape in layers.items()}


def _language_shapes() -> dict[str, tuple[int, ...]]:
    hidden, inner = TEXT["hidden_size"], TEXT["intermediate_size"]
    keys = TEXT["num_key_value_heads"] * TEXT["head_dim"]
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (VOCABULARY, hidden),
        "model.norm.weight": (hidden,),
        "lm_head.weight": (VOCABULARY, hidden),
    }
    layer = {
        "self_attn.q_proj.weight": (hidden, hidden),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.v_proj.weight": (keys, hidden),
        "self_attn.o_proj.weight": (hidden, hidden),
        "mlp.gate_proj.weight": (inner, hidden),
        "mlp.up_proj.weight": (inner, hidden),
        "mlp.down_proj.weight": (hidden, inner),
        "input_layernorm.weight": (hidden,),
        "post_attention_layernorm.weight": (hidden,),
    }
    for number in range(TEXT["num_hidden_layers"]):
        shapes |= {f"model.layers.{number}.{name}": shape for name, shape in layer.items()}
    return shapes


def checkpoint() -> dict[str, np.ndarray]:
    """Every tensor of the authors' layout, with the names and the order of axes of their files."""
    parts = {
        "vision_backbone.featurizer": tower_shapes(**DINO, registers=4),
        "vision_backbone.fused_featurizer": tower_shapes(**SIGLIP, registers=0) | {"attn_pool.latent": (1, 1, 80)},
        "projector": _projector_shapes(),
        "language_model": _language_shapes(),
    }
    return {
        f"{part}.{name}": values(f"{part}.{name}", *shape)
        for part, shapes in parts.items()
        for name, shape in shapes.items()
    }


def image_pixels() -> np.ndarray:
    """(2, 3, side, side): what stands for an image prepared for both towers."""
    return 10 * values("pixels", 2, 3, SIDE, SIDE)


def prompt_tokens() -> list[int]:
    """A prompt that begins with the start token."""
    return [1, *np.random.RandomState(5).randint(3, 250, 8).tolist()]


def photo_pixels() -> np.ndarray:
    """An RGB photo of 90 x 61 pixels: (61, 90, 3) in bytes."""
    return np.random.RandomState(9).randint(0, 256, (61, 90, 3)).astype(np.uint8)


def write_checkpoint(folder: Path, weights: dict[str, Any], **config: Any) -> Path:
    """Write a model folder with these weights (MLX arrays) and a tokenizer of bytes."""
    import mlx.core as mx

    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    write_tokenizer(folder)
    return folder


def make_tiny_moxin(folder: Path) -> Path:
    """Write a model of about 3 MB in the authors' layout."""
    import mlx.core as mx

    return write_checkpoint(folder, {name: mx.array(array) for name, array in checkpoint().items()})


def write_tokenizer(folder: Path) -> None:
    """A Llama tokenizer that knows single bytes only: <unk>, <s>, </s>, 256 bytes, the word mark and padding."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    names += [f"<reserved_{number}>" for number in range(VOCABULARY - 1 - len(names))]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in ("<s>", "</s>", "<PAD>")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
