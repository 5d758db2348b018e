"""Search as you type: what holds the words first, then what has the letters in their order."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ominix_core.registry.entry import RegistryEntry


class SearchIndex:
    """Finds entries by words of their id, name, category, tags, repository and description."""

    def __init__(self, entries: Sequence[RegistryEntry]) -> None:
        self._entries = entries
        self._names = [f"{entry.name} {entry.id}".lower() for entry in entries]
        self._texts = [f"{name} {_words(entry)}" for name, entry in zip(self._names, entries, strict=True)]

    def find(self, query: str, limit: int) -> list[RegistryEntry]:
        """At most `limit` entries for `query`, the likeliest first; all in their own order when it is blank."""
        words = query.lower().split()
        if not words:
            return list(self._entries[:limit])
        first = words[0]
        texts = self._texts
        hits = [index for index, text in enumerate(texts) if first in text]
        for word in words[1:]:
            hits = [index for index in hits if word in texts[index]]
        if len(hits) < limit:
            hits = self._ranked(hits, " ".join(words)) + self._fuzzy("".join(words), set(hits), limit - len(hits))
        else:
            hits = self._ranked(hits, " ".join(words))
        return [self._entries[index] for index in hits[:limit]]

    def _ranked(self, hits: list[int], query: str) -> list[int]:
        """Names that start with the query, then names that hold it, then the rest, each in catalogue order."""
        ranks: tuple[list[int], list[int], list[int]] = ([], [], [])
        for index in hits:
            place = self._names[index].find(query)
            ranks[0 if place == 0 else 1 if place > 0 else 2].append(index)
        return [index for rank in ranks for index in rank]

    def _fuzzy(self, letters: str, found: set[int], limit: int) -> list[int]:
        """Entries whose name or id has the letters in order, those that spread them least first."""
        # Negated classes leave one way to match, so a failed match costs one pass over the name.
        steps = "".join(f"[^{re.escape(letter)}]*{re.escape(letter)}" for letter in letters[1:])
        matcher = re.compile(re.escape(letters[0]) + steps)
        spans = []
        for index, name in enumerate(self._names):
            match = matcher.search(name)
            if match is not None and index not in found:
                spans.append((match.end() - match.start(), index))
        return [index for _, index in sorted(spans)[:limit]]


def _words(entry: RegistryEntry) -> str:
    parts = (entry.category, entry.subcategory, *entry.tags, entry.repo, entry.runtime.quantization, entry.description)
    return " ".join(parts).lower()
