"""The names of the FLUX.2 transformers that OminiX published, turned into those of everybody else."""

from __future__ import annotations

import re

_RENAMES = [
    (r"^double_blocks\.(\d+)\.img_to_([qkv])\b", r"transformer_blocks.\1.attn.to_\2"),
    (r"^double_blocks\.(\d+)\.img_to_out\b", r"transformer_blocks.\1.attn.to_out"),
    (r"^double_blocks\.(\d+)\.img_norm_([qk])\b", r"transformer_blocks.\1.attn.norm_\2"),
    (r"^double_blocks\.(\d+)\.txt_to_([qkv])\b", r"transformer_blocks.\1.attn.add_\2_proj"),
    (r"^double_blocks\.(\d+)\.txt_to_out\b", r"transformer_blocks.\1.attn.to_add_out"),
    (r"^double_blocks\.(\d+)\.txt_norm_([qk])\b", r"transformer_blocks.\1.attn.norm_added_\2"),
    (r"^double_blocks\.(\d+)\.img_mlp_(in|out)\b", r"transformer_blocks.\1.ff.linear_\2"),
    (r"^double_blocks\.(\d+)\.txt_mlp_(in|out)\b", r"transformer_blocks.\1.ff_context.linear_\2"),
    (r"^single_blocks\.(\d+)\.to_qkv_mlp\b", r"single_transformer_blocks.\1.attn.to_qkv_mlp_proj"),
    (r"^single_blocks\.(\d+)\.(to_out|norm_q|norm_k)\b", r"single_transformer_blocks.\1.attn.\2"),
    (r"^double_mod_(img|txt)(\.linear)?\b", r"double_stream_modulation_\1.linear"),
    (r"^single_mod(\.linear)?\b", "single_stream_modulation.linear"),
    (r"^time_embed_([12])\b", r"time_guidance_embed.linear_\1"),
    (r"^norm_out(\.linear)?\b", "norm_out.linear"),
]


def is_ominix_name(name: str) -> bool:
    return name.startswith(("double_blocks.", "single_blocks."))


def common_name(name: str) -> str:
    """What the weight is called in other FLUX.2 checkpoints."""
    for pattern, replacement in _RENAMES:
        name, found = re.subn(pattern, replacement, name)
        if found:
            return name
    return name
