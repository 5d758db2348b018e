"""Tiny random models that look at images, in the folder layouts that mlx-vlm loads."""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path
from typing import Any

from ominix_core.mlx_setup import open_file_limit_kept, prepare
from tests.support.tiny_models import SPECIAL_TOKENS, VOCABULARY, write_byte_tokenizer

TOKEN = {token: 256 + index for index, token in enumerate(SPECIAL_TOKENS)}

CHAT_TEMPLATE = """{%- for message in messages %}<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content -%}
{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}
{%- endfor %}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

_TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 4096,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": [2, 3, 3], "mrope_interleaved": True},
}
_PLAIN_TEXT = {name: value for name, value in _TEXT.items() if name != "rope_scaling"}
_SIGLIP = {
    "model_type": "siglip_vision_model",
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
}
_QWEN_TOKENS = {
    "image_token_id": TOKEN["<|image_pad|>"],
    "video_token_id": TOKEN["<|video_pad|>"],
    "vision_start_token_id": TOKEN["<|vision_start|>"],
    "vision_end_token_id": TOKEN["<|vision_end|>"],
    "eos_token_id": TOKEN["<|im_end|>"],
    "tie_word_embeddings": False,
}
_QWEN_VISION = {"depth": 2, "num_heads": 2, "in_channels": 3, "spatial_merge_size": 2, "temporal_patch_size": 2}

CONFIGS: dict[str, dict[str, Any]] = {
    "qwen3_vl": {
        "text_config": {**_TEXT, "model_type": "qwen3_vl_text", "head_dim": 16},
        "vision_config": {
            **_QWEN_VISION,
            "model_type": "qwen3_vl",
            "patch_size": 16,
            "hidden_size": 32,
            "out_hidden_size": 64,
            "intermediate_size": 64,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        **_QWEN_TOKENS,
    },
    "qwen2_5_vl": {
        **_TEXT,
        "vision_config": {
            **_QWEN_VISION,
            "model_type": "qwen2_5_vl",
            "patch_size": 14,
            "hidden_size": 32,
            "out_hidden_size": 64,
            "intermediate_size": 64,
            "fullatt_block_indexes": [1],
        },
        **_QWEN_TOKENS,
    },
    "gemma3": {
        "text_config": {
            **_PLAIN_TEXT,
            "model_type": "gemma3_text",
            "head_dim": 16,
            "sliding_window": 64,
            "sliding_window_pattern": 2,
            "mm_tokens_per_image": 4,
            "query_pre_attn_scalar": 16,
        },
        "vision_config": {**_SIGLIP, "patch_size": 14, "image_size": 56},
        "image_token_index": TOKEN["<image_soft_token>"],
        "hidden_size": 64,
        "vocab_size": VOCABULARY,
        "pad_token_id": TOKEN["<|endoftext|>"],
        "eos_token_id": TOKEN["<|im_end|>"],
    },
    "smolvlm": {
        "text_config": {**_PLAIN_TEXT, "model_type": "llama", "head_dim": 16},
        "vision_config": {**_SIGLIP, "patch_size": 8, "image_size": 32},
        "scale_factor": 2,
        "image_token_id": TOKEN["<|image_pad|>"],
        "vocab_size": VOCABULARY,
        "eos_token_id": [TOKEN["<|im_end|>"]],
    },
    "gemma4": {
        "text_config": {
            **_PLAIN_TEXT,
            "model_type": "gemma4_text",
            "num_hidden_layers": 4,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "num_kv_shared_layers": 2,
            "head_dim": 16,
            "global_head_dim": 32,
            "sliding_window": 128,
            "hidden_size_per_layer_input": 8,
            "vocab_size_per_layer_input": VOCABULARY,
            "tie_word_embeddings": True,
        },
        "vision_config": {
            "model_type": "gemma4_vision",
            "num_hidden_layers": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "global_head_dim": 16,
            "patch_size": 8,
            "position_embedding_size": 64,
            "pooling_kernel_size": 2,
            "default_output_length": 70,
        },
        "image_token_id": TOKEN["<|image_pad|>"],
        "boi_token_id": TOKEN["<start_of_image>"],
        "eoi_token_id": TOKEN["<end_of_image>"],
        "audio_token_id": VOCABULARY + 1,
        "hidden_size": 64,
        "vocab_size": VOCABULARY,
        "vision_soft_tokens_per_image": 70,
        "pad_token_id": TOKEN["<|endoftext|>"],
        "eos_token_id": [TOKEN["<|im_end|>"]],
    },
}
_HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
_QWEN_PROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "temporal_patch_size": 2,
    "merge_size": 2,
    "min_pixels": 56 * 56,
    "max_pixels": 112 * 112,
    "size": {"shortest_edge": 56 * 56, "longest_edge": 112 * 112},
    **_HALF,
}
PROCESSORS: dict[str, dict[str, Any]] = {
    "qwen3_vl": {**_QWEN_PROCESSOR, "processor_class": "Qwen3VLProcessor", "patch_size": 16},
    "qwen2_5_vl": {**_QWEN_PROCESSOR, "processor_class": "Qwen2_5_VLProcessor", "patch_size": 14},
    "gemma3": {
        "image_processor_type": "Gemma3ImageProcessor",
        "processor_class": "Gemma3Processor",
        "image_seq_length": 4,
        "size": {"height": 56, "width": 56},
        **_HALF,
    },
    "smolvlm": {
        "image_processor_type": "SmolVLMImageProcessor",
        "processor_class": "SmolVLMProcessor",
        "image_seq_len": 4,
        "size": {"longest_edge": 64},
        "max_image_size": {"longest_edge": 32},
        "do_image_splitting": True,
        **_HALF,
    },
    "gemma4": {
        "image_processor_type": "Gemma4ImageProcessor",
        "processor_class": "Gemma4Processor",
        "image_seq_length": 70,  # the fewest that it takes
        "image_processor": {"patch_size": 8, "max_soft_tokens": 70, "pooling_kernel_size": 2},
        "patch_size": 8,
        "max_soft_tokens": 70,
        "pooling_kernel_size": 2,
    },
}
# How the tokens that frame an image are called, by family.
_NAMED_TOKENS = {
    "gemma3": {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"},
    "gemma4": {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<|image_pad|>"},
    "smolvlm": {
        "fake_image_token": "<|vision_start|>",
        "global_image_token": "<|vision_end|>",
        "image_token": "<|image_pad|>",
    },
}


def make_tiny_vlm(
    folder: Path, architecture: str = "qwen3_vl", *, seed: int = 0, text: dict[str, Any] | None = None
) -> Path:
    """Write a model of under 1 MB to `folder`; `text` overrides its text_config. One token is one byte of text."""
    prepare()
    import mlx.core as mx
    from mlx.utils import tree_flatten

    with open_file_limit_kept():
        module = importlib.import_module(f"mlx_vlm.models.{architecture}")
    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder, architecture)
    config = {"model_type": architecture, **CONFIGS[architecture]}
    if text:
        config["text_config"] = config["text_config"] | text
        config["vision_config"] = config["vision_config"] | {"out_hidden_size": text["hidden_size"]}
    model_config = module.ModelConfig.from_dict(json.loads(json.dumps(config)))
    for part, kind in (("text_config", module.TextConfig), ("vision_config", module.VisionConfig)):
        if isinstance(getattr(model_config, part), dict):
            setattr(model_config, part, kind.from_dict(getattr(model_config, part)))
    mx.random.seed(seed)
    weights = dict(tree_flatten(module.Model(model_config).parameters()))
    # Random weights hardly look at the image; louder ones make what is seen change what is said.
    quiet = "embed_tokens" if architecture in ("gemma3", "gemma4") else "nothing"
    loudness = {name: 0.1 if quiet in name else 3.0 for name in weights}
    weights = {name: _noise(array) * loudness[name] if array.ndim > 1 else array for name, array in weights.items()}
    mx.eval(weights)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    for name in ("preprocessor_config.json", "processor_config.json"):
        (folder / name).write_text(json.dumps(PROCESSORS[architecture]))
    return folder


def _noise(array: Any) -> Any:
    """The array, or noise where it starts as one number: a projection of such numbers lets nothing through."""
    import mlx.core as mx

    return mx.random.normal(array.shape) * 0.2 if (array == array.reshape(-1)[0]).all() else array


def _write_tokenizer(folder: Path, architecture: str) -> None:
    names = _NAMED_TOKENS.get(architecture)
    settings: dict[str, Any] = {"extra_special_tokens": names, **names} if names else {}
    write_byte_tokenizer(folder, CHAT_TEMPLATE, **settings)


def picture(color: str, width: int = 80, height: int = 64) -> bytes:
    """A PNG of one colour with a diagonal, so that no two of its quarters are alike."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, height), color)
    ImageDraw.Draw(image).line((0, 0, width, height // 2), fill="white", width=6)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
