"""A tiny Whisper that hears the same words in everything, and the files that every Whisper has."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ominix_core.mlx_setup import open_file_limit_kept, prepare
from tests.support.tiny_models import byte_alphabet

Array = NDArray[Any]
Weights = dict[str, Array]

WIDTH = 64
FRAMES_PER_SECOND = 50
TIMES = [f"<|{index * 0.02:.2f}|>" for index in range(1501)]


def scripted_whisper(
    folder: Path,
    script: str,
    *,
    seconds: float = 1.0,
    language: str | None = None,
    timed: bool = True,
    unfinished: bool = False,
) -> Path:
    """A Whisper of one layer that hears `script` in everything, from the start of the audio to `seconds`.

    Each token has a direction of its own; attention is silent but for the times of words, and the decoder's MLP leads
    every token of the chain to the next one.

    Args:
        language: Makes the model multilingual; this code is what it finds to be spoken.
        timed: Whether the tokenizer has the tokens for times.
        unfinished: Whether it says that more was said than it wrote.
    """
    pieces = _distinct_pieces(script)
    languages = _languages() if language else []
    tokens = _write_tokenizer(folder, pieces, languages, timed)
    size = 51865 + 1 if language else len(tokens)
    ids = {token: index for index, token in enumerate(tokens)}
    end = f"<|{seconds:.2f}|>"
    ends = [end, f"<|{seconds + 0.02:.2f}|>"] if unfinished else [end]
    chain = ["<|0.00|>", *(_byte_level(piece) for piece in pieces), *ends, "<|endoftext|>"]
    steps = [*itertools.pairwise(chain)] if timed else []
    starts = ["<|transcribe|>", "<|translate|>"] if language else ["<|startoftranscript|>"]
    steps += [(start, "<|0.00|>") for start in starts if timed]
    if language:
        steps.append(("<|startoftranscript|>", f"<|{language}|>"))
    random = np.random.default_rng(0)
    directions = random.standard_normal((size, WIDTH)).astype(np.float32)
    directions -= directions.mean(axis=1, keepdims=True)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    weights = _silent(size)
    weights["model.decoder.embed_tokens.weight"] = directions
    weights["model.decoder.layer_norm.weight"][:] = 4.0  # certain of every token
    # The token before a word looks at the moment when the word begins; the words share the time evenly.
    before_words = ["<|notimestamps|>", *map(_byte_level, pieces)]
    moments = _sinusoids(np.linspace(0, seconds, len(before_words)) * FRAMES_PER_SECOND)
    attention = "model.decoder.layers.0.encoder_attn"
    weights[f"{attention}.k_proj.weight"] = np.eye(WIDTH)
    weights[f"{attention}.q_proj.weight"] = moments.T @ directions[[ids[token] for token in before_words]]
    fc1, fc2 = weights["model.decoder.layers.0.fc1.weight"], weights["model.decoder.layers.0.fc2.weight"]
    weights["model.decoder.layers.0.fc1.bias"][:] = -(WIDTH**0.5) / 2
    for row, (token, following) in enumerate(steps):
        fc1[row] = directions[ids[token]]
        fc2[:, row] = directions[ids[following]]
    write_whisper(folder, weights, whisper_config(size, width=WIDTH, layers=1, heads=1, end=ids["<|endoftext|>"]))
    return folder


def _sinusoids(positions: Array) -> Array:
    """What Whisper's encoder adds to each of these frames."""
    timescales = np.exp(-np.log(10_000) / (WIDTH // 2 - 1) * np.arange(WIDTH // 2))
    angles = positions[:, None] * timescales
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def _silent(vocabulary: int) -> Weights:
    names = ["encoder", "decoder"]
    weights: Weights = {
        "model.encoder.conv1.weight": np.zeros((WIDTH, 80, 3)),
        "model.encoder.conv1.bias": np.zeros(WIDTH),
        "model.encoder.conv2.weight": np.zeros((WIDTH, WIDTH, 3)),
        "model.encoder.conv2.bias": np.zeros(WIDTH),
        "model.decoder.embed_positions.weight": np.zeros((448, WIDTH)),
        "model.decoder.embed_tokens.weight": np.zeros((vocabulary, WIDTH)),
    }
    for side in names:
        layer = f"model.{side}.layers.0"
        norms = [f"model.{side}.layer_norm", f"{layer}.self_attn_layer_norm", f"{layer}.final_layer_norm"]
        attentions = ["self_attn"]
        if side == "decoder":
            norms.append(f"{layer}.encoder_attn_layer_norm")
            attentions.append("encoder_attn")
        for norm in norms:
            weights |= {f"{norm}.weight": np.ones(WIDTH), f"{norm}.bias": np.zeros(WIDTH)}
        for attention, projection in itertools.product(attentions, "qkv"):
            weights[f"{layer}.{attention}.{projection}_proj.weight"] = np.zeros((WIDTH, WIDTH))
            if projection != "k":
                weights[f"{layer}.{attention}.{projection}_proj.bias"] = np.zeros(WIDTH)
        for attention in attentions:
            weights[f"{layer}.{attention}.out_proj.weight"] = np.zeros((WIDTH, WIDTH))
            weights[f"{layer}.{attention}.out_proj.bias"] = np.zeros(WIDTH)
        weights |= {f"{layer}.fc1.weight": np.zeros((4 * WIDTH, WIDTH)), f"{layer}.fc1.bias": np.zeros(4 * WIDTH)}
        weights |= {f"{layer}.fc2.weight": np.zeros((WIDTH, 4 * WIDTH)), f"{layer}.fc2.bias": np.zeros(WIDTH)}
    return {name: array.astype(np.float32) for name, array in weights.items()}


def _distinct_pieces(script: str) -> list[str]:
    """Its words, each with the space before it; a word may occur once only."""
    pieces = [f" {word}" for word in script.split()]
    assert len(set(pieces)) == len(pieces)
    return pieces


def _byte_level(piece: str) -> str:
    from tokenizers import pre_tokenizers

    ((token, _),) = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(piece)
    return str(token)


def _languages() -> list[str]:
    prepare()
    with open_file_limit_kept():
        from mlx_audio.stt.models.whisper.tokenizer import LANGUAGES

    return list(LANGUAGES)


def _write_tokenizer(folder: Path, pieces: list[str], languages: list[str], timed: bool) -> list[str]:
    """Returns all tokens in their order."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    texts = [*byte_alphabet(), *map(_byte_level, pieces)]
    if languages:  # a model counts as multilingual by the size of its vocabulary
        texts += [f"filler{index}" for index in range(50257 - len(texts))]
    marks = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in languages)]
    marks += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    marks += TIMES if timed else []
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(texts)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return texts + marks


def whisper_config(vocabulary: int, *, width: int, layers: int, heads: int, end: int) -> dict[str, Any]:
    return {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "vocab_size": vocabulary,
        "num_mel_bins": 80,
        "d_model": width,
        **{f"{side}_layers": layers for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": heads for side in ("encoder", "decoder")},
        **{f"{side}_ffn_dim": 4 * width for side in ("encoder", "decoder")},
        "max_source_positions": 1500,
        "max_target_positions": 448,
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "decoder_start_token_id": end + 1,
        "torch_dtype": "float16",
    }


def write_whisper(folder: Path, weights: Weights, config: dict[str, Any]) -> None:
    """Everything but the tokenizer itself, in the layout of Hugging Face."""
    from safetensors.numpy import save_file

    half = {name: np.ascontiguousarray(array.astype(np.float16)) for name, array in weights.items()}
    save_file(half, folder / "model.safetensors", metadata={"format": "pt"})
    listener = {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": 80,
        "sampling_rate": 16000,
        "hop_length": 160,
        "n_fft": 400,
        "chunk_length": 30,
        "n_samples": 480000,
        "nb_max_frames": 3000,
        "padding_side": "right",
        "padding_value": 0.0,
        "processor_class": "WhisperProcessor",
        "return_attention_mask": False,
    }
    end = "<|endoftext|>"
    tokenizer = {
        "tokenizer_class": "WhisperTokenizer",
        "processor_class": "WhisperProcessor",
        "model_max_length": 448,
        **dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), end),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "preprocessor_config.json").write_text(json.dumps(listener))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
