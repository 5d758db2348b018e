"""Bringing a language model of mlx-lm into memory, layer by layer."""

from __future__ import annotations

import itertools
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ominix_core.engines.base import LoadReport
from ominix_core.errors import LoadError
from ominix_core.mlx_setup import open_file_limit_kept, prepare

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LanguageModel:
    """A model in memory with its tokenizer (mlx-lm's wrapper); `context` is in tokens, None if unlimited."""

    model: Any
    tokenizer: Any
    context: int | None


def load_language_model(folder: Path, report: LoadReport) -> LanguageModel:
    """Load and evaluate the model in `folder`, in float32 on a CPU. Raises LoadError that names the folder."""
    prepare()
    import mlx.core as mx

    with open_file_limit_kept():
        from mlx_lm.utils import load_model, load_tokenizer

    report("reading")
    try:
        model, config = load_model(folder, lazy=True)
        tokenizer = load_tokenizer(folder)
    except Exception as error:
        logger.exception("reading %s failed", folder)
        raise LoadError(f"The files of {folder.name} cannot be read: {error}. Get the model again.") from error
    if not mx.metal.is_available():
        model.set_dtype(mx.float32)  # half precision is 40 to 100 times slower on a CPU
    total_bytes = _evaluate(model, report)
    report("warming up", total_bytes, total_bytes)
    mx.eval(model(mx.array([[0]])))
    return LanguageModel(model, tokenizer, config.get("max_position_embeddings"))


def _evaluate(model: Any, report: LoadReport) -> int:
    """Read the weights from disk layer by layer; returns their bytes."""
    import mlx.core as mx
    from mlx.utils import tree_flatten

    parameters = tree_flatten(model.parameters())
    total: int = sum(array.nbytes for _, array in parameters)
    done = 0
    report("loading weights", done, total)
    for _, layer in itertools.groupby(parameters, key=lambda item: _layer_of(item[0])):
        arrays = [array for _, array in layer]
        mx.eval(arrays)
        done += sum(array.nbytes for array in arrays)
        report("loading weights", done, total)
    return total


def _layer_of(parameter: str) -> str:
    """The layer that a parameter belongs to: "model.layers.3" of "model.layers.3.mlp.up_proj.weight"."""
    match = re.match(r".*?\.\d+(?=\.)", parameter)
    return match.group() if match else parameter
