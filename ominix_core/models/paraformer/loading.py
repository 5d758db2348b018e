"""Reading the weights of a model: FunASR's own files, or those that funasr-mlx has converted."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from ominix_core.models.paraformer.files import damaged
from ominix_core.models.torch_file import Array, TorchFileError, read_tensors

logger = logging.getLogger(__name__)

CHECKPOINT = "model.pt"
_HALVES = (mx.float16, mx.bfloat16)


@dataclass(frozen=True)
class Checkpoint:
    """The weights in a folder, by name, until they are loaded. Nothing of them is in memory yet."""

    folder: Path
    weights: dict[str, Array | mx.array]

    def holds(self, prefix: str) -> bool:
        """Whether there are weights whose names begin with `prefix`."""
        return any(name.startswith(prefix) for name in self.weights)


class Progress(Protocol):
    """Takes the bytes that are loaded, of how many."""

    def __call__(self, done_bytes: int, total_bytes: int) -> None: ...


@dataclass(frozen=True)
class Part:
    """A network of the model, and its weights, which are not in memory yet.

    Attributes:
        prefix: What the names of its weights begin with in the file.
    """

    network: nn.Module
    checkpoint: Checkpoint
    prefix: str = ""


def has_part(folder: Path) -> bool:
    """Whether the files of a network are there."""
    return (folder / CHECKPOINT).is_file() or any(folder.glob("*.safetensors"))


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """Turns what funasr-mlx raises for a configuration that it cannot use into a LoadError."""
    try:
        yield
    except (ValueError, TypeError, KeyError, NotImplementedError, AttributeError) as error:
        raise damaged(folder, "The configuration", f"{error}.") from error


def load(parts: Sequence[Part], progress: Progress) -> None:
    """Read the weights of all parts into memory, in float32 on a CPU. Raises LoadError."""
    matched = [(part.network, dict(_matched(part))) for part in parts]
    total, done, shown = sum(array.nbytes for _, arrays in matched for array in arrays.values()), 0, 0
    progress(0, total)
    for network, arrays in matched:
        values = []
        for name, array in arrays.items():
            values.append((name, _in_memory(array)))
            done += array.nbytes
            if done - shown > total // 100 or done == total:
                shown = done
                progress(done, total)
        network.load_weights(values)
        network.eval()
    for part in parts:
        part.checkpoint.weights.clear()  # lets the files go


def _in_memory(array: Array | mx.array) -> mx.array:
    value = array if isinstance(array, mx.array) else mx.array(array)
    if value.dtype in _HALVES and not mx.metal.is_available():  # 40 to 100 times slower on a CPU
        value = value.astype(mx.float32)
    mx.eval(value)
    return value


def _matched(part: Part) -> Iterator[tuple[str, Array | mx.array]]:
    """Every parameter of the network and its weights. Files may hold more, from training."""
    folder = part.checkpoint.folder
    for name, parameter in tree_flatten(part.network.parameters()):
        array = part.checkpoint.weights.get(part.prefix + name)
        if array is None:
            raise damaged(folder, "The file of weights", f"it lacks {part.prefix + name}.")
        if tuple(array.shape) != tuple(parameter.shape):
            shapes = f"{tuple(array.shape)}, not {tuple(parameter.shape)}"
            raise damaged(folder, "The file of weights", f"{part.prefix + name} is {shapes}.")
        yield name, array


def open_checkpoint(folder: Path) -> Checkpoint:
    """FunASR's model.pt, or files that are converted. Raises LoadError."""
    if (folder / CHECKPOINT).is_file():
        try:
            tensors = read_tensors(folder / CHECKPOINT)
        except (TorchFileError, OSError) as error:
            raise damaged(folder, CHECKPOINT, str(error)) from error
        return Checkpoint(folder, {name: _channels_last(array) for name, array in tensors.items()})
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise damaged(folder, CHECKPOINT, "it is missing.")
    weights: dict[str, Array | mx.array] = {}
    for file in files:
        try:
            loaded: Any = mx.load(str(file))
        except (RuntimeError, ValueError) as error:
            logger.exception("reading %s failed", file)
            raise damaged(folder, file.name, "it is damaged.") from error
        weights.update(loaded)
    return Checkpoint(folder, weights)


def _channels_last(array: Array) -> Array:
    """The kernel of a convolution as MLX wants it; other arrays have fewer dimensions, and stay as they are."""
    if array.ndim == 4:  # FSMN-VAD convolves in two dimensions, of which one has the size 1
        array = array[..., 0]
    return array.transpose(0, 2, 1) if array.ndim == 3 else array
