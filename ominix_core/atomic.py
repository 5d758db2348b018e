"""Files that are replaced in one step: whoever reads one sees the old content or the new, never half of it."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path


def write(path: Path, content: str | bytes, *, private: bool = False, durable: bool = False) -> None:
    """Replace `path`; its folder is made if there is none. Raises OSError, and then nothing has changed.

    Args:
        content: Text is written as UTF-8.
        private: Only its owner may read it; otherwise it keeps the mode that it has.
        durable: It is on the disk when this returns, also if the power fails then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    mode = 0o600 if private else 0o666
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if not private and path.exists():
            shutil.copymode(path, draft)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
