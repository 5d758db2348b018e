"""Looking for markers in text that comes in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable


class Markers:
    """A set of markers; of two that begin at the same place the longer one counts."""

    def __init__(self, markers: Iterable[str]) -> None:
        ordered = sorted({marker for marker in markers if marker}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered)) or r"(?!)")
        self._beginnings = {marker[:size] for marker in ordered for size in range(1, len(marker))}
        self._longest = max(map(len, ordered), default=1) - 1

    def find(self, text: str, start: int = 0) -> re.Match[str] | None:
        """The first marker in `text`."""
        return self._pattern.search(text, start)

    def at(self, text: str, place: int) -> str:
        """The marker at `place`; "" if there is none."""
        match = self._pattern.match(text, place)
        return match.group() if match else ""

    def begins(self, text: str) -> bool:
        """Whether `text` is the beginning of a marker, but not yet one."""
        return text in self._beginnings

    def held(self, text: str) -> int:
        """How many characters at the end of `text`, which has no marker in it, may become one."""
        for size in range(min(self._longest, len(text)), 0, -1):
            if text[-size:] in self._beginnings:
                return size
        return 0
