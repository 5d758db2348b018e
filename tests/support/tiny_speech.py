"""Tiny random speech models in the folder layouts that mlx-audio loads: noise as speech, real in everything else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ominix_core.mlx_setup import open_file_limit_kept, prepare
from tests.support.tiny_models import VOCABULARY, write_byte_tokenizer

VOICES = ("af_heart", "bm_george")
STYLE = 128  # Kokoro's code counts on this width, as on that of its hidden layers
_SOUNDS = "abcdefghijklmnopqrstuvwxyz ;:,.!?—…əɹɪʊɛɑɔæʌθðŋʃʒʤʧˈˌːTIOAWYQᵊɡɜ"

KOKORO: dict[str, Any] = {
    "model_type": "kokoro",
    "istftnet": {
        "upsample_kernel_sizes": [4],
        "upsample_rates": [2],
        "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 1, 1]],
        "resblock_kernel_sizes": [3],
        "upsample_initial_channel": 512,
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
    for name, weight in weights.items():
        if name.endswith("weight_v"):  # zero in a model that was not trained
            weights[name] = mx.random.normal(weight.shape)
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


_CODEC_TOKENS = ("eos_token", "think", "nothink", "think_bos", "think_eos", "pad", "bos")
_QWEN3_TTS: dict[str, Any] = {
    "model_type": "qwen3_tts",
    "tts_model_size": "1b7",
    "tts_model_type": "custom_voice",
    "im_start_token_id": 257,
    "im_end_token_id": 258,
    "tts_pad_token_id": 263,
    "tts_bos_token_id": 264,
    "tts_eos_token_id": 265,
    "speaker_encoder_config": {
        "enc_dim": 64 + 8,  # the library tells layouts apart by widths above 64
        "enc_channels": [80, 80, 80, 80, 240],
        "enc_attention_channels": 80,
        "enc_se_channels": 80,
        "enc_res2net_scale": 2,
    },
    "talker_config": {
        "vocab_size": 1024 + 256,
        "hidden_size": 72,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "num_code_groups": 2,
        "text_hidden_size": 64,
        "text_vocab_size": VOCABULARY,
        "rope_scaling": {"interleaved": True, "mrope_section": [8, 4, 4], "rope_type": "default"},
        **{f"codec_{name}_id": 300 + index for index, name in enumerate(_CODEC_TOKENS)},
        "codec_language_id": {"english": 320, "chinese": 321},
        "spk_id": {"vivian": [330], "ryan": [331]},
        "spk_is_dialect": {"vivian": False, "ryan": False},
        "code_predictor_config": {
            "vocab_size": 256,
            "hidden_size": 72,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "num_code_groups": 2,
        },
    },
}
_SPEECH_TOKENIZER: dict[str, Any] = {
    "decoder_config": {
        "latent_dim": 32,
        "codebook_dim": 32,
        "codebook_size": 256,
        "decoder_dim": 32,
        "hidden_size": 32,
        "intermediate_size": 32,
        "head_dim": 16,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "num_hidden_layers": 1,
        "num_quantizers": 2,
        "semantic_codebook_size": 256,
        "upsample_rates": [4, 4],
        "upsampling_ratios": [2, 2],
        "vector_quantization_hidden_dimension": 32,
    },
    "decode_upsample_rate": 64,
}


def make_tiny_qwen3_tts(folder: Path, kind: str = "custom_voice", *, tokens: int = 60) -> Path:
    """Write a Qwen3-TTS that speaks every sentence with at most so many tokens; `kind` is its `tts_model_type`."""
    prepare()
    import mlx.core as mx
    from mlx.utils import tree_flatten

    with open_file_limit_kept():
        from mlx_audio.tts.models.qwen3_tts import Model, ModelConfig

    mx.random.seed(0)
    config = _QWEN3_TTS | {"tts_model_type": kind}
    weights = dict(tree_flatten(Model(ModelConfig.from_dict(config)).parameters()))
    (folder / "speech_tokenizer").mkdir(parents=True)
    write_byte_tokenizer(folder)
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    # The library makes up what is not in this file.
    mx.save_safetensors(str(folder / "speech_tokenizer" / "model.safetensors"), {"unused": mx.zeros(1)})
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"max_new_tokens": tokens}))
    (folder / "speech_tokenizer" / "config.json").write_text(json.dumps(_SPEECH_TOKENIZER))
    return folder
