"""Models that other programs have already put on this machine. Everything here only looks."""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Iterator
from pathlib import Path

from ominix_core.registry.entry import HuggingFaceSource, ModelScopeSource, RegistryEntry

CONFIGS = ("config.json", "model_index.json", "config.yaml")
UNFINISHED = (".incomplete", ".part", ".partial", ".download", ".tmp", ".aria2")


def find(entry: RegistryEntry) -> Path | None:
    """The folder of another program that holds the whole model, or None."""
    if entry.extra_sources:
        return None
    return next((folder for folder in _candidates(entry) if is_whole(folder, entry)), None)


def is_whole(folder: Path, entry: RegistryEntry) -> bool:
    """Whether a folder without a record of its files holds a complete model.

    Every expected file and every weight that an index names must be there, no file may be cut short (a safetensors
    file tells its own length), and nothing may look like a download on its way.
    """
    if not any((folder / name).is_file() for name in CONFIGS):
        return False
    try:
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    except OSError:
        return False
    of_repository = entry.source.files if isinstance(entry.source, HuggingFaceSource | ModelScopeSource) else ()
    patterns = (*entry.storage.expected_files, *of_repository)
    return (
        not any(name.endswith(UNFINISHED) for name in names)
        and all(fnmatch.filter(names, pattern) for pattern in patterns)
        and any(name.endswith(".safetensors") for name in names)
        and _indexed(folder, names) <= names
        and all(_has_its_length(folder / name) for name in names if name.endswith(".safetensors"))
    )


def _candidates(entry: RegistryEntry) -> Iterator[Path]:
    user = Path.home()
    source = entry.source
    if isinstance(source, HuggingFaceSource):
        cached = _hub_cache() / f"models--{source.repo.replace('/', '--')}"
        yield from _snapshot(cached, source.revision)
        yield cached  # OminiX Studio puts plain files there
    if isinstance(source, ModelScopeSource):
        cache = os.environ.get("MODELSCOPE_CACHE")
        yield (Path(cache) if cache else user / ".cache/modelscope") / "hub/models" / source.repo
    if entry.repo:
        yield user / ".lmstudio/models" / entry.repo
        yield user / ".cache/lm-studio/models" / entry.repo
    yield user / ".OminiX/models" / entry.id


def _hub_cache() -> Path:
    """Where `huggingface_hub` keeps models, by its own rules."""
    environment = os.environ
    cache = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    if cache:
        return Path(cache).expanduser()
    home = environment.get("HF_HOME")
    if home:
        return Path(home).expanduser() / "hub"
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface/hub"


def _snapshot(cached: Path, revision: str) -> Iterator[Path]:
    try:
        commit = (cached / "refs" / revision).read_text("ascii").strip()
    except (OSError, ValueError):
        commit = revision
    if commit.isalnum():
        yield cached / "snapshots" / commit


def _indexed(folder: Path, names: set[str]) -> set[str]:
    """The weights that the indexes in the folder name."""
    weights: set[str] = set()
    for name in names:
        if name.endswith(".safetensors.index.json"):
            try:
                shards = set(json.loads((folder / name).read_bytes())["weight_map"].values())
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                return {name + " is broken"}
            parent = name.rpartition("/")[0]
            weights |= {f"{parent}/{shard}" if parent else shard for shard in shards}
    return weights


def _has_its_length(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says."""
    try:
        with path.open("rb") as file:
            header_size = int.from_bytes(file.read(8), "little")
            size = os.fstat(file.fileno()).st_size
            if not 2 <= header_size <= size - 8:
                return False
            header = json.loads(file.read(header_size))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        return bool(size == 8 + header_size + max(ends, default=0))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return False
