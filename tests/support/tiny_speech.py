"""Tiny random speech models in the folder layouts that mlx-audio loads: noise as speech, but real in everything else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ominix_core.mlx_setup import open_file_limit_kept, prepare

VOICES = ("af_heart", "bm_george")
STYLE = 128  # Kokoro's code counts on this width, as on that of its hidden layers
_SOUNDS = "abcdefghijklmnopqrstuvwxyz ;:,.!?—…əɹɪʊɛɑɔæʌθðŋʃʒʤʧˈˌːTIOAWYQᵊɡɜ"

KOKORO: dict[str, Any] = {
    "model_type": "kokoro",
    "istftnet": {
        "upsample_kernel_sizes": [20, 12],
        "upsample_rates": [10, 6],
        "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 1, 1]],
        "resblock_kernel_sizes": [3],
        "upsample_initial_channel": 8,
    },
    "dim_in": 64,
    "dropout": 0.0,
    "hidden_dim": 512,
    "max_conv_dim": 64,
    "max_dur": 2,
    "multispeaker": True,
    "n_layer": 1,
    "n_mels": 80,
    "n_token": len(_SOUNDS) + 1,
    "style_dim": STYLE,
    "text_encoder_kernel_size": 5,
    "plbert": {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 512,
        "num_hidden_layers": 1,
        "dropout": 0.0,
    },
    "vocab": {sound: index + 1 for index, sound in enumerate(_SOUNDS)},
}


def make_tiny_kokoro(folder: Path, *, seed: int = 0) -> Path:
    """Write a Kokoro whose sounds last one or two frames of 25 ms, with two voices."""
    prepare()
    import mlx.core as mx
    from mlx.utils import tree_flatten

    with open_file_limit_kept():
        from mlx_audio.tts.models.kokoro import Model, ModelConfig

    mx.random.seed(seed)
    weights = dict(tree_flatten(Model(ModelConfig.from_dict(KOKORO)).parameters()))
    for name in weights:
        if re.search(r"(F0|N)_proj\.weight$|noise_convs.*\.weight$|weight_v$", name):
            weights[name] = weights[name].transpose(0, 2, 1)  # these lie in files as torch has them
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "voices").mkdir(exist_ok=True)
    mx.save_safetensors(str(folder / "model.safetensors"), {k: v.astype(mx.float16) for k, v in weights.items()})
    for name in VOICES:
        voice = mx.random.normal((510, 1, 2 * STYLE)) * 0.1
        mx.save_safetensors(str(folder / "voices" / f"{name}.safetensors"), {"voice": voice})
    (folder / "config.json").write_text(json.dumps(KOKORO))
    return folder
