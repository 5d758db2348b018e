"""What a complete model folder holds: written last, checked before anything relies on the folder."""

from __future__ import annotations

import json
from pathlib import Path

NAME = ".ominix.json"


def write(folder: Path) -> None:
    """Record every file of the folder with its size."""
    files = {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}
    (folder / NAME).write_text(json.dumps({"files": files}, indent=1), encoding="utf-8")


def fault(folder: Path) -> str | None:
    """What is wrong with the folder in a few words, or None if every recorded file is there with its size."""
    try:
        files = json.loads((folder / NAME).read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return "it was not downloaded completely"
    for name, size in files.items():
        try:
            actual = (folder / name).stat().st_size
        except OSError:
            return f"{name} is missing"
        if actual != size:
            return f"{name} has {actual:,} bytes instead of {size:,}"
    return None
