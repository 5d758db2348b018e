"""The files of a repository that a model consists of, as far as their names tell: without copies and leftovers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from ominix_core.registry import rules

METADATA = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken")
# What such an index stands for; the root of these repositories may hold the same weights once more, in one file.
PIPELINE_INDEX = "model_index.json"
PIPELINE = (
    PIPELINE_INDEX,
    *(f"{part}/*.{kind}" for part in ("transformer", "text_encoder", "vae") for kind in ("json", "safetensors")),
    "tokenizer/*",
    "scheduler/*.json",
)
_PRECISION = r"(?:fp|bf|float|bfloat|int)\d{1,2}|\d{1,2}-?bit"
# Folders that hold the model once more: as training left it, in another precision, or for another program.
_COPY_FOLDER = re.compile(
    rf"(?:checkpoint[-_]\d+|global_step_?\d+|{_PRECISION}|original|onnx|openvino|coreml|gguf|ggml|metal)", re.IGNORECASE
)
_OF_TRAINING = re.compile(
    r"(?:trainer_state|optimizer|scheduler_state|random_states?|training_args)[^/]*", re.IGNORECASE
)
_VARIANT = re.compile(rf"(.+)\.(?:{_PRECISION}|non_ema|ema)(\.safetensors|-\d+-of-\d+\.safetensors)", re.IGNORECASE)


def wanted(names: Iterable[str], patterns: Sequence[str] = ()) -> list[str]:
    """The files that a download takes.

    Args:
        patterns: Narrow the weights; the small files beside them (configuration, tokenizer, chat template) always come
            along. What they name is taken even if it looks like a leftover.
    """
    names = list(names)
    if patterns:
        return _selected(names, patterns)
    if PIPELINE_INDEX in names:
        return _without_leftovers(_selected(names, PIPELINE))
    return _without_leftovers(rules.select_files(names))


def _selected(names: list[str], patterns: Sequence[str]) -> list[str]:
    metadata = [name for name in names if "/" not in name and any(fnmatchcase(name, kind) for kind in METADATA)]
    return rules.select_files(names, [*patterns, *metadata])


def _without_leftovers(names: list[str]) -> list[str]:
    known = set(names)
    weights = {name for name in names if "/" not in name and name.endswith(".safetensors")}
    has_model = any(name.startswith("model") for name in weights)

    def is_leftover(name: str) -> bool:
        *folders, file = name.split("/")
        if _OF_TRAINING.fullmatch(file):
            return True
        if (variant := _VARIANT.fullmatch(name)) and variant[1] + variant[2] in known:
            return True
        if folders and weights and any(map(_COPY_FOLDER.fullmatch, folders)):
            return True
        return has_model and not folders and fnmatchcase(file, "consolidated*.safetensors")

    return [name for name in names if not is_leftover(name)]
