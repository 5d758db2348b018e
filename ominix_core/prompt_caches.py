"""Where prompt caches outlive their worker: one folder per model and revision, bounded on disk."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from ominix_core.paths import Home


def folder_for(home: Home, model_id: str, model_folder: Path, *variants: str) -> Path:
    """The folder for these very weights; those of other revisions of the model are removed.

    Args:
        variants: Whatever else changes the caches, such as an adapter.
    """
    files = sorted(model_folder.glob("*.safetensors")) + sorted(model_folder.glob("*.json"))
    identity = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    fingerprint = hashlib.sha256(json.dumps([identity, variants]).encode()).hexdigest()[:16]
    mine = home.prompt_caches / model_id / fingerprint
    if mine.parent.is_dir():
        for other in mine.parent.iterdir():
            if other != mine:
                shutil.rmtree(other, ignore_errors=True)
    return mine


def prune(home: Home, most_bytes: int) -> None:
    """Remove the least recently written models' caches until the rest fits."""
    if not home.prompt_caches.is_dir():
        return
    used = 0
    for folder in sorted(home.prompt_caches.iterdir(), key=lambda folder: _status(folder)[1], reverse=True):
        used += sum(_status(path)[0] for path in folder.rglob("*") if path.is_file())
        if used > most_bytes:
            shutil.rmtree(folder, ignore_errors=True)


def _status(path: Path) -> tuple[int, float]:
    """Bytes, and when it was written; nothing of what a worker that ends just now has replaced."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0.0
    return status.st_size, status.st_mtime
