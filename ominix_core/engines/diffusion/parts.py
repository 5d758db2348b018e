"""Reading the parts of an image model (transformer, text encoder, VAE) from the folders of a diffusers tree."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ominix_core.errors import DamagedModelError, LoadError

# The forms without biases are told apart by the bits of a weight and the size of its groups.
_SCALED_MODES = {(4, 32): "mxfp4", (8, 32): "mxfp8", (4, 16): "nvfp4"}
_QUANTIZATION_GROUP = 64


def part_config(folder: Path) -> dict[str, Any]:
    """The part's config.json; empty if it has none."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DamagedModelError(f"{folder.name}/config.json cannot be read: {error}.") from error
    return {**config, **(config.get("rope_parameters") or {})}


def arguments_for(part: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a config.json the constructor of `part` takes."""
    names = inspect.signature(part).parameters
    return {name: value for name, value in config.items() if name in names and value is not None}


def read_weights(folder: Path) -> dict[str, Any]:
    """The part's weights by name, not yet read from disk. Raises LoadError."""
    import mlx.core as mx

    files = sorted(path for path in folder.glob("*.safetensors") if not path.name.startswith("."))
    if not files:
        raise DamagedModelError(f"The model has no weights in {folder.name}/.")
    weights: dict[str, Any] = {}
    for file in files:
        arrays: Any = mx.load(str(file))
        weights.update(arrays)
    return weights


def fill(module: Any, weights: Mapping[str, Any], dtype: Any, bits: int = 0) -> Any:
    """Put the weights into `module` and return it; those that come with scales make their layers quantized ones.

    Args:
        dtype: Of the floating-point weights; None leaves each as it is.
        bits: What weights that come without scales are quantized to; 0 leaves them.

    Raises:
        LoadError: A weight is missing, has no place, or is of another shape.
    """
    import mlx.core as mx
    from mlx import nn
    from mlx.utils import tree_flatten

    modules = dict(module.named_modules())
    forms = {
        name.removesuffix(".scales"): _quantized_form(name.removesuffix(".scales"), weights, modules)
        for name in weights
        if name.endswith(".scales")
    }
    nn.quantize(module, class_predicate=lambda path, _: forms.get(path, False))
    shapes = {name: array.shape for name, array in tree_flatten(module.parameters())}
    turned = _stands_as_in_torch(weights, shapes)
    filled = {}
    for name, array in weights.items():
        placed = array.transpose(0, 2, 3, 1) if turned and array.ndim == 4 else array
        cast = dtype is not None and mx.issubdtype(placed.dtype, mx.floating)
        filled[name] = placed.astype(dtype) if cast else placed
    # Frequencies of rotary embeddings are computed, not stored.
    missing = sorted(name for name in shapes.keys() - filled.keys() if not name.endswith("inv_freq"))
    if missing:
        raise DamagedModelError(f"The model's files lack {missing[0]} ({len(missing)} in all).")
    try:
        module.load_weights(list(filled.items()), strict=False)
    except ValueError as error:
        raise LoadError(f"The model's files do not fit this kind of model: {error}.") from error
    unknown = sorted(filled.keys() - shapes.keys())
    if unknown:
        raise LoadError(f"The model's files hold {unknown[0]}, which this kind of model does not have.")
    if bits and not forms:
        _quantize(module, bits)
    return module


def _quantized_form(path: str, weights: Mapping[str, Any], modules: Mapping[str, Any]) -> dict[str, Any]:
    """Bits, group and mode of a quantized layer, from the shapes of its arrays."""
    layer = modules.get(path)
    packed, scales = weights.get(f"{path}.weight"), weights[f"{path}.scales"]
    if packed is None or layer is None or not hasattr(layer, "to_quantized"):
        raise LoadError(f"The model's files hold a quantized {path}, which this kind of model does not have.")
    width = layer.weight.shape[-1]
    bits, group = packed.shape[-1] * 32 // width, width // scales.shape[-1]
    mode = "affine" if f"{path}.biases" in weights else _SCALED_MODES.get((bits, group), "affine")
    return {"bits": bits, "group_size": group, "mode": mode}


def _stands_as_in_torch(weights: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether convolutions are stored channels first. Some kernels look the same both ways, so all are asked."""
    return any(
        array.ndim == 4 and array.shape != shapes.get(name) and array.transpose(0, 2, 3, 1).shape == shapes.get(name)
        for name, array in weights.items()
    )


def _quantize(module: Any, bits: int) -> None:
    """Quantize the layers of `module` that can be, when they are read."""
    from mlx import nn

    def suits(_: str, layer: Any) -> bool:
        weight = getattr(layer, "weight", None)
        return isinstance(layer, nn.Linear) and weight is not None and weight.shape[-1] % _QUANTIZATION_GROUP == 0

    nn.quantize(module, _QUANTIZATION_GROUP, bits, class_predicate=suits)


def renamed(weights: Mapping[str, Any], rename: Callable[[str], str]) -> dict[str, Any]:
    """The same weights under other names."""
    return {rename(name): array for name, array in weights.items()}
