"""Images behind URLs: files with names that nobody can guess, gone after an hour."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path

from ominix_core.image_formats import ImageFormat

SECONDS_KEPT = 3600.0
PREFIX = "/v1/images/made/"
"""Whoever knows the name needs no key."""

_NAME = re.compile(r"[A-Za-z0-9_-]{32}\.(png|jpeg|webp)")


class MadeImages:
    """The files in one folder; those that are too old go whenever one comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, picture: bytes, kind: ImageFormat) -> str:
        """Write an image and return its name. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.sweep()
        name = f"{secrets.token_urlsafe(24)}.{kind}"
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(picture)
        return name

    def find(self, name: str) -> Path | None:
        """The file of this name, unless there is none or its time is over."""
        path = self._folder / name
        return path if _NAME.fullmatch(name) and _is_fresh(path) else None

    def sweep(self) -> None:
        """Delete what is too old."""
        for path in self._folder.glob("*.*"):
            if not _is_fresh(path):
                with contextlib.suppress(OSError):
                    path.unlink()


def _is_fresh(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < SECONDS_KEPT
    except OSError:
        return False
