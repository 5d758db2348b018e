"""Bringing a model of mlx-vlm into memory, layer by layer."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.engines.load_errors import explained
from ominix_core.engines.loading import evaluate, kv_group, refuse_code, refuse_settings
from ominix_core.engines.tokenizer import load_tokenizer
from ominix_core.errors import LoadError
from ominix_core.memory import KVCache, kv_cache_of, read_config, text_config
from ominix_core.mlx_setup import open_file_limit_kept, prepare

# Their language models look at the image again with every token, or answer with something else than words.
_OTHER_KINDS = frozenset({"mllama", "florence2", "nemotron_parse", "sam3", "sam3_1", "rfdetr", "rt_detr_v2", "yolo11"})
# What looks at images, as models call it.
_TOWERS = ("vision_tower", "vision_model", "vision_encoder", "visual", "vision_backbone")
REMEMBERED_BYTES = 256 << 20


@dataclass(frozen=True)
class VisionModel:
    """A model in memory.

    Attributes:
        model: With `get_input_embeddings` and `language_model`, as mlx-vlm's models are.
        processor: Turns text and images into what the model takes.
        tokenizer: mlx-lm's wrapper.
        context: In tokens; None if unlimited.
        kv_group: The group size with which its KV cache can be quantized.
    """

    model: Any
    processor: Any
    tokenizer: Any
    context: int | None
    kv_cache: KVCache
    kv_group: int


def load_vision_model(folder: Path, options: LoadOptions, report: LoadReport) -> VisionModel:
    """Load and evaluate the model in `folder`, in float32 on a CPU. Raises LoadError that names the folder."""
    refuse_code(folder, options)
    refuse_settings(folder, options, "draft_folder", "adapter_folder", "bits")
    prepare()
    import mlx.core as mx

    with open_file_limit_kept():
        from mlx_vlm.utils import get_model_type, load_image_processor, load_model, load_processor

    config = read_config(folder)
    text = text_config(config)
    group = kv_group(text, folder, options)
    if (kind := get_model_type(config)) in _OTHER_KINDS:
        raise LoadError(f"{folder.name} is of the family {kind}, which this version of Ominix cannot run.")
    report("reading")
    with explained(folder, options, "mlx-vlm"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are for whoever writes models
        model = load_model(folder, lazy=True, trust_remote_code=options.allow_code)
        tokenizer = load_tokenizer(folder, allow_code=options.allow_code)
        processor = load_processor(folder, add_detokenizer=False, trust_remote_code=options.allow_code)
        image_processor = load_image_processor(folder)
        if image_processor is not None:
            processor.image_processor = image_processor
        if isinstance(tokenizer.chat_template, dict):  # processors know one of them, or lack the default one
            templated: Any
            for templated in (processor, getattr(processor, "tokenizer", None)):
                if getattr(templated, "chat_template", None):
                    templated.chat_template = tokenizer.chat_template
        tokenizer.eos_token_ids = {*tokenizer.eos_token_ids, *getattr(processor, "additional_eos_token_ids", ())}
    warm_up(model, report)
    remember_images(model)
    kv_cache = kv_cache_of(config, 2 if mx.metal.is_available() else 4)
    return VisionModel(model, processor, tokenizer, text.get("max_position_embeddings"), kv_cache, group)


def warm_up(model: Any, report: LoadReport) -> None:
    """Read the weights from disk and run the language model once."""
    import mlx.core as mx

    if not mx.metal.is_available():
        model.set_dtype(mx.float32)  # half precision is 40 to 100 times slower on a CPU
    total_bytes = evaluate([model], report)
    report("warming up", total_bytes, total_bytes)
    output = model.language_model(mx.array([[0]]))
    mx.eval(getattr(output, "logits", output))


def remember_images(model: Any) -> None:
    """Let the model keep what it has seen in the images of its conversations."""
    for name in _TOWERS:
        if (tower := getattr(model, name, None)) is not None:
            setattr(model, name, RememberingTower(tower, REMEMBERED_BYTES))


class RememberingTower:
    """Looks at the same pixels only once while it remembers them; the least recently used go first.

    Args:
        tower: What looks at images.
        budget: Bytes that may be remembered.
    """

    def __init__(self, tower: Any, budget: int) -> None:
        self.tower = tower
        self.looked = 0
        """How often the tower had to look."""
        self._budget = budget
        self._seen: dict[bytes, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tower, name)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        import mlx.core as mx
        from mlx.utils import tree_flatten

        key = _digest((inputs, options))
        features = self._seen.pop(key, None)
        if features is None:
            self.looked += 1
            features = self.tower(*inputs, **options)
            mx.eval(features)
        self._seen[key] = features
        while sum(array.nbytes for _, array in tree_flatten(list(self._seen.values()))) > self._budget:
            self._seen.pop(next(iter(self._seen)))
        return features

    def forget(self) -> None:
        """Give the memory back."""
        self._seen.clear()


def _digest(inputs: Any) -> bytes:
    import hashlib

    import mlx.core as mx
    import numpy as np
    from mlx.utils import tree_flatten

    digest = hashlib.blake2b(digest_size=16)
    for name, value in tree_flatten(inputs):
        is_array = isinstance(value, mx.array)
        digest.update(f"{name} {(value.shape, value.dtype) if is_array else value!r}\0".encode())
        if is_array:
            digest.update(np.array(mx.contiguous(value).view(mx.uint8)).tobytes())
    return digest.digest()
