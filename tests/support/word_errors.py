"""How wrong a transcript is."""

from __future__ import annotations

import re


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Words that are missing, wrong or too many, and how many were said; case and punctuation do not count."""
    expected, found = _words(said), _words(heard)
    row = list(range(len(found) + 1))
    for index, word in enumerate(expected, 1):
        before, row[0] = row[0], index
        for position, other in enumerate(found, 1):
            best = min(row[position] + 1, row[position - 1] + 1, before + (word != other))
            before, row[position] = row[position], best
    return row[-1], len(expected)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())
