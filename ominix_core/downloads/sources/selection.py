"""Which files of a repository a model consists of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from ominix_core.downloads.files import RemoteFile
from ominix_core.errors import DownloadError
from ominix_core.registry import rules

INDEX = ".safetensors.index.json"
METADATA = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken")
# What such an index stands for; the root of these repositories may hold the same weights once more, in one file.
PIPELINE_INDEX = "model_index.json"
PIPELINE = (
    PIPELINE_INDEX,
    *(f"{part}/*.{kind}" for part in ("transformer", "text_encoder", "vae") for kind in ("json", "safetensors")),
    "tokenizer/*",
    "scheduler/*.json",
)


def choose(
    files: Sequence[RemoteFile], patterns: Sequence[str], read: Callable[[RemoteFile], bytes]
) -> list[RemoteFile]:
    """The files to fetch.

    Where a `*.safetensors.index.json` lies in a folder, it alone says which weights of that folder belong to the
    model: repositories hold leftovers of other shardings. Patterns narrow the weights; the small files beside them
    (configuration, tokenizer, chat template) always come along.

    Args:
        read: Fetches the content of a small file.
    """
    by_path = {file.path: file for file in files}
    if not patterns and PIPELINE_INDEX in by_path:
        patterns = PIPELINE
    wanted = [*patterns, *(name for name in by_path if _is_metadata(name))] if patterns else []
    chosen = rules.select_files(by_path, wanted)
    indexed: dict[str, set[str]] = {}
    for path in chosen:
        if path.endswith(INDEX):
            indexed.setdefault(_folder(path), set()).update(_weights(path, read(by_path[path])))
    for folder, names in indexed.items():
        missing = sorted(names - by_path.keys())
        if missing:
            raise DownloadError(f"The repository's index names {missing[0]}, which it does not hold. It is incomplete.")
        chosen = [
            path for path in chosen if not path.endswith(".safetensors") or _folder(path) != folder or path in names
        ]
    if not any(path.endswith(".safetensors") or path in patterns for path in chosen):
        raise DownloadError("The repository holds no weights as safetensors. Choose one that was converted for MLX.")
    return [by_path[path] for path in chosen]


def _is_metadata(path: str) -> bool:
    from fnmatch import fnmatchcase

    return "/" not in path and any(fnmatchcase(path, pattern) for pattern in METADATA)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _weights(path: str, content: bytes) -> set[str]:
    try:
        names = set(json.loads(content)["weight_map"].values())
        if not all(isinstance(name, str) for name in names):
            raise TypeError("a shard's name is not text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DownloadError(f"{path} of the repository is not a valid index of weights: {error}") from error
    folder = _folder(path)
    return {f"{folder}/{name}" if folder else name for name in names}
