"""A field for the path of a file, which completes what is typed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from textual.suggester import Suggester
from textual.widgets import Input

from ominix_core.paths import typed_path

AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("aac", "ac3", "aif", "aiff", "amr", "au", "caf", "flac", "m4a", "m4b", "mka", "mkv", "mov"),
        *("mp3", "mp4", "oga", "ogg", "opus", "wav", "webm", "wma"),
    )
)


class PathField(Input):
    """The right arrow takes the completion that is shown behind the cursor.

    Args:
        suffixes: Files that end otherwise are not offered; in lower case, with their dot.
    """

    def __init__(self, placeholder: str, suffixes: frozenset[str], *, id: str) -> None:  # noqa: A002
        super().__init__(placeholder=placeholder, suggester=PathSuggester(suffixes), compact=True, id=id)

    @property
    def path(self) -> Path | None:
        """What is typed as an absolute path; None if nothing is."""
        typed = self.value.strip()
        return typed_path(typed) if typed else None


class PathSuggester(Suggester):
    """Completes paths on the machine that this program runs on."""

    def __init__(self, suffixes: frozenset[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._suffixes = suffixes

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(self._complete, value)

    def _complete(self, typed: str) -> str | None:
        folder, begun = os.path.split(typed)
        if not begun or begun == "~":
            return None
        try:
            with os.scandir(os.path.expanduser(folder) or ".") as entries:
                fitting = sorted((entry.name, entry.is_dir()) for entry in entries if self._fits(entry, begun))
        except OSError:
            return None
        if not fitting:
            return None
        name, is_folder = fitting[0]
        return typed + name[len(begun) :] + (os.sep if is_folder else "")

    def _fits(self, entry: os.DirEntry[str], begun: str) -> bool:
        if not entry.name.startswith(begun) or not entry.name.isprintable():
            return False
        return entry.is_dir() or os.path.splitext(entry.name)[1].lower() in self._suffixes
