"""Which files of a repository a model consists of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from ominix_core.downloads.files import RemoteFile
from ominix_core.errors import DownloadError
from ominix_core.registry import contents, loadable

INDEX = ".safetensors.index.json"


def choose(
    repository: str, files: Sequence[RemoteFile], patterns: Sequence[str], read: Callable[[RemoteFile], bytes]
) -> list[RemoteFile]:
    """The files to fetch. Raises DownloadError if they are not all there, or hold no weights.

    Where a `*.safetensors.index.json` lies in a folder, it alone says which weights of that folder belong to the
    model: repositories hold leftovers of other shardings. Names tell the rest: see `contents.wanted`.

    Args:
        read: Fetches the content of a small file.
    """
    by_path = {file.path: file for file in files}
    chosen = contents.wanted(by_path, patterns)
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
        raise DownloadError(loadable.without_weights(repository, by_path))
    return [by_path[path] for path in chosen]


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
