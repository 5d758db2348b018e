"""Bringing a language model of mlx-lm into memory, layer by layer."""

from __future__ import annotations

import itertools
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.errors import LoadError
from ominix_core.memory import KVCache, kv_cache_of, read_config
from ominix_core.mlx_setup import open_file_limit_kept, prepare

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LanguageModel:
    """A model in memory with its tokenizer (mlx-lm's wrapper); `context` is in tokens, None if unlimited."""

    model: Any
    tokenizer: Any
    context: int | None
    kv_cache: KVCache


def load_language_model(folder: Path, options: LoadOptions, report: LoadReport) -> LanguageModel:
    """Load and evaluate the model in `folder`, in float32 on a CPU. Raises LoadError that names the folder."""
    _refuse_code(folder, options)
    prepare()
    import mlx.core as mx

    with open_file_limit_kept():
        from mlx_lm.utils import load_adapters, load_model, load_tokenizer

    report("reading")
    try:
        model, config = load_model(folder, lazy=True, trust_remote_code=options.allow_code)
        tokenizer = load_tokenizer(folder, {"trust_remote_code": options.allow_code})
        if options.adapter_folder:
            model = load_adapters(model, options.adapter_folder)
    except Exception as error:
        logger.exception("reading %s failed", folder)
        raise LoadError(f"The files of {folder.name} cannot be read: {error}. Get the model again.") from error
    on_cpu = not mx.metal.is_available()
    if on_cpu:
        model.set_dtype(mx.float32)  # half precision is 40 to 100 times slower on a CPU
    total_bytes = _evaluate(model, report)
    report("warming up", total_bytes, total_bytes)
    mx.eval(model(mx.array([[0]])))
    text = config.get("text_config") or config
    kv_cache = kv_cache_of(config, 4 if on_cpu else 2)
    return LanguageModel(model, tokenizer, text.get("max_position_embeddings"), kv_cache)


def _refuse_code(folder: Path, options: LoadOptions) -> None:
    """Python that comes with a checkpoint is run only for models that the user allows."""
    if options.allow_code:
        return
    config = read_config(folder)
    modules = {str(target).partition(".")[0] + ".py" for target in (config.get("auto_map") or {}).values()}
    modules.add(str(config.get("model_file")))
    carried = sorted(name for name in modules if (folder / name).is_file())
    if carried:
        raise LoadError(
            f"{folder.name} carries Python code of its own ({', '.join(carried)}), which Ominix does not run unasked. "
            f'If you trust it, add its id to allow_code in config.toml: allow_code = ["{folder.name}"].'
        )


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
