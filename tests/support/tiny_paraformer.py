"""A tiny Paraformer with FSMN-VAD and CT-Transformer in FunASR's own files: random ones, and one with a script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ominix_core.mlx_setup import prepare
from tests.support.torch_files import write_torch_file

Array = NDArray[Any]
Weights = dict[str, Array]

TOKENS = ["<blank>", "<s>", "</s>", "好", "吗", "hel@@", "lo", "world", "a", "b", "<unk>"]
WIDTH = 16
_SANM = {
    "output_size": WIDTH,
    "attention_heads": 2,
    "linear_units": 2 * WIDTH,
    "dropout_rate": 0.1,
    "positional_dropout_rate": 0.1,
    "attention_dropout_rate": 0.1,
    "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "kernel_size": 11,
    "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
}
ACOUSTIC: dict[str, Any] = {
    "encoder": "SANMEncoder",
    "decoder": "ParaformerSANMDecoder",
    "predictor": "CifPredictorV2",
    "model_conf": {"ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True},
    "encoder_conf": {**_SANM, "num_blocks": 2},
    "decoder_conf": {
        "attention_heads": 2,
        "linear_units": 2 * WIDTH,
        "num_blocks": 2,
        "dropout_rate": 0.1,
        "positional_dropout_rate": 0.1,
        "self_attention_dropout_rate": 0.1,
        "src_attention_dropout_rate": 0.1,
        "att_layer_num": 2,
        "kernel_size": 11,
        "sanm_shfit": 0,
    },
    "predictor_conf": {"idim": WIDTH, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
    "frontend_conf": {"fs": 16000, "window": "hamming", "n_mels": 80, "lfr_m": 7, "lfr_n": 6, "dither": 0.0},
}
NO_HOTWORD = TOKENS.index("b")
SEACO: dict[str, Any] = {
    **ACOUSTIC,
    "predictor": "CifPredictorV3",
    "predictor_conf": {
        **ACOUSTIC["predictor_conf"],
        "smooth_factor2": 0.25,
        "noise_threshold2": 0.01,
        "upsample_times": 3,
        "use_cif1_cnn": False,
        "upsample_type": "cnn_blstm",
    },
    "model_conf": {
        **ACOUSTIC["model_conf"],
        "inner_dim": WIDTH,
        "bias_encoder_type": "lstm",
        "bias_encoder_bid": False,
        "NO_BIAS": NO_HOTWORD,
    },
    "seaco_decoder": "ParaformerSANMDecoder",
    "seaco_decoder_conf": {
        **ACOUSTIC["decoder_conf"],
        "kernel_size": 21,
        "use_output_layer": False,
        "wo_input_layer": True,
    },
}
VAD: dict[str, Any] = {
    "model_conf": {"max_end_silence_time": 800, "speech_noise_thres": 0.6, "sil_pdf_ids": [0]},
    "encoder_conf": {
        "input_dim": 400,
        "input_affine_dim": 8,
        "fsmn_layers": 2,
        "linear_dim": 8,
        "proj_dim": 8,
        "lorder": 4,
        "rorder": 0,
        "lstride": 1,
        "rstride": 0,
        "output_affine_dim": 8,
        "output_dim": 4,
    },
    "frontend_conf": {"fs": 16000, "window": "hamming", "n_mels": 80, "lfr_m": 5, "lfr_n": 1, "dither": 0.0},
}
PUNCTUATION_TOKENS = ["<blank>", "<s>", "</s>", "好", "吗", "你", "你好", "hello", "world", "<unk>"]
PUNCTUATION: dict[str, Any] = {
    "model_conf": {
        "embed_unit": WIDTH,
        "att_unit": WIDTH,
        "punc_list": ["<unk>", "_", "，", "。", "？", "、"],
        "punc_weight": [1.0] * 6,
        "sentence_end_id": 3,
    },
    "encoder": "SANMEncoder",
    "encoder_conf": {**_SANM, "input_size": WIDTH, "num_blocks": 2, "padding_idx": 0},
}
# So much of a token is in each frame of 60 ms; no sum of these is near a whole number.
SHARE = 0.253


def acoustic_network() -> Any:
    prepare()
    from funasr_mlx.pipeline import create_model

    sizes = {"vocab_size": len(TOKENS), "input_size": 560}
    return create_model("paraformer", {**ACOUSTIC, "model_conf": {**ACOUSTIC["model_conf"], **sizes}})


def seaco_weights(seed: int) -> Weights:
    """Random weights of all networks that SEACO describes."""
    prepare()
    from ominix_core.models.paraformer.seaco import Clock, Hotwords

    clock = random_weights(Clock(SEACO["predictor_conf"]), seed + 1)
    hotwords = random_weights(Hotwords(SEACO, len(TOKENS)), seed + 2)
    return random_weights(acoustic_network(), seed) | {f"predictor.{n}": w for n, w in clock.items()} | hotwords


def vad_network() -> Any:
    prepare()
    from funasr_mlx.pipeline import create_model

    return create_model("fsmn-vad", {name: VAD[name] for name in ("model_conf", "encoder_conf")})


def punctuation_network() -> Any:
    prepare()
    from funasr_mlx.pipeline import create_model

    sizes = {"vocab_size": len(PUNCTUATION_TOKENS)}
    return create_model("ct-punc", {**PUNCTUATION, "model_conf": {**PUNCTUATION["model_conf"], **sizes}})


def shapes(network: Any) -> dict[str, tuple[int, ...]]:
    """The parameters as PyTorch has them: the kernels of convolutions end with their size."""
    from mlx.utils import tree_flatten

    found = {}
    for name, parameter in tree_flatten(network.parameters()):
        shape = tuple(parameter.shape)
        if len(shape) == 3:
            shape = (shape[0], shape[2], shape[1])
        found[name] = (*shape, 1) if name.endswith("conv_left.weight") else shape
    return found


def random_weights(network: Any, seed: int) -> Weights:
    """Weights that keep activations at about 1."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in sorted(shapes(network).items()):
        noise = random.standard_normal(shape)
        if "norm" in name:
            value = noise * 0.1 + name.endswith("weight")
        elif name.endswith("bias"):
            value = noise * 0.1
        else:
            value = noise / max(1.0, float(np.prod(shape[1:])) ** 0.5)
        weights[name] = value.astype(np.float32)
    return weights


def _silent(network: Any) -> Weights:
    return {
        name: np.full(shape, float("norm" in name and name.endswith("weight")), np.float32)
        for name, shape in shapes(network).items()
    }


def make_tiny_paraformer(folder: Path, *, vad: bool = True, punctuation: bool = True) -> Path:
    """A model that hears 好 four times a second, where its detector hears anything, and ends what is said with 。"""
    weights = _silent(acoustic_network())
    weights["predictor.cif_output.bias"][:] = np.log(SHARE / (1 - SHARE))
    weights["decoder.output_layer.bias"][TOKENS.index("好")] = 9.0
    write_part(folder, ACOUSTIC, weights, TOKENS, cmvn=560)
    if vad:
        write_part(folder / "vad", VAD, loudness_detector(), cmvn=400)
    if punctuation:
        silent = _silent(punctuation_network())
        silent["decoder.bias"][1] = 9.0
        write_part(folder / "punc", PUNCTUATION, silent, PUNCTUATION_TOKENS)
    return folder


def loudness_detector() -> Weights:
    """An FSMN-VAD that takes everything for speech whose mean log energy is above 2."""
    weights = _silent(vad_network())
    weights["encoder.in_linear1.linear.weight"][0] = 1 / 400
    for name in weights:
        if name.endswith("linear.weight") and "in_linear1" not in name:
            weights[name][0, 0] = 1.0
    weights["encoder.out_linear2.linear.weight"][0, 0] = -4.0
    weights["encoder.out_linear2.linear.bias"][0] = 8.0
    return weights


def write_part(
    folder: Path,
    config: Mapping[str, Any],
    weights: Weights,
    tokens: list[str] | None = None,
    *,
    cmvn: int = 0,
    scale: float = 1.0,
) -> Path:
    """FunASR's files of one network; `cmvn` is how many numbers are in a row of am.mvn."""
    write_torch_file(folder / "model.pt", weights)
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    if tokens:
        (folder / "tokens.json").write_text(json.dumps(tokens))
    if cmvn:
        (folder / "am.mvn").write_text(cmvn_text(np.zeros(cmvn), np.full(cmvn, scale)))
    return folder


def cmvn_text(shift: Array, scale: Array) -> str:
    """Kaldi's way of writing a network of two layers."""
    size = len(shift)
    rows = [
        ("Splice", f"{size} {size}\n[ 0 ]"),
        ("AddShift", f"{size} {size}\n<LearnRateCoef> 0 [ {' '.join(map(str, shift))} ]"),
        ("Rescale", f"{size} {size}\n<LearnRateCoef> 0 [ {' '.join(map(str, scale))} ]"),
    ]
    return "<Nnet>\n" + "".join(f"<{name}> {row}\n" for name, row in rows) + "</Nnet>\n"
