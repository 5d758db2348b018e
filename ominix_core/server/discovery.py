"""`server.json`: how the user's other programs on this machine find the server."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import ominix_core
from ominix_core.server.private_file import write_private


@contextlib.contextmanager
def announced_in(path: Path, url: str, key: str) -> Iterator[None]:
    """Say in `path` where the server is while the block runs; `key` lets the user's own programs in."""
    text = json.dumps({"url": url, "key": key, "pid": os.getpid(), "version": ominix_core.__version__})
    write_private(path, text)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            if path.read_text("utf-8") == text:  # else a server that came later has written its own
                path.unlink()
