"""Bringing a language model of mlx-lm into memory, layer by layer."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ominix_core.engines.adapters import with_adapter
from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.engines.load_errors import explained
from ominix_core.engines.tokenizer import load_tokenizer
from ominix_core.errors import LoadError
from ominix_core.memory import KVCache, kv_cache_of, text_config
from ominix_core.mlx_setup import open_file_limit_kept, prepare

# The settings that single out a model, by the load option that each becomes.
_SETTINGS = {"draft_folder": "draft_models", "adapter_folder": "adapters", "bits": "quantize"}

CONFIGS = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
"""The files of a checkpoint that may name Python code for transformers to run."""


@dataclass(frozen=True)
class LanguageModel:
    """A model in memory.

    Attributes:
        tokenizer: mlx-lm's wrapper.
        context: In tokens; None if unlimited.
        kv_group: The group size with which its KV cache can be quantized.
        draft: The small model that drafts for it, if any.
    """

    model: Any
    tokenizer: Any
    context: int | None
    kv_cache: KVCache
    kv_group: int
    draft: Any


def load_language_model(folder: Path, options: LoadOptions, report: LoadReport) -> LanguageModel:
    """Load and evaluate the model in `folder`, in float32 on a CPU. Raises LoadError that names the folder."""
    refuse_code(folder, options)
    refuse_settings(folder, options, "bits")
    prepare()
    import mlx.core as mx

    with open_file_limit_kept():
        from mlx_lm.utils import load_model

    report("reading")
    with explained(folder, options, "mlx-lm"):
        model, config = load_model(folder, lazy=True, trust_remote_code=options.allow_code)
        tokenizer = load_tokenizer(folder, allow_code=options.allow_code)
    if options.adapter_folder:
        model = with_adapter(model, folder, Path(options.adapter_folder))
    draft = _load_draft(Path(options.draft_folder), tokenizer, options) if options.draft_folder else None
    on_cpu = not mx.metal.is_available()
    models = [model] if draft is None else [model, draft]
    if on_cpu:
        for each in models:
            each.set_dtype(mx.float32)  # half precision is 40 to 100 times slower on a CPU
    total_bytes = evaluate(models, report)
    report("warming up", total_bytes, total_bytes)
    mx.eval([each(mx.array([[0]])) for each in models])
    text = text_config(config)
    kv_cache = kv_cache_of(config, 4 if on_cpu else 2)
    group = kv_group(text, folder, options)
    if options.kv_bits:
        _refuse_windows(model, folder)
    return LanguageModel(model, tokenizer, text.get("max_position_embeddings"), kv_cache, group, draft)


def _load_draft(folder: Path, tokenizer: Any, options: LoadOptions) -> Any:
    from mlx_lm.utils import load_model

    with explained(folder, options, "mlx-lm"):
        draft, _ = load_model(folder, lazy=True)
        vocabulary = load_tokenizer(folder).vocab_size
    if vocabulary != tokenizer.vocab_size:
        raise LoadError(f"{folder.name} cannot draft for this model: its vocabulary is another one.")
    return draft


def kv_group(text: dict[str, Any], folder: Path, options: LoadOptions) -> int:
    """With which group size the KV cache can be quantized. Raises LoadError if it shall be, but cannot."""
    head_dim = text.get("head_dim") or text.get("hidden_size", 0) // max(1, text.get("num_attention_heads", 1))
    group = next((size for size in (64, 32) if head_dim % size == 0), 0)
    if options.kv_bits and not group:
        raise LoadError(
            f"The KV cache of {folder.name} cannot be quantized: its head dimension is {head_dim}. "
            "Set kv_bits = 0 in config.toml."
        )
    return group


def _refuse_windows(model: Any, folder: Path) -> None:
    """Raises LoadError for a model whose KV cache mlx-lm cannot quantize; it would only say so in the first answer."""
    from mlx_lm.models.cache import RotatingKVCache, make_prompt_cache

    if any(isinstance(part, RotatingKVCache) for part in make_prompt_cache(model)):
        raise LoadError(
            f"The KV cache of {folder.name} cannot be quantized: some of its layers see a sliding window only. "
            "Set kv_bits = 0 in config.toml."
        )


def refuse_settings(folder: Path, options: LoadOptions, *refused: str) -> None:
    """Raises LoadError if the settings ask of this model what its kind cannot do, rather than ignore them.

    Args:
        refused: The load options that this kind of model cannot honour.
    """
    for option in refused:
        if getattr(options, option):
            setting = _SETTINGS[option]
            raise LoadError(
                f"The setting '{setting}' cannot be used with {folder.name}, which is of another kind. "
                f"Take it out of '{setting}' in config.toml."
            )


def refuse_code(folder: Path, options: LoadOptions) -> None:
    """Python that comes with a checkpoint is run only for models that the user allows. Raises LoadError."""
    if options.allow_code:
        return
    carried = sorted(
        {name for path in folder.glob("*config.json") for name in _modules(path) if (folder / name).is_file()}
    )
    if carried:
        raise LoadError(
            f"{folder.name} carries Python code of its own ({', '.join(carried)}), which Ominix does not run unasked. "
            f'If you trust it, add its id to allow_code in config.toml: allow_code = ["{folder.name}"].'
        )


def _modules(path: Path) -> Iterator[str]:
    """The Python files that a model's, tokenizer's or processor's configuration names."""
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return
    if not isinstance(config, dict):
        return
    yield str(config.get("model_file"))
    auto_map = config.get("auto_map")
    for target in auto_map.values() if isinstance(auto_map, dict) else ():
        # a tokenizer names a slow and a fast class, or null
        for name in target if isinstance(target, list) else [target]:
            # "owner/name--module.Class" comes from another repository
            yield str(name).rpartition("--")[2].partition(".")[0] + ".py"


def to_float32(model: Any) -> None:
    """For CPUs, where half precision is 40 to 100 times slower; the arrays that are no parameters become it too."""
    import mlx.core as mx

    halves = (mx.float16, mx.bfloat16)
    for module in model.modules():
        for name, value in list(module.items()):
            if isinstance(value, mx.array) and value.dtype in halves:
                module[name] = value.astype(mx.float32)
        dtype = getattr(module, "dtype", None)
        if isinstance(dtype, mx.Dtype) and dtype in halves:
            with contextlib.suppress(AttributeError):  # some only report what their weights are
                module.dtype = mx.float32


def evaluate(models: list[Any], report: LoadReport) -> int:
    """Read the weights from disk layer by layer; returns their bytes."""
    import mlx.core as mx
    from mlx.utils import tree_flatten

    parameters = [parameter for model in models for parameter in tree_flatten(model.parameters())]
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
