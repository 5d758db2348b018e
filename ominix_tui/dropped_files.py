"""Files that are dropped on a terminal arrive as pasted text: their paths, quoted as each terminal likes it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ominix_core.paths import typed_path

LONGEST = 8192


def dropped_files(text: str) -> list[Path]:
    """The files that a pasted text names, if it names nothing but files that are there; else none."""
    if len(text) > LONGEST:
        return []
    try:
        words = shlex.split(text)
    except ValueError:  # a quotation mark that is never closed
        words = []
    for names in (words, text.strip().splitlines()):
        paths = [_path(name) for name in names]
        if paths and all(path.is_absolute() and os.path.isfile(path) for path in paths):
            return paths
    return []


def _path(name: str) -> Path:
    if name.startswith("file://"):
        return Path(unquote(urlsplit(name).path))
    return typed_path(name) if name.startswith("~/") else Path(name)
